//! quinn, on a tokio runtime of one thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use quinn::congestion::{BbrConfig, ControllerFactory, CubicConfig};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AckFrequencyConfig, ClientConfig, Connection, Endpoint, EndpointConfig, MtuDiscoveryConfig,
    RecvStream, SendStream, ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use tokio::task::JoinSet;

use super::tasks::{self, Wire};
use super::{Peer, pki};
use crate::child::Desk;
use crate::datagrams::{self, ANY_PORT};
use crate::job::{ETHERNET_BYTES, Job, Packets, SOCKET_BUFFER_BYTES, Target, Traffic};

/// What may be under way: more than any path here holds.
const WINDOW_BYTES: u32 = 16 << 20;

/// The largest packet where the path's size is discovered.
const JUMBO_BYTES: u16 = 65_527;

/// Handshakes under way at a time while connections are made to be kept.
const AT_ONCE: usize = 32;

/// quinn with one of its controllers.
pub struct Quinn {
    name: &'static str,
    congestion: Arc<dyn ControllerFactory + Send + Sync>,
}

impl Quinn {
    /// With CUBIC, its default.
    pub fn cubic() -> Self {
        Self {
            name: "CUBIC",
            congestion: Arc::new(CubicConfig::default()),
        }
    }

    /// With BBR.
    pub fn bbr() -> Self {
        Self {
            name: "BBR",
            congestion: Arc::new(BbrConfig::default()),
        }
    }

    fn transport(&self, job: &Job) -> TransportConfig {
        let mut transport = TransportConfig::default();
        transport
            .congestion_controller_factory(Arc::clone(&self.congestion))
            .max_idle_timeout(Some(VarInt::from_u32(3_600_000).into()));
        if job.traffic.is_flow() {
            transport
                .stream_receive_window(WINDOW_BYTES.into())
                .receive_window(WINDOW_BYTES.into())
                .send_window(WINDOW_BYTES.into());
        }
        if matches!(job.traffic, Traffic::Bulk | Traffic::Messages { .. }) {
            let mut acks = AckFrequencyConfig::default();
            acks.ack_eliciting_threshold(VarInt::from_u32(10));
            transport.ack_frequency_config(Some(acks));
        }
        match job.packets {
            Packets::Ethernet => transport
                .initial_mtu(ETHERNET_BYTES)
                .mtu_discovery_config(None),
            Packets::Discovered => {
                let mut discovery = MtuDiscoveryConfig::default();
                discovery.upper_bound(JUMBO_BYTES);
                transport.mtu_discovery_config(Some(discovery))
            }
        };
        transport
    }
}

impl Peer for Quinn {
    fn settings(&self, job: &Job) -> String {
        let packets = match job.packets {
            Packets::Ethernet => format!("packets of {ETHERNET_BYTES} bytes, no MTU discovery"),
            Packets::Discovered => format!("MTU discovery up to {JUMBO_BYTES}"),
        };
        let windows = if job.traffic.is_flow() {
            "windows of 16 MiB"
        } else {
            "default windows"
        };
        let controller = self.name;
        let tls = pki::SETTINGS;
        format!(
            "{controller}, {windows}, {packets}, an ACK per 10 packets on bulk, one thread, {tls}"
        )
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        tasks::block_on(async {
            let identity = pki::Identity::generate()?;
            let crypto = QuicServerConfig::try_from(identity.server_config()?)?;
            let mut config = ServerConfig::with_crypto(Arc::new(crypto));
            config.transport_config(Arc::new(self.transport(&desk.job)));
            let endpoint = endpoint(Some(config))?;
            desk.ready(&Target {
                address: endpoint.local_addr()?,
                identity: identity.to_hex(),
            });
            tokio::task::LocalSet::new()
                .run_until(async {
                    let mut tasks = JoinSet::new();
                    // What came and went is not kept.
                    while let Some(incoming) = endpoint.accept().await {
                        while tasks.try_join_next().is_some() {}
                        let app = desk.app();
                        let style = desk.job.traffic.style();
                        let meter = Arc::clone(&desk.meter);
                        tasks.spawn_local(async move {
                            let mut app = app;
                            let connection = incoming.await?;
                            meter.connected();
                            let (send, receive) = connection.accept_bi().await?;
                            let mut wire = Streams(send, receive);
                            tasks::carry(&mut wire, &mut *app, style).await
                        });
                    }
                    Ok(())
                })
                .await
        })
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        tasks::block_on(async {
            let mut endpoint = endpoint(None)?;
            let resumes = matches!(desk.job.traffic, Traffic::Handshakes { resumed: true });
            let crypto = pki::client_config(&target.identity, resumes)?;
            let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(crypto)?));
            config.transport_config(Arc::new(self.transport(&desk.job)));
            endpoint.set_default_client_config(config);
            match desk.job.traffic {
                Traffic::Handshakes { resumed } => {
                    handshakes(&endpoint, desk, target.address, resumed).await
                }
                Traffic::Idle { connections } => {
                    keep(&endpoint, desk, target.address, connections).await
                }
                _ => {
                    let connection = endpoint.connect(target.address, pki::NAME)?.await?;
                    desk.connected();
                    let (send, receive) = connection.open_bi().await?;
                    let style = desk.job.traffic.style();
                    tasks::carry(&mut Streams(send, receive), &mut *desk.app(), style).await
                }
            }
        })
    }
}

fn endpoint(server: Option<ServerConfig>) -> Result<Endpoint> {
    let socket = datagrams::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?;
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(JUMBO_BYTES)?;
    let endpoint = Endpoint::new(config, server, socket.into(), Arc::new(TokioRuntime));
    endpoint.context("binding")
}

/// One connection after the other; with tickets, a message there and back on each.
async fn handshakes(
    endpoint: &Endpoint,
    desk: &Desk,
    address: SocketAddr,
    resumed: bool,
) -> Result<()> {
    loop {
        let connection = endpoint.connect(address, pki::NAME)?.await?;
        if resumed {
            let (send, receive) = connection.open_bi().await?;
            let mut wire = Streams(send, receive);
            wire.write(&tasks::greeting()).await?;
            wire.read(|_| {}).await?;
        }
        desk.connected();
        connection.close(VarInt::from_u32(0), b"");
    }
}

/// So many connections, which then stay.
async fn keep(
    endpoint: &Endpoint,
    desk: &Desk,
    address: SocketAddr,
    connections: usize,
) -> Result<()> {
    let mut kept: Vec<Connection> = Vec::with_capacity(connections);
    while kept.len() < connections {
        let mut batch = Vec::with_capacity(AT_ONCE);
        for _ in 0..AT_ONCE.min(connections - kept.len()) {
            batch.push(endpoint.connect(address, pki::NAME)?);
        }
        for connecting in batch {
            kept.push(connecting.await?);
            desk.connected();
        }
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    Ok(())
}

/// One stream in both directions.
struct Streams(SendStream, RecvStream);

impl Wire for Streams {
    async fn write(&mut self, data: &[u8]) -> Result<()> {
        Ok(self.0.write_all(data).await?)
    }

    async fn read(&mut self, mut each: impl FnMut(&[u8])) -> Result<bool> {
        match self.1.read_chunk(usize::MAX, true).await? {
            Some(chunk) => each(&chunk.bytes),
            None => return Ok(false),
        }
        Ok(true)
    }
}
