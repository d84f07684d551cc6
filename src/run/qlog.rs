//! Event logs of connections, where the program was built with them.

use std::path::Path;

use super::problem::Problem;

/// Has the connections of an endpoint log into `folder`, if there is one.
///
/// # Errors
/// The folder cannot be made.
#[cfg(feature = "qlog")]
pub fn log_into(transport: &mut transport::Config, folder: Option<&Path>) -> Result<(), Problem> {
    let Some(folder) = folder else {
        return Ok(());
    };
    let logs = net::qlog::LogFolder::new(folder).map_err(|error| {
        Problem::other(format!("cannot log into {}: {error}", folder.display()))
    })?;
    transport.qlog = Some(std::sync::Arc::new(logs));
    Ok(())
}

/// This program was built without event logs: there is no option that asks for them.
///
/// # Errors
/// None.
#[cfg(not(feature = "qlog"))]
pub const fn log_into(_: &mut transport::Config, _: Option<&Path>) -> Result<(), Problem> {
    Ok(())
}
