//! What always has to hold inside an endpoint, for simulations. No part of the interface.

use super::Endpoint;

impl Endpoint {
    /// Whether everything that is remembered belongs to a connection, and each connection is in
    /// order.
    ///
    /// # Errors
    /// What does not hold.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), String> {
        self.table.check()?;
        self.table.connections().try_for_each(|c| c.check())
    }
}
