//! When a driver is to wake up, as a file descriptor that its poll watches.
//!
//! A poll's own timeout counts milliseconds, and is set and taken back with every wait. One of a
//! millisecond or two makes the kernel set the hardware's timer each time, which costs 10 us where
//! that hardware is virtual: more than all else that a small datagram needs. This one is set only
//! to wake up earlier than it would. What is put off leaves it as it is: then it goes off once for
//! nothing.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use transport::Instant;

/// Nobody waits longer without a look at the clock.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

#[derive(Debug)]
pub(crate) struct Timer {
    fd: OwnedFd,
    /// When it goes off.
    armed: Option<Instant>,
}

impl Timer {
    /// A timer that `registry`'s poll reports under `token`.
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Events are edge triggered: each expiry is one, read or not.
        registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { fd, armed: None })
    }

    /// Goes off at `due`, and perhaps before.
    pub(crate) fn set(&mut self, now: Instant, due: Instant) -> io::Result<()> {
        if self.armed.is_some_and(|armed| armed <= due) {
            return Ok(());
        }
        // Zero would disarm it.
        let wait = due.since(now).clamp(Duration::from_nanos(1), WAIT_MAX);
        let value = Timespec {
            tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let never = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let spec = Itimerspec {
            it_interval: never,
            it_value: value,
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &spec)?;
        self.armed = Some(now + wait);
        Ok(())
    }

    /// The poll has reported it.
    pub(crate) fn on_event(&mut self) {
        self.armed = None;
    }
}
