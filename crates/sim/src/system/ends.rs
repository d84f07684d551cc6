//! How sessions and processes end, and under which faults they may.

use core::time::Duration;

use client::Failure;
use server::{Event, Fatal};
use transport::Instant;

use super::book::Book;
use crate::seeds::Fault;

/// Faults with which a server does not hear a client in time, or is not there.
const SILENT: [Fault; 8] = [
    Fault::Loss,
    Fault::Bursts,
    Fault::Corruption,
    Fault::Rate,
    Fault::Partition,
    Fault::Rebinding,
    Fault::Migration,
    Fault::Restart,
];

/// How long a client waits for an answer at most.
const ANSWERING: Duration = Duration::from_secs(10);

/// Faults with which it ends, and says so.
const FAILING: [Fault; 2] = [Fault::DiskError, Fault::FailedWork];

impl Book {
    pub(super) fn has_any(&self, faults: &[Fault]) -> bool {
        faults.iter().any(|&fault| self.faults.has(fault))
    }

    /// Whether a client may give up like that under the faults that are active.
    pub(super) fn is_excusable(&self, now: Instant, by: usize, failure: &Failure) -> bool {
        let is_proven = self.parties.get(by).is_some_and(|party| party.is_proven);
        let has = |faults: &[Fault]| self.has_any(faults);
        match failure {
            Failure::Unreachable { .. } => {
                !is_proven && (has(&SILENT) || has(&FAILING) || has(&[Fault::Forgery]))
            }
            // One that has just begun is still reading its accounts.
            Failure::Refused { .. } => {
                let ready = self.ready_at;
                has(&[Fault::DiskFull]) || ready.is_none_or(|at| now < at + ANSWERING)
            }
            Failure::Storage { .. } => has(&[Fault::DiskFull, Fault::DiskError]),
            // Whoever sees a client's first packet can end its handshake (RFC 9000 §21.2). One that was logged
            // in goes on all the same.
            Failure::Untrusted { .. } => has(&[Fault::Forgery]) && !is_proven,
            Failure::Internal { .. } => has(&[Fault::FailedWork]),
            _ => false,
        }
    }

    /// A client has lost its session, and goes on.
    pub(super) fn lost(&mut self, by: usize, reason: &str) {
        self.disconnected += 1;
        let may =
            self.has_any(&SILENT) || self.has_any(&FAILING) || self.faults.has(Fault::DiskFull);
        if self.is_honest() && !may {
            self.fail(format!("{by} was disconnected: {reason}"));
        }
    }

    /// The server tells its operator something.
    pub(super) fn served(&mut self, now: Instant, event: &Event) {
        if matches!(event, Event::Ready { .. }) {
            self.ready_at = Some(now);
        }
        if !self.is_honest() {
            return;
        }
        match event {
            Event::Violation { user, reason } => self.fail(format!(
                "the server says that {user:?} breaks a rule: {reason}"
            )),
            Event::Fatal(fatal) => {
                let fault = match fatal {
                    Fatal::Store(_) => Fault::DiskError,
                    _ => Fault::FailedWork,
                };
                if !self.faults.has(fault) {
                    self.fail(format!("the server cannot go on: {fatal}"));
                }
            }
            Event::DiskFull if !self.faults.has(Fault::DiskFull) => {
                self.fail("the server says that its disk is full".to_owned());
            }
            Event::Crowded | Event::Dropped(_) => {
                self.fail(format!("the server has too much to do: {event:?}"));
            }
            _ => {}
        }
    }
}
