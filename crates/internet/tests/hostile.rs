//! Datagrams that nobody honest sends.

mod common;

use common::{CLIENT, Counting, SEALED, SERVER, Sealed, every_type, receive, seal};
use internet::{
    ConnectionId, DropReason, Header, PACKET_NUMBER_MAX, PacketBuilder, PartialPacket, Protection,
    ReplayWindow, TAG_LEN, TOKEN_BYTES_MAX, VERSION, encode_challenge, encode_version,
    initial_keys, open_challenge, versions,
};
use proptest::prelude::*;

#[test]
fn h01_an_empty_datagram_is_truncated() {
    assert_eq!(PartialPacket::parse(&[]), Err(DropReason::Truncated));
    assert_eq!(PartialPacket::peek_dcid(&[]), None);
    assert_eq!(internet::resettable(&[]), None);
}

#[test]
fn h02_every_truncation_of_every_type_is_dropped() {
    let (keys, _) = initial_keys(SERVER);
    for (name, datagram) in every_type() {
        let mut window = ReplayWindow::new();
        assert!(receive(&datagram, &keys, &mut window).is_ok(), "{name}");
        for len in 0..datagram.len() {
            let mut window = ReplayWindow::new();
            let result = receive(&datagram[..len], &keys, &mut window);
            assert!(result.is_err(), "{name} cut to {len} bytes: {result:?}");
            assert_eq!(window.largest(), None);
        }
    }
}

#[test]
fn h03_every_flipped_bit_is_dropped_before_the_window() {
    let (keys, _) = initial_keys(SERVER);
    for (name, datagram) in every_type() {
        // A Version packet has no integrity; of a reset only the token has.
        let checked = match name {
            "Version" => 0..0,
            "Stateless reset" => datagram.len() - 16..datagram.len(),
            _ => 0..datagram.len(),
        };
        for index in checked {
            for bit in 0..8 {
                let mut flipped = datagram.clone();
                flipped[index] ^= 1 << bit;
                let mut window = ReplayWindow::new();
                let result = receive(&flipped, &keys, &mut window);
                assert!(result.is_err(), "{name}, byte {index}, bit {bit}");
                assert_eq!(window.largest(), None);
            }
        }
    }
}

#[test]
fn h04_every_first_byte_has_a_defined_outcome() {
    let (keys, _) = initial_keys(SERVER);
    let mut datagram = Vec::new();
    seal(&mut datagram, Sealed::Handshake, &keys, 0, None, &[0; 64]);
    for first in 0..=255u8 {
        datagram[0] = first;
        let kind = PartialPacket::parse(&datagram).map(|packet| match packet.header {
            Header::Initial { .. } => "Initial",
            Header::Handshake { .. } => "Handshake",
            Header::Challenge { .. } => "Challenge",
            Header::Data { .. } => "Data",
            Header::Version { .. } | Header::Unknown { .. } => "not ours",
        });
        let expected = match first {
            0x00..=0x3f | 0x60..=0xbf => Err(DropReason::UnknownType),
            0x40..=0x5f => Ok("Data"),
            // The first of a Handshake's ids, read as a token: its length byte.
            0xc0..=0xcf => kind,
            0xd0..=0xdf => Err(DropReason::UnknownType),
            0xe0..=0xef => Ok("Handshake"),
            0xf0 => Ok("Challenge"),
            0xf1..=0xff => Err(DropReason::Malformed),
        };
        assert_eq!(kind, expected, "first byte {first:#04x}");
        assert!(!(0xc0..=0xcf).contains(&first) || kind != Ok("Handshake"));
    }
}

#[test]
fn h04_other_versions_are_told_apart_and_nothing_else_is_assumed() {
    for first in [0x80, 0xff] {
        let mut datagram = vec![first, 0xba, 0xba, 0xba, 0xba, 3, 1, 2, 3, 0];
        datagram.extend_from_slice(&[0; 50]);
        let packet = PartialPacket::parse(&datagram).unwrap();
        let expected = Header::Unknown {
            version: 0xbaba_baba,
            dcid: 6..9,
            scid: 10..10,
        };
        assert_eq!(packet.header, expected);
        assert_eq!(packet.len(), datagram.len());
        assert_eq!(packet.dcid(), None);
    }
}

/// An Initial with this token length field, and this length field, and 40 more bytes.
fn initial_with(token_len: &[u8], token: usize, length: u16) -> Vec<u8> {
    let mut datagram = vec![0xc0];
    datagram.extend_from_slice(&VERSION.to_be_bytes());
    for id in [SERVER, CLIENT] {
        datagram.push(8);
        datagram.extend_from_slice(id.as_bytes());
    }
    datagram.extend_from_slice(token_len);
    datagram.resize(datagram.len() + token, 0);
    datagram.extend_from_slice(&length.to_be_bytes());
    datagram.resize(datagram.len() + 40, 0);
    datagram
}

#[test]
fn h05_only_the_shortest_form_of_a_token_length_is_read() {
    let parse = |len: &[u8]| PartialPacket::parse(&initial_with(len, 0, 40)).map(|p| p.len());
    assert_eq!(parse(&[0]), Ok(24 + 2 + 40));
    assert_eq!(parse(&[0x40, 0]), Err(DropReason::Malformed));
    assert_eq!(parse(&[0x80, 0, 0, 0]), Err(DropReason::Malformed));
    assert_eq!(
        parse(&[0xc0, 0, 0, 0, 0, 0, 0, 0]),
        Err(DropReason::Malformed)
    );
    assert_eq!(parse(&[0xff; 8]), Err(DropReason::Malformed));
    let truncated = &initial_with(&[0xff], 0, 40)[..24];
    assert_eq!(PartialPacket::parse(truncated), Err(DropReason::Truncated));
}

#[test]
fn h06_lengths_beyond_the_datagram_or_the_limit_are_refused() {
    let parse = |datagram: &[u8]| PartialPacket::parse(datagram).map(|packet| packet.len());
    assert_eq!(
        parse(&initial_with(&[0], 0, 41)),
        Err(DropReason::Truncated)
    );
    assert_eq!(
        parse(&initial_with(&[0], 0, u16::MAX)),
        Err(DropReason::Truncated)
    );
    for length in 0..20 {
        assert_eq!(
            parse(&initial_with(&[0], 0, length)),
            Err(DropReason::TooShort)
        );
    }
    assert_eq!(parse(&initial_with(&[0], 0, 20)), Ok(24 + 2 + 20));
    // Tokens: at the limit, above it, and longer than what is there.
    let token = |len: usize| (0x4000 | len as u16).to_be_bytes();
    let limit = initial_with(&token(TOKEN_BYTES_MAX), TOKEN_BYTES_MAX, 40);
    assert_eq!(parse(&limit), Ok(limit.len()));
    let over = TOKEN_BYTES_MAX + 1;
    assert_eq!(
        parse(&initial_with(&token(over), over, 40)),
        Err(DropReason::Malformed)
    );
    assert_eq!(
        parse(&initial_with(&token(400), 100, 40)),
        Err(DropReason::Truncated)
    );
}

#[test]
fn ids_of_another_length_are_not_ours() {
    for at in [5, 14] {
        for len in (0..=255).filter(|len| *len != 8) {
            let mut datagram = initial_with(&[0], 0, 40);
            datagram[at] = len;
            assert_eq!(PartialPacket::parse(&datagram), Err(DropReason::Malformed));
        }
    }
}

#[test]
fn reserved_bits_show_only_once_a_packet_is_authentic() {
    let (keys, _) = initial_keys(SERVER);
    for (first, number_offset) in [(0x48, 9), (0x50, 9), (0xe4, 25), (0xe8, 25)] {
        let mut datagram = Vec::new();
        if first & 0x80 == 0 {
            datagram.push(first);
            datagram.extend_from_slice(SERVER.as_bytes());
        } else {
            datagram = initial_with(&[], 0, 1 + 30 + 16)[..number_offset].to_vec();
            datagram[0] = first;
        }
        datagram.push(5);
        datagram.resize(number_offset + 1 + 30 + TAG_LEN, 0);
        keys.seal(5, &mut datagram, number_offset + 1);
        let sample = datagram[number_offset + 4..][..16].try_into().unwrap();
        let mask = keys.header_mask(&sample);
        datagram[0] ^= mask[0] & if first & 0x80 == 0 { 0x1f } else { 0x0f };
        datagram[number_offset] ^= mask[1];
        let result = receive(&datagram, &keys, &mut ReplayWindow::new());
        assert_eq!(result, Err(DropReason::ReservedBits), "{first:#04x}");
        *datagram.last_mut().unwrap() ^= 1;
        let result = receive(&datagram, &keys, &mut ReplayWindow::new());
        assert_eq!(result, Err(DropReason::Unauthentic), "{first:#04x}");
    }
}

#[test]
fn h11_the_largest_datagrams_are_read_whole() {
    let (keys, _) = initial_keys(SERVER);
    for size in [1200, 1453, 9001, 65_507] {
        for kind in SEALED {
            let mut datagram = Vec::new();
            let builder = match kind {
                Sealed::Initial => {
                    PacketBuilder::initial(&mut datagram, SERVER, CLIENT, b"", 0, None)
                }
                Sealed::Handshake => {
                    PacketBuilder::handshake(&mut datagram, SERVER, CLIENT, 0, None)
                }
                Sealed::Data => PacketBuilder::data(&mut datagram, SERVER, false, 0, None),
            };
            builder.pad_to(&mut datagram, size);
            builder.finish(&mut datagram, &keys);
            assert_eq!(datagram.len(), size);
            let payload = receive(&datagram, &keys, &mut ReplayWindow::new()).unwrap();
            assert!(payload.len() > size - 60);
        }
    }
    // A byte more than was sent belongs to no packet of a long header, and breaks Data's tag.
    let mut datagram = Vec::new();
    let len = seal(&mut datagram, Sealed::Handshake, &keys, 0, None, b"frames");
    datagram.push(0);
    assert_eq!(PartialPacket::parse(&datagram).unwrap().len(), len);
    assert_eq!(
        PartialPacket::parse(&datagram[len..]),
        Err(DropReason::UnknownType)
    );
    let mut datagram = Vec::new();
    seal(&mut datagram, Sealed::Data, &keys, 0, None, b"frames");
    datagram.push(0);
    let result = receive(&datagram, &keys, &mut ReplayWindow::new());
    assert_eq!(result, Err(DropReason::Unauthentic));
}

#[test]
fn h24_a_packet_behind_the_last_number_is_not_sealed() {
    let (keys, _) = initial_keys(SERVER);
    let finished = |packet_number| {
        let mut out = vec![7; 3];
        let builder = PacketBuilder::data(&mut out, SERVER, false, packet_number, None);
        out.extend_from_slice(&[1; 40]);
        (builder.finish(&mut out, &keys), out.len())
    };
    let (len, buffer) = finished(PACKET_NUMBER_MAX);
    assert_eq!((len, buffer), (1 + 8 + 4 + 40 + 16, 3 + len));
    for number in [PACKET_NUMBER_MAX + 1, u64::MAX] {
        assert_eq!(finished(number), (0, 3), "{number}");
    }
}

#[test]
fn h23_a_replayed_packet_is_dropped_unopened() {
    let (keys, _) = initial_keys(SERVER);
    let mut window = ReplayWindow::new();
    let datagrams: Vec<_> = (0..100)
        .map(|number| {
            let mut datagram = Vec::new();
            seal(&mut datagram, Sealed::Data, &keys, number, None, b"once");
            datagram
        })
        .collect();
    for datagram in datagrams.iter().rev() {
        assert!(receive(datagram, &keys, &mut window).is_ok());
    }
    for datagram in &datagrams {
        let result = receive(datagram, &keys, &mut window);
        assert_eq!(result, Err(DropReason::Replay));
    }
}

proptest! {
    /// h08: a stateless packet that is read has exactly one encoding: the one that was read.
    #[test]
    fn h08_a_challenge_has_one_encoding(
        client: [u8; 8], original: [u8; 8], body in prop::collection::vec(any::<u8>(), 0..300),
        noise in prop::option::of((any::<prop::sample::Index>(), 1..=255u8)),
    ) {
        let (client, original) = (ConnectionId::new(client), ConnectionId::new(original));
        let mut bytes = Vec::new();
        encode_challenge(&mut bytes, client, original, &body);
        if let Some((index, noise)) = noise {
            let index = index.index(bytes.len());
            bytes[index] ^= noise;
        }
        let read = PartialPacket::parse(&bytes).ok().and_then(|packet| {
            open_challenge(&packet, original, &bytes).map(<[u8]>::to_vec).ok()
        });
        prop_assert_eq!(read, noise.is_none().then_some(body));
    }

    /// h08: the same for Version packets, from any bytes behind their front.
    #[test]
    fn h08_a_version_packet_has_one_encoding(
        first in prop::sample::select(&[0xc0, 0xc1, 0x80, 0xff][..]),
        lens in prop::sample::select(&[(8, 8), (8, 8), (7, 8), (8, 0)][..]),
        list in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = vec![first, 0, 0, 0, 0, lens.0];
        bytes.resize(bytes.len() + usize::from(lens.0), 0xcc);
        bytes.push(lens.1);
        bytes.resize(bytes.len() + usize::from(lens.1), 0xdd);
        bytes.extend_from_slice(&list);
        match PartialPacket::parse(&bytes) {
            Ok(PartialPacket { header: Header::Version { dcid, scid, versions: range }, .. }) => {
                let mut again = Vec::new();
                encode_version(&mut again, dcid.as_bytes(), scid.as_bytes());
                again.truncate(again.len() - 4);
                for version in versions(&bytes[range]) {
                    again.extend_from_slice(&version.to_be_bytes());
                }
                prop_assert_eq!(again, bytes);
            }
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(_) => prop_assert!(
                first != 0xc0 || lens != (8, 8) || list.is_empty() || list.len() % 4 != 0
            ),
        }
    }

    /// h08: the readable part of a header that is read is what a builder writes for its fields.
    #[test]
    fn h08_a_clear_header_has_one_encoding(
        front in prop::sample::select(&[0xc0, 0xc3, 0xcf, 0xe0, 0xee, 0x40, 0x5f][..]),
        token in prop::collection::vec(any::<u8>(), 0..80),
        length in 0..90u16,
        tail in prop::collection::vec(any::<u8>(), 0..90),
        noise in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes = Vec::new();
        match front {
            0xc0..0xe0 => {
                let token_len = token.len() as u8;
                bytes = if token_len < 64 {
                    initial_with(&[token_len], token.len(), length)
                } else {
                    initial_with(&[0x40, token_len], token.len(), length)
                };
                bytes.truncate(bytes.len() - 40);
            }
            0xe0.. => {
                bytes = initial_with(&[], 0, length);
                bytes.truncate(bytes.len() - 40);
            }
            _ => {
                bytes.push(0);
                bytes.extend_from_slice(SERVER.as_bytes());
            }
        }
        bytes[0] = front;
        let clear = bytes.len();
        bytes.extend_from_slice(&tail);
        if let Some((index, noise)) = noise {
            let index = index.index(clear);
            bytes[index] = noise;
        }
        let Ok(packet) = PartialPacket::parse(&bytes) else {
            return Ok(());
        };
        let mut again = Vec::new();
        let builder = match &packet.header {
            Header::Initial { dcid, scid, token } => PacketBuilder::initial(
                &mut again, *dcid, *scid, &bytes[token.clone()], 0, None,
            ),
            Header::Handshake { dcid, scid } => {
                PacketBuilder::handshake(&mut again, *dcid, *scid, 0, None)
            }
            Header::Data { dcid } => PacketBuilder::data(&mut again, *dcid, false, 0, None),
            _ => return Ok(()),
        };
        // Number 0 has two bytes in a Data packet, and one elsewhere.
        let data = matches!(packet.header, Header::Data { .. });
        let number = builder.payload_start() - 1 - usize::from(data);
        if packet.len() < number + 20 {
            prop_assert!(data);
            return Ok(());
        }
        builder.pad_to(&mut again, packet.len());
        builder.finish(&mut again, &initial_keys(SERVER).0);
        // The first byte is masked below its type bits.
        let type_bits = if again[0] & 0x80 == 0 { 0xe0 } else { 0xf0 };
        prop_assert_eq!(again[0] & type_bits, bytes[0] & type_bits);
        prop_assert_eq!(&again[1..number], &bytes[1..number]);
    }

    /// h34: guessed bytes open under no keys and move no window.
    #[test]
    fn h34_guesses_change_nothing(
        datagram in prop::collection::vec(any::<u8>(), 1..200), seed: u64,
    ) {
        let mut random = Counting(seed);
        let (keys, _) = initial_keys(ConnectionId::random(&mut random));
        let mut window = ReplayWindow::new();
        window.insert(3);
        for first in [0x40, 0xc0, 0xe0] {
            let mut datagram = datagram.clone();
            datagram[0] = datagram[0] & 0x0f | first;
            prop_assert!(receive(&datagram, &keys, &mut window).is_err());
            prop_assert_eq!(window.largest(), Some(3));
        }
    }
}
