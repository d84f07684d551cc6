use std::collections::BTreeMap;

use chat::Username;
use chat::message::DeviceId;
use transport::ConnectionHandle;

/// Who is online: users with at least one connection that is logged in. A device has one.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    users: BTreeMap<String, User>,
}

#[derive(Debug)]
struct User {
    name: Username,
    devices: BTreeMap<DeviceId, ConnectionHandle>,
}

impl Presence {
    /// A device logs in. Gives the connection that it had until now.
    pub(crate) fn enter(
        &mut self,
        name: &Username,
        device: DeviceId,
        handle: ConnectionHandle,
    ) -> Option<ConnectionHandle> {
        let user = self.users.entry(name.key().to_owned());
        let user = user.or_insert_with(|| User {
            name: name.clone(),
            devices: BTreeMap::new(),
        });
        user.devices.insert(device, handle)
    }

    /// A connection is gone. Nothing happens if its device has another one by now.
    pub(crate) fn leave(&mut self, name: &Username, device: &DeviceId, handle: ConnectionHandle) {
        let Some(user) = self.users.get_mut(name.key()) else {
            return;
        };
        if user.devices.get(device) == Some(&handle) {
            user.devices.remove(device);
        }
        if user.devices.is_empty() && !planted!(PresenceNeverLeft) {
            self.users.remove(name.key());
        }
    }

    /// A device's connection.
    pub(crate) fn device(&self, name: &str, device: &DeviceId) -> Option<ConnectionHandle> {
        self.users.get(name)?.devices.get(device).copied()
    }

    /// The connections of all devices of a user.
    pub(crate) fn devices(&self, name: &str) -> Vec<ConnectionHandle> {
        let user = self.users.get(name);
        user.map_or_else(Vec::new, |user| user.devices.values().copied().collect())
    }

    /// The first `max` users in the order of their names, and whether there are more.
    pub(crate) fn names(&self, max: usize) -> (Vec<Username>, bool) {
        let names = self.users.values().map(|user| user.name.clone());
        (names.take(max).collect(), self.users.len() > max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transport::{Config, Endpoint, Instant};

    /// Handles are an endpoint's to give.
    fn handles() -> [ConnectionHandle; 2] {
        let random = Box::new(crypto::fixtures::SeededRandom::new(1));
        let mut endpoint = Endpoint::client(Config::default(), random);
        let mut sessions = sim::null::NullSessions::client(sim::Rng::new(1));
        let to = "127.0.0.1:1".parse().unwrap();
        [(); 2].map(|()| endpoint.connect(Instant::ZERO, to, &mut sessions).unwrap())
    }

    #[test]
    fn a_user_is_online_while_a_device_is_and_listed_once() {
        let [first, second] = handles();
        let mut presence = Presence::default();
        let alice = Username::parse("Alice").unwrap();
        let bob = Username::parse("bob").unwrap();
        assert_eq!(presence.enter(&bob, [1; 16], first), None);
        assert_eq!(presence.enter(&alice, [2; 16], first), None);
        assert_eq!(presence.enter(&alice, [3; 16], second), None);
        assert_eq!(presence.devices("alice").len(), 2);
        assert_eq!(presence.names(9), (vec![alice.clone(), bob.clone()], false));
        assert_eq!(presence.names(1), (vec![alice.clone()], true));
        presence.leave(&alice, &[2; 16], first);
        assert_eq!(presence.names(9).0.len(), 2);
        presence.leave(&alice, &[3; 16], second);
        assert_eq!(presence.names(9).0, [bob]);
    }

    #[test]
    fn an_old_connection_takes_no_new_one_with_it() {
        let [first, second] = handles();
        let mut presence = Presence::default();
        let bob = Username::parse("Bob").unwrap();
        presence.enter(&bob, [1; 16], first);
        assert_eq!(presence.enter(&bob, [1; 16], second), Some(first));
        presence.leave(&bob, &[1; 16], first);
        assert_eq!(presence.device("bob", &[1; 16]), Some(second));
    }
}
