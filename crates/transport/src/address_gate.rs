//! A gate that asks for no more than a real address.

use core::net::IpAddr;
use core::time::Duration;

use crypto::{Secret, Transcript, ct_eq, sha256};

use crate::{Admission, Attempt, Gate, Instant, Load, Verdict};

/// Kind of the challenge: to be repeated.
const KIND: u8 = 0;

/// How long an answer is good for.
const LIFETIME: Duration = Duration::from_secs(60);

/// A challenge's body: kind, time in seconds, tag.
const TIME_LEN: usize = 8;
const TAG_LEN: usize = 16;
const BODY_LEN: usize = 1 + TIME_LEN + TAG_LEN;

/// Lets in who receives at the address that it sends from: one round trip, no state, no work.
///
/// The challenge is `0 | seconds 64 | tag 16` with tag = HMAC(secret, T("address-validation";
/// seconds, address, client's dcid, scid)) cut to 16 bytes (docs/PROTOCOL.md §3.1). A token is good
/// for a minute and for the connection attempt that it was made for.
pub struct AddressGate {
    secret: Secret<32>,
}

impl AddressGate {
    /// A gate with this secret, which every process that shares the address has to know.
    pub fn new(secret: Secret<32>) -> Self {
        Self { secret }
    }

    fn tag(&self, seconds: u64, attempt: &Attempt<'_>) -> [u8; TAG_LEN] {
        let port = attempt.remote.port().to_be_bytes();
        let transcript = Transcript::new("address-validation").u64(seconds);
        let transcript = match attempt.remote.ip() {
            IpAddr::V4(ip) => transcript.field(&ip.octets()),
            IpAddr::V6(ip) => transcript.field(&ip.octets()),
        };
        let mac = transcript
            .field(&port)
            .field(attempt.dcid.as_bytes())
            .field(attempt.scid.as_bytes())
            .hmac_sha256(self.secret.expose());
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&mac[..TAG_LEN]);
        tag
    }

    fn is_valid(&self, now: Instant, attempt: &Attempt<'_>) -> bool {
        let token = attempt.token;
        if token.len() != BODY_LEN || token.first() != Some(&KIND) {
            return false;
        }
        let mut seconds = [0; TIME_LEN];
        seconds.copy_from_slice(&token[1..1 + TIME_LEN]);
        let seconds = u64::from_be_bytes(seconds);
        let age = Duration::from_nanos(now.as_nanos())
            .as_secs()
            .checked_sub(seconds);
        age.is_some_and(|age| age <= LIFETIME.as_secs())
            && ct_eq(&token[1 + TIME_LEN..], &self.tag(seconds, attempt))
    }
}

impl Gate for AddressGate {
    fn judge(&mut self, now: Instant, attempt: &Attempt<'_>, challenge: &mut Vec<u8>) -> Verdict {
        if self.is_valid(now, attempt) {
            return Verdict::Admit(Admission {
                hello: None,
                challenge: Some(sha256(attempt.token)),
            });
        }
        let seconds = Duration::from_nanos(now.as_nanos()).as_secs();
        challenge.push(KIND);
        challenge.extend_from_slice(&seconds.to_be_bytes());
        challenge.extend_from_slice(&self.tag(seconds, attempt));
        Verdict::Challenge
    }

    fn observe(&mut self, _: Instant, _: Load) {}
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use internet::ConnectionId;

    use super::*;

    fn attempt<'a>(remote: &str, token: &'a [u8]) -> Attempt<'a> {
        Attempt {
            remote: remote.parse::<SocketAddr>().unwrap(),
            dcid: ConnectionId::new([1; 8]),
            scid: ConnectionId::new([2; 8]),
            token,
        }
    }

    #[test]
    fn h41_a_token_is_good_for_its_address_attempt_and_minute() {
        let mut gate = AddressGate::new(Secret::from([7; 32]));
        let now = Instant::from_nanos(5_000_000_000);
        let mut token = Vec::new();
        let first = gate.judge(now, &attempt("127.0.0.1:9", b""), &mut token);
        assert_eq!(first, Verdict::Challenge);
        let admitted = |gate: &mut AddressGate, now, attempt: &Attempt<'_>| {
            matches!(gate.judge(now, attempt, &mut Vec::new()), Verdict::Admit(_))
        };
        assert!(admitted(&mut gate, now, &attempt("127.0.0.1:9", &token)));
        assert!(
            !admitted(&mut gate, now, &attempt("127.0.0.1:8", &token)),
            "another port"
        );
        assert!(
            !admitted(&mut gate, now, &attempt("127.0.0.2:9", &token)),
            "another address"
        );
        let mut other = attempt("127.0.0.1:9", &token);
        other.scid = ConnectionId::new([3; 8]);
        assert!(!admitted(&mut gate, now, &other), "another attempt");
        let late = now + Duration::from_secs(61);
        assert!(
            !admitted(&mut gate, late, &attempt("127.0.0.1:9", &token)),
            "late"
        );
        for bit in 0..token.len() * 8 {
            let mut forged = token.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!admitted(&mut gate, now, &attempt("127.0.0.1:9", &forged)));
        }
    }
}
