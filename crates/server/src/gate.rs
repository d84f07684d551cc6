use chat::puzzle::{Admission, AdmissionConfig, Judgement, Stranger};
use crypto::Random;
use transport::{Attempt, Gate, Instant, Load, OpenGate, Verdict};

use crate::AdmissionPolicy;

/// The chat's policy of admission behind the transport's mechanism (PROTOCOL.md §3).
struct PuzzleGate(Admission);

impl Gate for PuzzleGate {
    fn judge(&mut self, now: Instant, attempt: &Attempt<'_>, challenge: &mut Vec<u8>) -> Verdict {
        let stranger = Stranger {
            ip: attempt.remote.ip(),
            dcid: *attempt.dcid.as_bytes(),
            scid: *attempt.scid.as_bytes(),
            token: attempt.token,
        };
        match self.0.judge(now.as_nanos(), &stranger, challenge) {
            Judgement::Admit { hello, challenge } => Verdict::Admit(transport::Admission {
                hello: Some(hello),
                challenge: Some(challenge),
            }),
            Judgement::Challenge => Verdict::Challenge,
            Judgement::Drop => Verdict::Drop,
        }
    }

    fn observe(&mut self, _: Instant, _: Load) {}
}

/// The gate of a policy, as a [`Server`](crate::Server) has it. What an earlier process has asked of clients is void.
pub fn gate(policy: AdmissionPolicy, random: Box<dyn Random>) -> Box<dyn Gate> {
    match policy {
        AdmissionPolicy::Work(config) => Box::new(puzzle(config, random)),
        AdmissionPolicy::Open => Box::new(OpenGate),
    }
}

fn puzzle(config: AdmissionConfig, random: Box<dyn Random>) -> PuzzleGate {
    PuzzleGate(Admission::new(config, random))
}
