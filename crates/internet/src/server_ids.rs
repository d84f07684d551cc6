//! Connection ids that tell their issuer which node and worker they belong to, and nobody else
//! (docs/PROTOCOL.md §2.2).

use std::sync::Arc;

use crypto::packet::BlockMask;
use crypto::{Random, Secret, Transcript, random_array};

use crate::{ConnectionId, ResetToken};

/// Random bytes at the front of a server's id.
const RANDOM_LEN: usize = 6;

/// Where a connection lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The node of a cluster.
    pub node: u8,
    /// The worker within that node.
    pub worker: u8,
}

/// Issues connection ids and reset tokens from one secret, and reads routes back.
///
/// All workers and nodes of a server share the secret, and it persists over restarts, so that any
/// of them can route every packet and reset a connection that is gone.
#[derive(Clone)]
pub struct ConnectionIds {
    mask: Arc<BlockMask>,
    reset_key: Secret<32>,
}

impl ConnectionIds {
    /// Ids and tokens under this secret.
    pub fn new(secret: &Secret<32>) -> Self {
        let derive = |context| Transcript::new(context).hmac_sha256(secret.expose());
        let mask_key = Secret::from(first_half(derive("connection-id")));
        Self {
            mask: Arc::new(BlockMask::new(mask_key.expose())),
            reset_key: Secret::from(derive("reset-key")),
        }
    }

    /// A new id of a connection that lives at `route`. Ids of one connection have nothing in
    /// common that an observer could see.
    pub fn issue(&self, route: Route, random: &mut (impl Random + ?Sized)) -> ConnectionId {
        let random: [u8; RANDOM_LEN] = random_array(random);
        let [node_mask, worker_mask] = self.mask(&random);
        let [r0, r1, r2, r3, r4, r5] = random;
        let node = route.node ^ node_mask;
        let worker = route.worker ^ worker_mask;
        ConnectionId::new([r0, r1, r2, r3, r4, r5, node, worker])
    }

    /// Where the connection of an id of ours lives. An id that somebody invented gives some route
    /// or other: whoever lives there does not know it.
    pub fn route(&self, id: ConnectionId) -> Route {
        let [random @ .., node, worker] = id.as_bytes();
        let [node_mask, worker_mask] = self.mask(random);
        Route {
            node: node ^ node_mask,
            worker: worker ^ worker_mask,
        }
    }

    /// The token that resets the connection which had this id.
    pub fn reset_token(&self, id: ConnectionId) -> ResetToken {
        let tag = Transcript::new("reset-token")
            .field(id.as_bytes())
            .hmac_sha256(self.reset_key.expose());
        ResetToken::new(first_half(tag))
    }

    fn mask(&self, random: &[u8; RANDOM_LEN]) -> [u8; 2] {
        let [r0, r1, r2, r3, r4, r5] = *random;
        let block = [r0, r1, r2, r3, r4, r5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let [node, worker, ..] = self.mask.mask(&block);
        [node, worker]
    }
}

fn first_half(bytes: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|index| bytes[index])
}
