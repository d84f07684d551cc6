use internet::{Protection, SAMPLE_LEN, TAG_LEN};
use transport::{Keys, Session};

use super::pair::Pair;

const HEADER: &[u8] = b"header";
const PAYLOAD: &[u8] = b"what nobody else may read";

fn sealed(keys: &dyn Protection, number: u64) -> Vec<u8> {
    let mut packet = [HEADER, PAYLOAD, &[0; TAG_LEN]].concat();
    keys.seal(number, &mut packet, HEADER.len());
    packet
}

fn opened(keys: &dyn Protection, number: u64, mut packet: Vec<u8>) -> Option<Vec<u8>> {
    let len = keys.open(number, &mut packet, HEADER.len()).ok()?;
    Some(packet[HEADER.len()..][..len].to_vec())
}

fn assert_one_way(from: &dyn Protection, to: &dyn Protection) {
    let packet = sealed(from, 7);
    assert_eq!(packet[..HEADER.len()], *HEADER);
    assert!(
        !packet
            .windows(PAYLOAD.len())
            .any(|window| window == PAYLOAD)
    );
    assert_eq!(opened(to, 7, packet.clone()).as_deref(), Some(PAYLOAD));
    assert_eq!(opened(to, 8, packet.clone()), None, "another packet number");
    for at in 0..packet.len() {
        let mut changed = packet.clone();
        changed[at] ^= 1;
        assert_eq!(opened(to, 7, changed), None, "byte {at} changed");
    }
    for len in 0..packet.len() {
        let mut cut = packet[..len].to_vec();
        assert!(to.open(7, &mut cut, HEADER.len()).is_err(), "cut to {len}");
    }
    for byte in [0, 1, 0xff] {
        let sample = [byte; SAMPLE_LEN];
        assert_eq!(from.header_mask(&sample), to.header_mask(&sample));
    }
}

fn assert_agree(one: &Keys, other: &Keys) {
    assert_one_way(&*one.local, &*other.remote);
    assert_one_way(&*other.local, &*one.remote);
    assert_eq!(
        opened(&*one.local, 7, sealed(&*other.local, 7)),
        None,
        "directions differ"
    );
}

#[test]
fn both_ends_agree_on_the_keys_of_every_epoch() {
    let pair = Pair::connected();
    let (client, server) = (&pair.client, &pair.server);
    assert_agree(
        client.handshake.as_ref().unwrap(),
        server.handshake.as_ref().unwrap(),
    );
    assert_agree(client.data.as_ref().unwrap(), server.data.as_ref().unwrap());
    let handshake = &client.handshake.as_ref().unwrap().local;
    let data = &server.data.as_ref().unwrap().remote;
    assert_eq!(
        opened(&**data, 7, sealed(&**handshake, 7)),
        None,
        "epochs differ"
    );
}

#[test]
fn three_key_updates_agree_differ_and_keep_the_header_mask() {
    let mut pair = Pair::connected();
    let mut last = pair.client.data.take().unwrap();
    let sample = [0x5a; SAMPLE_LEN];
    for _ in 0..3 {
        let client = pair.client.session.next_keys().unwrap();
        let server = pair.server.session.next_keys().unwrap();
        assert_agree(&client, &server);
        assert_eq!(
            opened(&*server.remote, 7, sealed(&*last.local, 7)),
            None,
            "generations differ"
        );
        assert_eq!(
            client.local.header_mask(&sample),
            last.local.header_mask(&sample)
        );
        assert_eq!(
            client.remote.header_mask(&sample),
            last.remote.header_mask(&sample)
        );
        last = client;
    }
}

#[test]
fn the_mask_covers_what_header_protection_hides_and_depends_on_the_sample() {
    let pair = Pair::connected();
    let keys = &pair.client.data.as_ref().unwrap().local;
    let masks: Vec<_> = (0..=255)
        .map(|byte| keys.header_mask(&[byte; SAMPLE_LEN]))
        .collect();
    let seen = masks.iter().fold([0; 5], |mut seen, mask| {
        seen.iter_mut()
            .zip(mask)
            .for_each(|(seen, mask)| *seen |= mask);
        seen
    });
    assert_eq!(seen, [0x1f, 0xff, 0xff, 0xff, 0xff]);
}

#[test]
fn limits_are_those_of_rfc_9001() {
    let pair = Pair::connected();
    let keys = &pair.client.data.as_ref().unwrap().local;
    // RFC 9001 §6.6 for AES-GCM; the tests' processor is taken to have AES.
    let (seals, failures) = (keys.confidentiality_limit(), keys.integrity_limit());
    assert!((seals, failures) == (1 << 23, 1 << 52) || (seals, failures) == (u64::MAX, 1 << 36));
}

#[test]
fn no_update_before_there_are_data_keys() {
    let client = super::pair::client_sessions(crate::Trust::FirstUse);
    let mut pair = Pair::new(&client, &super::pair::server_sessions());
    assert!(pair.client.session.next_keys().is_none());
    assert!(pair.server.session.next_keys().is_none());
}
