//! Several endpoints at one address, each with connections of its own (docs/PROTOCOL.md §2.2).

use internet::ConnectionId;

use super::Endpoint;

impl Endpoint {
    /// Notes that a packet belongs to another worker. `false`: it belongs to none but perhaps us.
    pub(super) fn is_stray(&mut self, dcid: ConnectionId) -> bool {
        let config = &self.config;
        if let Some(server) = &self.server
            && config.workers > 1
        {
            let route = server.ids.route(dcid);
            let elsewhere = route.worker != config.worker && route.worker < config.workers;
            self.stray = (route.node == 0 && elsewhere).then_some(route.worker);
        }
        self.stray.is_some()
    }
}
