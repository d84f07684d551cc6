//! The test vectors of docs/PROTOCOL.md §2.10: made and read, byte by byte.
#![allow(clippy::expect_used)] // A helper outside a test function is still a test.

use std::collections::BTreeMap;

use crypto::Random;
use internet::{
    ConnectionId, ConnectionIds, Header, PacketBuilder, PartialPacket, Route, VERSION,
    encode_challenge, encode_stateless_reset, encode_version, initial_keys, open, open_challenge,
    versions,
};

const FILE: &str = include_str!("vectors/packets.txt");
const CLIENT: ConnectionId = ConnectionId::new([0xc1, 1, 2, 3, 4, 5, 6, 7]);
const SERVER: ConnectionId = ConnectionId::new([0x5e, 1, 2, 3, 4, 5, 6, 7]);

/// Random bytes of the vectors: 01 02 03 and so on.
struct Ascending(u8);

impl Random for Ascending {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 += 1;
            *byte = self.0;
        }
    }
}

fn ids() -> ConnectionIds {
    ConnectionIds::new(&crypto::Secret::from([7; 32]))
}

fn vectors() -> BTreeMap<&'static str, Vec<u8>> {
    let line = |line: &'static str| {
        let (name, hex) = line.split_once(" = ").expect("name = hex");
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        (name, (0..hex.len()).step_by(2).map(digit).collect())
    };
    FILE.lines()
        .filter(|text| !text.starts_with('#') && !text.is_empty())
        .map(line)
        .collect()
}

/// Every vector as this code makes it.
fn made() -> BTreeMap<&'static str, Vec<u8>> {
    let (keys, _) = initial_keys(SERVER);
    let sealed = |begin: &dyn Fn(&mut Vec<u8>) -> PacketBuilder, payload: &[u8]| {
        let mut out = Vec::new();
        let builder = begin(&mut out);
        out.extend_from_slice(payload);
        builder.finish(&mut out, &keys);
        out
    };
    let plain = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    let id = ids().issue(Route { node: 3, worker: 9 }, &mut Ascending(0));
    let token = ids().reset_token(id);
    BTreeMap::from([
        (
            "initial",
            sealed(
                &|out| PacketBuilder::initial(out, SERVER, CLIENT, b"token", 0, None),
                b"undertone initial",
            ),
        ),
        (
            "handshake",
            sealed(
                &|out| PacketBuilder::handshake(out, SERVER, CLIENT, 300, None),
                b"undertone handshake",
            ),
        ),
        (
            "data",
            sealed(
                &|out| PacketBuilder::data(out, SERVER, true, 0xac_5c02, Some(0xab_e8b3)),
                b"undertone data",
            ),
        ),
        (
            "data_empty",
            sealed(
                &|out| PacketBuilder::data(out, SERVER, false, 1, Some(0)),
                b"",
            ),
        ),
        (
            "challenge",
            plain(&|out| encode_challenge(out, CLIENT, SERVER, b"undertone challenge")),
        ),
        (
            "version",
            plain(&|out| encode_version(out, CLIENT.as_bytes(), SERVER.as_bytes())),
        ),
        (
            "version_other_ids",
            plain(&|out| encode_version(out, &[0xaa, 0xbb, 0xcc], &[])),
        ),
        (
            "reset",
            plain(&|out| {
                encode_stateless_reset(out, &token, 30, &mut Ascending(0)).expect("long enough");
            }),
        ),
        ("connection_id", id.as_bytes().to_vec()),
        ("reset_token", token.as_bytes().to_vec()),
    ])
}

#[test]
fn vectors_are_made_as_they_are_written() {
    let (made, written) = (made(), vectors());
    for (name, bytes) in &made {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written.get(name), Some(bytes), "{name} = {hex}");
    }
    assert_eq!(made.len(), written.len());
}

#[test]
fn sealed_vectors_are_read_back() {
    let (keys, _) = initial_keys(SERVER);
    for (name, acked, number, payload) in [
        ("initial", None, 0, &b"undertone initial"[..]),
        ("handshake", Some(299), 300, b"undertone handshake"),
        ("data", Some(0xab_e8b3), 0xac_5c02, b"undertone data"),
        ("data_empty", None, 1, b"\0\0"),
    ] {
        let mut bytes = vectors().remove(name).expect(name);
        let packet = PartialPacket::parse(&bytes).expect(name);
        assert_eq!(packet.dcid(), Some(SERVER), "{name}");
        let opened = open(&packet, &keys, acked, &mut bytes).expect(name);
        assert_eq!(opened.packet_number, number, "{name}");
        assert_eq!(opened.key_phase, name == "data");
        assert_eq!(&bytes[opened.payload], payload, "{name}");
    }
}

#[test]
fn stateless_vectors_are_read_back() {
    let written = vectors();
    let challenge = &written["challenge"];
    let packet = PartialPacket::parse(challenge).expect("challenge");
    assert_eq!(packet.dcid(), Some(CLIENT));
    let body = open_challenge(&packet, SERVER, challenge);
    assert_eq!(body, Ok(&b"undertone challenge"[..]));

    let version = &written["version"];
    match PartialPacket::parse(version).expect("version").header {
        Header::Version {
            dcid,
            scid,
            versions: list,
        } => {
            assert_eq!((dcid, scid), (CLIENT, SERVER));
            assert_eq!(versions(&version[list]).collect::<Vec<_>>(), [VERSION]);
        }
        other => panic!("{other:?}"),
    }

    let id: [u8; 8] = written["connection_id"][..].try_into().expect("8 bytes");
    let id = ConnectionId::new(id);
    assert_eq!(ids().route(id), Route { node: 3, worker: 9 });
    assert!(ids().reset_token(id).matches(&written["reset"]));
}
