//! What always has to hold inside an endpoint, for simulations. No part of the interface.

use crate::connection::within;

use super::{ANSWERS_MAX, Endpoint};

impl Endpoint {
    /// Whether everything that is remembered belongs to a connection, and each connection is in
    /// order.
    ///
    /// # Errors
    /// What does not hold.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), String> {
        self.table.check()?;
        let most = self.config.half_open_max.max(1);
        within("half-open connections", self.table.half_open(), most)?;
        within("stateless answers", self.answers.len(), ANSWERS_MAX)?;
        self.table.connections().try_for_each(|c| c.check())
    }
}
