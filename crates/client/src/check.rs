use crate::Client;
use crate::compose::DRAFTS_MAX;
use crate::session::LISTS_MAX;
use crate::work::REQUESTS_MAX;

impl Client {
    /// Whether what always has to hold does, in its endpoint and in its own books. For simulations.
    ///
    /// # Errors
    /// What does not hold.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), String> {
        self.endpoint.check()?;
        self.compose.check()?;
        self.outbox.check()?;
        let within = [
            (
                "connections",
                self.endpoint.stats().connections,
                CONNECTIONS_MAX,
            ),
            ("drafts", self.compose.drafts(), DRAFTS_MAX),
            ("lists", self.lists, LISTS_MAX),
            ("requests", self.desk.requests(), REQUESTS_MAX + OWN_MAX),
        ];
        for (what, there, most) in within {
            if there > most {
                return Err(format!(
                    "there are {there} {what}, and at most {most} may be"
                ));
            }
        }
        Ok(())
    }
}

/// The one in use, and those before it that are closing.
const CONNECTIONS_MAX: usize = 4;

/// Requests that the user's own commands may add: no more than drafts may be under way.
const OWN_MAX: usize = DRAFTS_MAX;
