//! Who is not answered sends less and less (RFC 9002 §6.2).

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use transport::Instant;

use super::NodeId;

/// How long somebody goes unanswered before he has to have become quiet: by then the delay between
/// probes has doubled up to its cap (docs/PROTOCOL.md §4.5).
const UNANSWERED: Duration = Duration::from_secs(5);

/// Whoever has said nothing for so long begins anew: longer than that cap.
const PAUSE: Duration = Duration::from_secs(3);

/// What is sent so close together is one thing that is said: much may be new, and paced.
const BREATH: Duration = Duration::from_millis(25);

/// How often a node may speak in so long a time to an address that has not answered for long, because it is
/// time: probes of the two or three connections that may lead there, and what was new.
const SPELL: Duration = Duration::from_secs(4);
const INSISTENCE_MAX: u64 = 40;

/// So many such spells in a row may be loud: whoever gives up a move says all that was on its way once more, over
/// the path before and at its pace.
const LOUD_MAX: u64 = 2;

/// Watches that.
#[derive(Default)]
pub(super) struct Insistence(BTreeMap<(NodeId, SocketAddr), Monologue>);

/// What a node has said to an address since it heard from there, without a pause.
#[derive(Clone, Copy, Debug)]
struct Monologue {
    since: Instant,
    last: Instant,
    /// When the present spell has begun, and how often something was said in it.
    spell: (Instant, u64),
    /// How many before it were loud, without one between them that was not.
    loud: u64,
}

impl Insistence {
    /// `node` sends to `remote`. Tells how often that is, where it is too often.
    pub(super) fn sent(&mut self, now: Instant, node: NodeId, remote: SocketAddr) -> Option<u64> {
        let new = Monologue {
            since: now,
            last: now,
            spell: (now, 0),
            loud: 0,
        };
        let monologue = self.0.entry((node, remote)).or_insert(new);
        if now.since(monologue.last) >= PAUSE {
            *monologue = new;
        }
        if now.since(monologue.last) >= BREATH {
            monologue.last = now;
            monologue.spell.1 += 1;
        }
        let (begun, times) = &mut monologue.spell;
        if now.since(*begun) >= SPELL {
            let was_loud = *times > INSISTENCE_MAX;
            monologue.loud = if was_loud { monologue.loud + 1 } else { 0 };
            (*begun, *times) = (now, 1);
        }
        let is_loud = *times > INSISTENCE_MAX && monologue.loud >= LOUD_MAX;
        let is_unanswered = now.since(monologue.since) >= UNANSWERED;
        (is_unanswered && is_loud).then_some(*times)
    }

    /// `node` receives from `remote`.
    pub(super) fn received(&mut self, node: NodeId, remote: SocketAddr) {
        self.0.remove(&(node, remote));
    }

    /// `node` is elsewhere, and may hope to be heard from there.
    pub(super) fn moved(&mut self, node: NodeId) {
        self.0.retain(|&(speaker, _), _| speaker != node);
    }
}
