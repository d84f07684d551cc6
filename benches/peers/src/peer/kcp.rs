//! KCP by tokio_kcp, on a tokio runtime of one thread.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio_kcp::{KcpConfig, KcpListener, KcpNoDelayConfig, KcpStream};

use super::Peer;
use super::tasks::{self, Wire};
use crate::child::Desk;
use crate::datagrams::{self, ANY_PORT};
use crate::job::{ETHERNET_BYTES, Job, Link, SOCKET_BUFFER_BYTES, Target, Traffic};

/// Packets under way on loopback: more of them are lost in socket buffers.
const WINDOW_PACKETS: u16 = 2048;

/// KCP, which protects nothing.
pub struct Kcp;

impl Peer for Kcp {
    fn settings(&self, job: &Job) -> String {
        let window = window_packets(job.link);
        let flush = if flushes(job) {
            "flushed at once"
        } else {
            "flushed in turn"
        };
        format!(
            "no protection, \"fastest\" (no congestion control), a window of {window} packets{}, packets of {ETHERNET_BYTES} bytes, {flush}",
            if job.link.is_some() {
                ", which is what the link holds"
            } else {
                ""
            }
        )
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        tasks::block_on(async {
            let socket = socket()?;
            let address = socket.local_addr()?;
            let mut listener = KcpListener::from_socket(config(&desk.job), socket).await?;
            desk.ready(&Target {
                address,
                identity: String::new(),
            });
            loop {
                let (stream, _) = listener.accept().await?;
                desk.connected();
                let style = desk.job.traffic.style();
                tasks::carry(&mut Stream::new(stream), &mut *desk.app(), style).await?;
            }
        })
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        tasks::block_on(async {
            let config = config(&desk.job);
            let stream = KcpStream::connect_with_socket(&config, socket()?, target.address).await?;
            desk.connected();
            let style = desk.job.traffic.style();
            tasks::carry(&mut Stream::new(stream), &mut *desk.app(), style).await
        })
    }
}

fn socket() -> Result<UdpSocket> {
    let socket = datagrams::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into()).context("a socket")
}

/// Where latency is the question and not throughput.
fn flushes(job: &Job) -> bool {
    matches!(job.traffic, Traffic::Ping { .. } | Traffic::Beat { .. })
}

/// Without congestion control the window is all that keeps a queue from overflowing: what the link
/// holds, and half of its queue.
fn window_packets(link: Option<Link>) -> u16 {
    let Some(link) = link.filter(|link| link.rate_bps > 0) else {
        return WINDOW_PACKETS;
    };
    let held_us = 2 * link.delay_us + link.queue_us / 2;
    let bytes = link.rate_bps / 8 * held_us / 1_000_000;
    (bytes / u64::from(ETHERNET_BYTES)).clamp(32, 8192) as u16
}

fn config(job: &Job) -> KcpConfig {
    let window = window_packets(job.link);
    KcpConfig {
        mtu: usize::from(ETHERNET_BYTES),
        nodelay: KcpNoDelayConfig::fastest(),
        wnd_size: (window, window.max(WINDOW_PACKETS)),
        flush_write: flushes(job),
        flush_acks_input: flushes(job),
        stream: true,
        ..KcpConfig::default()
    }
}

/// A stream in both directions.
struct Stream {
    stream: KcpStream,
    buffer: Vec<u8>,
}

impl Stream {
    fn new(stream: KcpStream) -> Self {
        Self {
            stream,
            buffer: vec![0; 64 << 10],
        }
    }
}

impl Wire for Stream {
    async fn write(&mut self, data: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(data).await?)
    }

    async fn read(&mut self, mut each: impl FnMut(&[u8])) -> Result<bool> {
        let length = self.stream.read(&mut self.buffer).await?;
        each(&self.buffer[..length]);
        Ok(length > 0)
    }
}
