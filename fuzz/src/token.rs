//! Any token: it has one encoding, and none that the server did not ask for is let in.
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};

use chat::puzzle::{
    Admission, AdmissionConfig, CHALLENGE_LEN, Challenge, Judgement, Stranger, Token,
};
use crypto::fixtures::SeededRandom;

thread_local! {
    /// One for all inputs: to make its sketches takes longer than to read a token. What nobody asked for leaves
    /// nothing behind in it.
    static ADMISSION: RefCell<Admission> = {
        let random = Box::new(SeededRandom::new(1));
        RefCell::new(Admission::new(AdmissionConfig::default(), random))
    };
}

/// Checks one input.
pub fn check(token: &[u8]) {
    if let Ok(decoded) = Token::decode(token) {
        assert_eq!(decoded.encode(), token);
    }
    let stranger = Stranger {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        dcid: [1; 8],
        scid: [2; 8],
        token,
    };
    let mut challenge = Vec::new();
    let judgement = ADMISSION.with_borrow_mut(|all| all.judge(0, &stranger, &mut challenge));
    assert_eq!(judgement, Judgement::Challenge);
    assert_eq!(challenge.len(), CHALLENGE_LEN);
    assert!(Challenge::decode(&challenge).is_ok());
}
