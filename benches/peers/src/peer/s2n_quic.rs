//! s2n-quic, on a tokio runtime of one thread.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use s2n_quic::client::Connect;
use s2n_quic::provider::congestion_controller::{Bbr, Cubic};
use s2n_quic::provider::io::tokio::Builder as Io;
use s2n_quic::provider::limits::Limits;
use s2n_quic::provider::tls;
use s2n_quic::stream::BidirectionalStream;
use s2n_quic::{Client, Server};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::tasks::{self, Wire};
use super::{Peer, pki};
use crate::child::Desk;
use crate::datagrams::ANY_PORT;
use crate::job::{ETHERNET_BYTES, Job, Packets, SOCKET_BUFFER_BYTES, Target, Traffic};

/// What may be under way: more than any path here holds.
const WINDOW_BYTES: u32 = 16 << 20;

/// The largest packet, with headers, where the path's size is discovered.
const JUMBO_MTU: u16 = 9001;

/// Handshakes under way at a time while connections are made to be kept.
const AT_ONCE: usize = 32;

/// s2n-quic with one of its controllers.
pub enum S2nQuic {
    /// With CUBIC, its default.
    Cubic,
    /// With BBR.
    Bbr,
}

impl Peer for S2nQuic {
    fn settings(&self, job: &Job) -> String {
        let controller = match self {
            Self::Cubic => "CUBIC",
            Self::Bbr => "BBR",
        };
        let packets = match job.packets {
            Packets::Ethernet => format!("packets of {ETHERNET_BYTES} bytes"),
            Packets::Discovered => format!("MTU discovery up to {JUMBO_MTU}"),
        };
        let windows = if job.traffic.is_flow() {
            "windows of 16 MiB"
        } else {
            "default windows"
        };
        format!(
            "{controller}, {windows}, {packets}, one thread, s2n-tls with its default policy, P-256 certificate"
        )
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        tasks::block_on(async {
            let identity = pki::Identity::generate()?;
            let pem = identity.to_pem();
            let tls = tls::default::Server::builder()
                .with_application_protocols([pki::ALPN])?
                .with_certificate(pem.as_str(), identity.key_to_pem().as_str())?
                .build()?;
            let builder = Server::builder()
                .with_io(io(&desk.job)?)?
                .with_tls(tls)?
                .with_limits(limits(&desk.job)?)?;
            let mut server = match self {
                Self::Cubic => builder
                    .with_congestion_controller(Cubic::default())?
                    .start()?,
                Self::Bbr => builder
                    .with_congestion_controller(Bbr::default())?
                    .start()?,
            };
            desk.ready(&Target {
                address: server.local_addr()?,
                identity: pem,
            });
            let accept = async {
                let mut tasks = JoinSet::new();
                while let Some(mut connection) = server.accept().await {
                    while tasks.try_join_next().is_some() {}
                    desk.connected();
                    let (mut app, style) = (desk.app(), desk.job.traffic.style());
                    tasks.spawn_local(async move {
                        if let Some(stream) = connection.accept_bidirectional_stream().await? {
                            tasks::carry(&mut Streams(stream), &mut *app, style).await?;
                        }
                        anyhow::Ok(())
                    });
                }
                Ok(())
            };
            tokio::task::LocalSet::new().run_until(accept).await
        })
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        tasks::block_on(async {
            let tls = tls::default::Client::builder()
                .with_application_protocols([pki::ALPN])?
                .with_certificate(target.identity.as_str())?
                .build()?;
            let builder = Client::builder()
                .with_io(io(&desk.job)?)?
                .with_tls(tls)?
                .with_limits(limits(&desk.job)?)?;
            let client = match self {
                Self::Cubic => builder
                    .with_congestion_controller(Cubic::default())?
                    .start()?,
                Self::Bbr => builder
                    .with_congestion_controller(Bbr::default())?
                    .start()?,
            };
            let connect = || Connect::new(target.address).with_server_name(pki::NAME);
            match desk.job.traffic {
                Traffic::Handshakes { .. } => loop {
                    let connection = client.connect(connect()).await?;
                    desk.connected();
                    connection.close(0u8.into());
                },
                Traffic::Idle { connections } => {
                    let client = Arc::new(client);
                    let mut kept = Vec::with_capacity(connections);
                    while kept.len() < connections {
                        let count = AT_ONCE.min(connections - kept.len());
                        let batch: Vec<_> = (0..count)
                            .map(|_| tokio::spawn(client.connect(connect())))
                            .collect();
                        for attempt in batch {
                            kept.push(attempt.await??);
                            desk.connected();
                        }
                    }
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Ok(())
                }
                _ => {
                    let mut connection = client.connect(connect()).await?;
                    desk.connected();
                    let stream = connection.open_bidirectional_stream().await?;
                    let style = desk.job.traffic.style();
                    tasks::carry(&mut Streams(stream), &mut *desk.app(), style).await
                }
            }
        })
    }
}

fn io(job: &Job) -> Result<s2n_quic::provider::io::tokio::Provider> {
    let builder = Io::default()
        .with_receive_address(ANY_PORT)?
        .with_send_buffer_size(SOCKET_BUFFER_BYTES)?
        .with_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    // With what IPv4 and UDP add.
    let ethernet = ETHERNET_BYTES + 28;
    let builder = match job.packets {
        Packets::Ethernet => builder.with_max_mtu(ethernet)?.with_initial_mtu(ethernet)?,
        Packets::Discovered => builder.with_max_mtu(JUMBO_MTU)?,
    };
    Ok(builder.build()?)
}

fn limits(job: &Job) -> Result<Limits> {
    let mut limits = Limits::new().with_max_idle_timeout(Duration::from_secs(3600))?;
    if job.traffic.is_flow() {
        limits = limits
            .with_data_window(WINDOW_BYTES.into())?
            .with_bidirectional_local_data_window(WINDOW_BYTES.into())?
            .with_bidirectional_remote_data_window(WINDOW_BYTES.into())?
            .with_max_send_buffer_size(WINDOW_BYTES)?;
    }
    Ok(limits)
}

/// One stream in both directions.
struct Streams(BidirectionalStream);

impl Wire for Streams {
    async fn write(&mut self, data: &[u8]) -> Result<()> {
        self.0.write_all(data).await.map_err(|error| anyhow!(error))
    }

    async fn read(&mut self, mut each: impl FnMut(&[u8])) -> Result<bool> {
        match self.0.receive().await? {
            Some(data) => each(&data),
            None => return Ok(false),
        }
        Ok(true)
    }
}
