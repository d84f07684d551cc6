//! What is measured: a file for each peer behind one trait.

mod blocking;
#[cfg(feature = "enet")]
mod enet;
#[cfg(feature = "kcp")]
mod kcp;
mod limit;
mod pki;
#[cfg(feature = "quiche")]
mod quiche;
#[cfg(feature = "quinn")]
mod quinn;
#[cfg(feature = "s2n-quic")]
mod s2n_quic;
#[cfg(feature = "tokio")]
mod tasks;
mod tcp;
mod tls;
mod udp;
mod undertone;

use anyhow::{Result, bail};

use crate::child::Desk;
use crate::job::{Job, Target};

/// Something that carries traffic between two processes.
pub trait Peer {
    /// What it was set to for this job, for people to judge.
    fn settings(&self, job: &Job) -> String;

    /// The server's process. It does not return while all is well.
    ///
    /// # Errors
    /// What keeps it from its work.
    fn serve(&self, desk: &Desk) -> Result<()>;

    /// The client's.
    ///
    /// # Errors
    /// What keeps it from its work.
    fn connect(&self, desk: &Desk, target: &Target) -> Result<()>;
}

/// A contender: its name, how it is made, and whether this build has it.
struct Entry {
    name: &'static str,
    make: Option<fn() -> Box<dyn Peer>>,
}

/// Makes an entry that is there when a feature is.
macro_rules! entry {
    ($name:literal, $make:expr) => {
        Entry {
            name: $name,
            make: Some(|| Box::new($make)),
        }
    };
    ($name:literal, $feature:literal, $make:expr) => {{
        #[cfg(feature = $feature)]
        let make: Option<fn() -> Box<dyn Peer>> = Some(|| Box::new($make));
        #[cfg(not(feature = $feature))]
        let make = None;
        Entry { name: $name, make }
    }};
}

/// All contenders, in the order in which they are shown. A name up to its first `-` that is no
/// part of another name is the peer's, the rest its variant.
fn entries() -> Vec<Entry> {
    vec![
        entry!("undertone", undertone::Undertone::Wide),
        entry!("undertone-default", undertone::Undertone::Default),
        entry!("undertone-cubic", undertone::Undertone::Cubic),
        entry!("quinn", "quinn", quinn::Quinn::cubic()),
        entry!("quinn-bbr", "quinn", quinn::Quinn::bbr()),
        entry!("s2n-quic", "s2n-quic", s2n_quic::S2nQuic::Cubic),
        entry!("s2n-quic-bbr", "s2n-quic", s2n_quic::S2nQuic::Bbr),
        entry!("quiche", "quiche", quiche::Quiche::Cubic),
        entry!("quiche-bbr2", "quiche", quiche::Quiche::Bbr2),
        entry!("kcp", "kcp", kcp::Kcp),
        entry!("enet", "enet", enet::Enet),
        entry!("tcp-tls", tls::TcpTls),
        entry!("tcp", tcp::Tcp),
        entry!("limit", limit::Limit),
        entry!("udp", udp::Udp),
    ]
}

/// Every contender's name.
pub fn names() -> Vec<&'static str> {
    entries().iter().map(|entry| entry.name).collect()
}

/// Whether this build has the contender of this name.
pub fn is_built(name: &str) -> bool {
    let mut entries = entries().into_iter();
    entries.any(|entry| entry.name == name && entry.make.is_some())
}

/// The contender of this name.
///
/// # Errors
/// There is none, or not in this build.
pub fn find(name: &str) -> Result<Box<dyn Peer>> {
    match entries().iter().find(|entry| entry.name == name) {
        Some(Entry {
            make: Some(make), ..
        }) => Ok(make()),
        Some(_) => bail!("{name} is not in this build; README.md says which feature brings it"),
        None => bail!("no peer is called {name}; there are {}", names().join(", ")),
    }
}
