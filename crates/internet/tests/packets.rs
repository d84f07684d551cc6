//! Packets as two ends see them: what one seals, the other opens, and nothing else opens.

mod common;

use common::{CLIENT, SEALED, SERVER, Sealed, seal};
use internet::{
    DATA_OVERHEAD_MAX, DropReason, HANDSHAKE_OVERHEAD_MAX, Header, OpenError, PACKET_NUMBER_MAX,
    PacketBuilder, PartialPacket, TAG_LEN, initial_keys, initial_overhead_max, open, open_unmasked,
    unmask,
};
use proptest::prelude::*;

proptest! {
    /// h08: what is read is what was written, whatever the sizes.
    #[test]
    fn h08_a_packet_opens_as_it_was_sealed(
        kind in prop::sample::select(&SEALED[..]),
        payload in prop::collection::vec(any::<u8>(), 0..1400),
        acked in prop::option::of(0..PACKET_NUMBER_MAX - 5000),
        ahead in 1..5000u64,
    ) {
        let number = acked.unwrap_or(0) + ahead;
        let (client, _) = initial_keys(SERVER);
        let mut datagram = b"before".to_vec();
        let len = seal(&mut datagram, kind, &client, number, acked, &payload);
        let bytes = &mut datagram[6..];
        prop_assert_eq!(len, bytes.len());

        let packet = PartialPacket::parse(bytes).unwrap();
        prop_assert_eq!(packet.len(), len);
        prop_assert_eq!(packet.dcid(), Some(SERVER));
        prop_assert_eq!(PartialPacket::peek_dcid(bytes), Some(SERVER));
        match (&packet.header, kind) {
            (Header::Initial { scid, token, .. }, Sealed::Initial) => {
                prop_assert_eq!(*scid, CLIENT);
                prop_assert_eq!(&bytes[token.clone()], b"token");
            }
            (Header::Handshake { scid, .. }, Sealed::Handshake) => prop_assert_eq!(*scid, CLIENT),
            (Header::Data { .. }, Sealed::Data) => {}
            (header, _) => prop_assert!(false, "{:?}", header),
        }
        let opened = open(&packet, &client, acked, bytes).unwrap();
        prop_assert_eq!(opened.packet_number, number);
        prop_assert_eq!(opened.key_phase, kind == Sealed::Data);
        let read = &bytes[opened.payload];
        prop_assert_eq!(&read[..payload.len()], &payload[..]);
        // A short payload is padded so that there is something to sample, never further.
        prop_assert!(read[payload.len()..].iter().all(|byte| *byte == 0));
        prop_assert!(read.len() <= payload.len().max(3));
    }

    /// The overheads that the transport computes with are enough, and `room` is exact.
    #[test]
    fn a_packet_ends_where_it_is_told_to(
        kind in prop::sample::select(&SEALED[..]),
        size in 64..9000usize,
        number in 0..PACKET_NUMBER_MAX,
    ) {
        let (client, _) = initial_keys(SERVER);
        let mut out = Vec::new();
        let (builder, overhead) = match kind {
            Sealed::Initial => (
                PacketBuilder::initial(&mut out, SERVER, CLIENT, b"1234", number, None),
                initial_overhead_max(4),
            ),
            Sealed::Handshake => (
                PacketBuilder::handshake(&mut out, SERVER, CLIENT, number, None),
                HANDSHAKE_OVERHEAD_MAX,
            ),
            Sealed::Data => (
                PacketBuilder::data(&mut out, SERVER, false, number, None),
                DATA_OVERHEAD_MAX,
            ),
        };
        let room = builder.room(&out, size);
        prop_assert_eq!(room, size - TAG_LEN - out.len());
        prop_assert!(room + overhead >= size);
        builder.pad_to(&mut out, size);
        prop_assert_eq!(builder.room(&out, size), 0);
        builder.finish(&mut out, &client);
        prop_assert_eq!(out.len(), size);
    }

    /// Any bytes at all: an error or a packet within them, and the same the second time.
    #[test]
    fn h02_any_bytes_parse_within_bounds(
        mut datagram in prop::collection::vec(any::<u8>(), 0..100),
        version in prop::sample::select(&[0, internet::VERSION, 1][..]),
        long in any::<bool>(),
        number in prop::option::of(any::<u64>()),
    ) {
        if let (true, Some(bytes)) = (long, datagram.get_mut(..5)) {
            bytes[0] |= 0xc0;
            bytes[1..].copy_from_slice(&version.to_be_bytes());
        }
        if let Ok(packet) = PartialPacket::parse(&datagram) {
            prop_assert!(packet.len() >= 1 && packet.len() <= datagram.len());
            prop_assert_eq!(&packet, &PartialPacket::parse(&datagram[..packet.len()]).unwrap());
            let (client, _) = initial_keys(SERVER);
            prop_assert!(open(&packet, &client, number, &mut datagram).is_err());
        }
    }
}

#[test]
fn coalesced_packets_come_apart_again() {
    let (client, _) = initial_keys(SERVER);
    let mut datagram = Vec::new();
    for (kind, payload) in [
        (Sealed::Initial, &b"first"[..]),
        (Sealed::Handshake, b""),
        (Sealed::Data, b"third"),
    ] {
        seal(&mut datagram, kind, &client, 3, None, payload);
    }
    let mut rest = &mut datagram[..];
    let mut payloads = Vec::new();
    while !rest.is_empty() {
        let packet = PartialPacket::parse(rest).unwrap();
        let (bytes, behind) = rest.split_at_mut(packet.len());
        let opened = open(&packet, &client, None, bytes).unwrap();
        payloads.push(bytes[opened.payload].to_vec());
        rest = behind;
    }
    assert_eq!(payloads, [&b"first"[..], b"\0\0\0", b"third"]);
}

#[test]
fn an_abandoned_packet_leaves_no_trace() {
    let mut out = b"sealed before".to_vec();
    let builder = PacketBuilder::initial(&mut out, SERVER, CLIENT, b"", 0, None);
    out.extend_from_slice(b"frames");
    builder.abandon(&mut out);
    assert_eq!(out, b"sealed before");
}

#[test]
fn keys_of_another_connection_or_direction_do_not_open() {
    let (client, server) = initial_keys(SERVER);
    let (other, _) = initial_keys(CLIENT);
    for kind in SEALED {
        let mut datagram = Vec::new();
        seal(&mut datagram, kind, &client, 0, None, b"hello");
        let packet = PartialPacket::parse(&datagram).unwrap();
        for keys in [&server, &other] {
            let result = open(&packet, keys, None, &mut datagram.clone());
            assert_eq!(result, Err(OpenError::Unauthentic));
        }
        assert!(open(&packet, &client, None, &mut datagram).is_ok());
    }
}

#[test]
fn a_key_update_keeps_the_header_mask() {
    let (first, next) = initial_keys(SERVER);
    let mut datagram = Vec::new();
    let builder = PacketBuilder::data(&mut datagram, SERVER, true, 9, None);
    datagram.extend_from_slice(b"under new keys");
    builder.finish_masked_by(&mut datagram, &next, &first);
    let packet = PartialPacket::parse(&datagram).unwrap();
    let unmasked = unmask(&packet, &first, None, &mut datagram).unwrap();
    assert_eq!((unmasked.packet_number, unmasked.key_phase), (9, true));
    let opened = open_unmasked(&unmasked, &next, &mut datagram).unwrap();
    assert_eq!(&datagram[opened.payload], b"under new keys");
}

#[test]
fn unmasking_leaves_the_tail_for_a_reset_check() {
    let (client, _) = initial_keys(SERVER);
    for len in 29..60 {
        let mut datagram: Vec<u8> = (0..len).collect();
        datagram[0] = 0x41;
        let packet = PartialPacket::parse(&datagram).unwrap();
        let tail = datagram[datagram.len() - 16..].to_vec();
        let unmasked = unmask(&packet, &client, None, &mut datagram).unwrap();
        assert_eq!(datagram[datagram.len() - 16..], tail[..]);
        let result = open_unmasked(&unmasked, &client, &mut datagram);
        assert_eq!(result, Err(OpenError::Unauthentic));
    }
}

#[test]
fn an_error_has_a_reason_to_count() {
    assert_eq!(OpenError::TooShort.reason(), DropReason::TooShort);
    assert_eq!(OpenError::Unauthentic.reason(), DropReason::Unauthentic);
    assert_eq!(OpenError::ReservedBits.reason(), DropReason::ReservedBits);
}
