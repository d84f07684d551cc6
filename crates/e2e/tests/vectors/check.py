#!/usr/bin/env python3
"""Opens the test vectors of PROTOCOL.md §8 from its text alone.

Needs `cryptography` (PyPI). Reads nothing of this crate but the vectors, and the private keys of
Alice and Bob that crates/crypto keeps for tests.
"""

import hashlib
import hmac
import pathlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HERE = pathlib.Path(__file__).parent
KEYS = HERE / "../../../crypto/tests/vectors"


def vectors(file):
    lines = (HERE / file).read_text().splitlines()
    pairs = (line.split(" = ") for line in lines if line and not line.startswith("#"))
    return {name: bytes.fromhex(value) for name, value in pairs}


def private(letter):
    der = (KEYS / f"rsa3072-{letter}.pk8").read_bytes()
    return serialization.load_der_private_key(der, None)


def spki(key):
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def fp(key):
    return sha256(spki(key))


def sha256(data):
    return hashlib.sha256(data).digest()


def T(context, *fields):
    data = b"undertone/1 " + context.encode() + b"\0"
    for field in fields:
        data += len(field).to_bytes(4, "big") + field
    return data


def hkdf(ikm, salt, info, length):
    return HKDF(hashes.SHA256(), length, salt or None, info).derive(ikm)


def pss_verify(key, message, signature):
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    key.verify(signature, message, scheme, hashes.SHA256())


def oaep_decrypt(key, label, ciphertext):
    scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label)
    return key.decrypt(ciphertext, scheme)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        taken = self.data[self.at : self.at + length]
        assert len(taken) == length, "input ends inside a field"
        self.at += length
        return taken

    def integer(self, length):
        return int.from_bytes(self.take(length), "big")

    def prefixed(self):
        length = 1 << (self.data[self.at] >> 6)
        value = self.integer(length) & ((1 << (8 * length - 2)) - 1)
        assert length == 1 or value >= 1 << (8 * length // 2 - 2), "not the shortest form"
        return self.take(value)

    def finish(self):
        assert self.at == len(self.data), "bytes are left"


A_SIG, A_ENC, B_SIG, B_ENC = (private(letter) for letter in "abcd")


def check_identity():
    v = vectors("public-identity.txt")
    r = Reader(v["identity"])
    name, sig, enc, certificate = (r.prefixed() for _ in range(4))
    r.finish()
    assert (name, sig, enc) == (b"alice", spki(A_SIG.public_key()), spki(A_ENC.public_key()))
    assert certificate == v["certificate"]
    pss_verify(A_SIG.public_key(), T("enc-key", name, enc), certificate)
    assert sha256(sig) == v["fingerprint"]
    people = [b"alice", fp(A_SIG.public_key()), b"bob", fp(B_SIG.public_key())]
    digits = hkdf(sha256(T("safety-number", *people)), b"", T("safety-number-digits"), 60)
    fives = (int.from_bytes(digits[i : i + 5], "big") % 100_000 for i in range(0, 60, 5))
    assert " ".join(f"{five:05}" for five in fives).encode() == v["safety_number_with_bob"]


def check_key_bag():
    v = vectors("key-bag.txt")
    bag = v["bag"]
    assert sha256(T("key-bag-hash", bag)) == v["hash"]
    form, salt, ciphertext = bag[:1], bag[1:33], bag[33:]
    assert form == b"\x01"
    okm = hkdf(v["export_key"], salt, T("key-bag-key"), 44)
    fingerprints = fp(A_SIG.public_key()), fp(A_ENC.public_key())
    aad = T("key-bag", form, v["name"], v["version"], *fingerprints)
    r = Reader(AESGCM(okm[:32]).decrypt(okm[32:], ciphertext, aad))
    for key in A_SIG, A_ENC:
        assert spki(serialization.load_der_private_key(r.prefixed(), None).public_key()) == spki(
            key.public_key()
        )
    assert r.integer(1) == 0
    assert r.take(32) == v["archive_key"]
    r.finish()


def padme(length):
    exponent = length.bit_length() - 1
    unit = 1 << (exponent - exponent.bit_length())
    return (length + unit - 1) // unit * unit


def check_sealed():
    v = vectors("sealed-message.txt")
    r = Reader(v["message"])
    assert r.take(3) == b"\x01\x01\x01"
    assert r.prefixed() == b"alice"
    assert r.take(16) == b"\x11" * 16
    assert r.take(32) == fp(A_SIG.public_key())
    assert r.prefixed() == b"bob"
    assert r.take(32) == fp(B_ENC.public_key())
    assert r.take(16) == v["conversation"] == sha256(T("conversation", b"alice", b"bob"))[:16]
    assert r.take(16) == b"\x22" * 16
    assert r.integer(8) == 7
    assert r.take(32) == b"\x33" * 32
    assert r.integer(8) == 1_795_000_000_123
    assert r.integer(8) == 42
    assert r.take(32) == b"\x44" * 32
    header = v["message"][: r.at]

    wrapped = r.prefixed()
    assert r.integer(1) == 0
    assert r.integer(1) == 1
    assert r.take(32) == fp(A_ENC.public_key())
    own = r.prefixed()
    assert r.integer(1) == 0
    keys = v["message"][len(header) : r.at]
    commitment, ciphertext, signature = r.take(32), r.prefixed(), r.prefixed()
    r.finish()

    th = sha256(T("sealed-head", header, keys))
    signed = T("sealed", th, commitment, sha256(T("sealed-text", ciphertext)))
    pss_verify(A_SIG.public_key(), signed, signature)
    try:
        pss_verify(B_SIG.public_key(), signed, signature)
        raise AssertionError("anything verifies")
    except InvalidSignature:
        pass
    assert sha256(T("chain", th, signature)) == v["chain"]

    secret = oaep_decrypt(B_ENC, T("sealed-key", header), wrapped)
    assert secret == oaep_decrypt(A_ENC, T("sealed-own-key", header), own)
    assert len(secret) == 32
    okm = hkdf(secret, b"", T("sealed-secrets", th), 76)
    assert hmac.compare_digest(okm[44:], commitment)
    padded = AESGCM(okm[:32]).decrypt(okm[32:44], ciphertext, th)
    length = int.from_bytes(padded[:4], "big")
    assert padded[4 : 4 + length] == v["text"]
    assert not any(padded[4 + length :])
    assert 0 <= len(padded) - padme(max(256, 4 + length)) <= 255


def check_states():
    v = vectors("states.txt")
    message = vectors("sealed-message.txt")
    assert v["sending"] == b"\x01" + (2).to_bytes(8, "big") + b"\x66" * 32
    gap = (1).to_bytes(8, "big") + (6).to_bytes(8, "big") + b"\0" + b"\x33" * 32
    highest = (7).to_bytes(8, "big") + b"\x01" + message["chain"]
    assert v["receiving"] == b"\x01" + highest + b"\x01" + gap
    identity = v["pin"][2:-1]
    assert v["pin"] == b"\x01\0" + identity + b"\0"
    r = Reader(identity)
    name, sig, enc, certificate = (r.prefixed() for _ in range(4))
    r.finish()
    assert (name, sig, enc) == (b"alice", spki(A_SIG.public_key()), spki(A_ENC.public_key()))
    pss_verify(A_SIG.public_key(), T("enc-key", name, enc), certificate)


for check in check_identity, check_key_bag, check_sealed, check_states:
    check()
    print(f"{check.__name__}: ok")
sys.exit(0)
