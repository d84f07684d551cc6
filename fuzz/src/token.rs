//! Any token: it has one encoding, and none that the server did not ask for is let in.
use std::net::{IpAddr, Ipv4Addr};

use chat::puzzle::{Admission, AdmissionConfig, CHALLENGE_LEN, Judgement, Stranger, Token};
use crypto::fixtures::SeededRandom;

/// Checks one input.
pub fn check(token: &[u8]) {
    if let Ok(decoded) = Token::decode(token) {
        assert_eq!(decoded.encode(), token);
    }
    let random = Box::new(SeededRandom::new(1));
    let mut admission = Admission::new(AdmissionConfig::default(), random);
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let stranger = Stranger {
        ip,
        dcid: [1; 8],
        scid: [2; 8],
        token,
    };
    let mut challenge = Vec::new();
    assert_eq!(
        admission.judge(0, &stranger, &mut challenge),
        Judgement::Challenge
    );
    assert_eq!(challenge.len(), CHALLENGE_LEN);
}
