use chat::message::{MessageId, SessionServerMessage};

use super::Server;
use crate::limits::{PEER_OPS_MAX, TOLD_MAX};
use crate::peer::Phase;

impl Server {
    /// Adds the messages of which somebody was told that they are stored, since this was called first or last.
    #[doc(hidden)]
    pub fn take_promised(&mut self, promised: &mut Vec<MessageId>) {
        promised.append(self.promised.get_or_insert_default());
    }

    pub(super) fn note_promise(&mut self, message: &SessionServerMessage) {
        if let (Some(promised), SessionServerMessage::Stored(stored)) =
            (&mut self.promised, message)
        {
            promised.push(stored.message_id);
        }
    }

    /// Whether what always has to hold does, in its endpoint and in its own books. For simulations.
    ///
    /// # Errors
    /// What does not hold.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), String> {
        self.endpoint.check()?;
        let strangers = self.peers.values();
        let strangers = strangers.filter(|peer| matches!(peer.phase, Phase::Stranger(_)));
        let there = self.peers.len();
        let equal = [("strangers", self.strangers, strangers.count())];
        let within = [
            ("peers", there, self.endpoint.stats().connections),
            (
                "online users",
                self.presence.names(usize::MAX).0.len(),
                there,
            ),
        ];
        for (what, counted, there) in equal {
            if counted != there {
                return Err(format!(
                    "{counted} {what} are counted, and {there} are there"
                ));
            }
        }
        for (what, there, most) in within {
            if there > most {
                return Err(format!(
                    "there are {there} {what}, and at most {most} may be"
                ));
            }
        }
        for peer in self.peers.values() {
            let Phase::User(user) = &peer.phase else {
                continue;
            };
            // A message that was read may ask for one thing more.
            if user.told.len() > TOLD_MAX || user.ops > PEER_OPS_MAX {
                let (told, ops) = (user.told.len(), user.ops);
                return Err(format!("a user has {ops} operations and {told} tellings"));
            }
        }
        Ok(())
    }
}
