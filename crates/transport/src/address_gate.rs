//! A gate that asks for no more than a real address.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use crypto::{Secret, Transcript, ct_eq, sha256};

use crate::{Admission, Attempt, Gate, Instant, Load, Verdict};

/// Kind of the challenge: to be repeated.
const KIND: u8 = 0;

/// How long an answer is good for.
const LIFETIME: Duration = Duration::from_secs(60);

/// Answers that were used and are still good; beyond, nobody is let in.
const SPENT_MAX: usize = 65_536;

/// A challenge's body: kind, time in seconds, tag.
const TAG_LEN: usize = 16;

/// Lets in who receives at the address that it sends from: one round trip, no work, and no state
/// before it.
///
/// The challenge is `0 | seconds 64 | tag 16` with tag = HMAC(secret, T("address-validation";
/// seconds, address, client's dcid, scid)) cut to 16 bytes (docs/PROTOCOL.md §3.1). A token is good
/// for a minute, for the connection attempt that it was made for, and once: whoever captured one
/// and sends it again draws a challenge, not a handshake. Up to 65,536 are remembered, some
/// megabytes; with so many in a minute, others have to wait.
pub struct AddressGate {
    secret: Secret<32>,
    /// When they were made, and the start of their tags.
    spent: BTreeSet<(u64, u64)>,
}

impl AddressGate {
    /// A gate with this secret, which every process that shares the address has to know.
    pub fn new(secret: Secret<32>) -> Self {
        Self {
            secret,
            spent: BTreeSet::new(),
        }
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

    /// When the attempt's token was made and the start of its tag, if it holds.
    fn check(&self, now: Instant, attempt: &Attempt<'_>) -> Option<(u64, u64)> {
        let (&[KIND], body) = attempt.token.split_first_chunk()? else {
            return None;
        };
        let (&seconds, tag) = body.split_first_chunk()?;
        let seconds = u64::from_be_bytes(seconds);
        let age = seconds_of(now).checked_sub(seconds)?;
        if age > LIFETIME.as_secs() || !ct_eq(tag, &self.tag(seconds, attempt)) {
            return None;
        }
        tag.first_chunk()
            .map(|start| (seconds, u64::from_be_bytes(*start)))
    }

    /// Forgets tokens that are of no more use to anybody.
    fn forget_old(&mut self, now: Instant) {
        let oldest = seconds_of(now).saturating_sub(LIFETIME.as_secs());
        while self.spent.first().is_some_and(|&(made, _)| made < oldest) {
            self.spent.pop_first();
        }
    }
}

fn seconds_of(now: Instant) -> u64 {
    Duration::from_nanos(now.as_nanos()).as_secs()
}

impl Gate for AddressGate {
    fn judge(&mut self, now: Instant, attempt: &Attempt<'_>, challenge: &mut Vec<u8>) -> Verdict {
        if let Some(token) = self.check(now, attempt)
            && !self.spent.contains(&token)
        {
            self.forget_old(now);
            if self.spent.len() >= SPENT_MAX {
                return Verdict::Drop;
            }
            self.spent.insert(token);
            return Verdict::Admit(Admission {
                hello: None,
                challenge: Some(sha256(attempt.token)),
            });
        }
        let seconds = seconds_of(now);
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
    fn h41_a_token_is_good_once_for_its_address_attempt_and_minute() {
        let mut gate = AddressGate::new(Secret::from([7; 32]));
        let now = Instant::from_nanos(5_000_000_000);
        let mut token = Vec::new();
        let first = gate.judge(now, &attempt("127.0.0.1:9", b""), &mut token);
        assert_eq!(first, Verdict::Challenge);
        let admitted = |gate: &mut AddressGate, now, attempt: &Attempt<'_>| {
            matches!(gate.judge(now, attempt, &mut Vec::new()), Verdict::Admit(_))
        };
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
        assert!(admitted(&mut gate, now, &attempt("127.0.0.1:9", &token)));
        assert!(
            !admitted(&mut gate, now, &attempt("127.0.0.1:9", &token)),
            "twice"
        );
    }

    #[test]
    fn what_is_remembered_of_tokens_is_bounded_in_number_and_time() {
        let mut gate = AddressGate::new(Secret::from([7; 32]));
        let now = Instant::from_nanos(5_000_000_000);
        let mut judge = |now, port: u32| {
            let remote = format!("127.0.0.{}:{}", port >> 16, port & 0xffff);
            let mut token = Vec::new();
            gate.judge(now, &attempt(&remote, b""), &mut token);
            gate.judge(now, &attempt(&remote, &token), &mut Vec::new())
        };
        for port in 0..SPENT_MAX as u32 {
            assert!(matches!(judge(now, port), Verdict::Admit(_)));
        }
        assert_eq!(judge(now, SPENT_MAX as u32), Verdict::Drop);
        let late = now + LIFETIME + Duration::from_secs(1);
        assert!(matches!(judge(late, 1), Verdict::Admit(_)));
        assert_eq!(gate.spent.len(), 1);
    }
}
