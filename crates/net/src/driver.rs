//! An event loop around one socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Registry, Token};
use transport::{Instant, Machine};

use crate::socket::Progress;
#[cfg(target_os = "linux")]
use crate::timer::Timer;
use crate::{BindOptions, Clock, Offload, PathError, Socket, SocketStats};

/// Tokens from here on belong to the driver; others are free for sources of the caller's own.
pub const FIRST_RESERVED_TOKEN: Token = Token(usize::MAX - 2);

const SOCKET: Token = FIRST_RESERVED_TOKEN;
const TIMER: Token = Token(usize::MAX - 1);
const WAKE: Token = Token(usize::MAX);

/// Events that one poll returns.
const EVENTS: usize = 64;

/// Datagrams taken in before timers and the caller get their turn: about 0.3 ms of work.
const RECEIVE_BUDGET: usize = 512;

/// System calls of sending before receiving gets its turn: at most 4 MiB.
const SEND_BUDGET: usize = 64;

/// A turn that took in no more datagrams than this leaves it to the caller's next step to send what
/// follows from them.
const ANSWERED_TOGETHER_MAX: u64 = 8;

/// Wakes a [`Driver`] from another thread. Many wakes before a turn are one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// A waker of a poll of one's own, which reports it under `token`. A poll has at most one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        mio::Waker::new(registry, token).map(|waker| Self(Arc::new(waker)))
    }

    /// Ends the driver's wait, or its next one.
    pub fn wake(&self) {
        // It fails only when the kernel's counter is full, and then a wake is pending anyway.
        let _ = self.0.wake();
    }
}

/// What ended a [`Driver::turn`]. None of them: the wait was over, or a signal came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// The socket had something.
    pub received: bool,
    /// A timer of the machine was due.
    pub timed_out: bool,
    /// A [`Waker`] was used.
    pub woken: bool,
}

/// One socket, one clock and one thread for one machine.
///
/// ```text
/// loop {
///     let turn = driver.turn(&mut machine, None)?;   // sends, waits, takes in, does what is due
///     while let Some(event) = machine.poll_event() { /* act */ }
///     driver.flush(&mut machine);                    // or leave it to the next turn
/// }
/// ```
#[derive(Debug)]
pub struct Driver {
    poll: Poll,
    events: Events,
    socket: Socket,
    clock: Clock,
    waker: Waker,
    ready: Vec<Token>,
    receive: Progress,
    send: Progress,
    /// The poll tells when the socket takes more. Only while that is needed: every datagram that
    /// leaves the kernel would be an event.
    writable: bool,
    busy_poll: Duration,
    #[cfg(target_os = "linux")]
    timer: Timer,
}

impl Driver {
    /// Binds a socket to `address`; port 0 lets the system choose one.
    ///
    /// # Errors
    /// The operating system's, for instance that the address is in use.
    pub fn bind(address: SocketAddr, options: &BindOptions) -> io::Result<Self> {
        let mut socket = Socket::bind(address, options)?;
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut socket, SOCKET, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        Ok(Self {
            #[cfg(target_os = "linux")]
            timer: Timer::new(poll.registry(), TIMER)?,
            poll,
            events: Events::with_capacity(EVENTS),
            socket,
            clock: Clock::start(),
            waker,
            ready: Vec::new(),
            receive: Progress::Idle,
            send: Progress::Idle,
            writable: false,
            busy_poll: options.busy_poll,
        })
    }

    /// The address that the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Goes on with another socket, as if the address had changed: what was on its way to the old
    /// one is lost.
    ///
    /// # Errors
    /// The operating system's; the old socket stays then.
    pub fn rebind(&mut self, address: SocketAddr, options: &BindOptions) -> io::Result<()> {
        let mut socket = Socket::bind(address, options)?;
        let registry = self.poll.registry();
        registry.register(&mut socket, SOCKET, Interest::READABLE)?;
        socket.count_on(self.socket.stats());
        let mut old = core::mem::replace(&mut self.socket, socket);
        // Closing it takes it out of the poll in any case.
        let _ = self.poll.registry().deregister(&mut old);
        (self.receive, self.send) = (Progress::More, Progress::More);
        self.writable = false;
        Ok(())
    }

    /// What the kernel takes off the program.
    pub fn offload(&self) -> Offload {
        self.socket.offload()
    }

    /// The time as the machine is told it.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The clock behind [`Driver::now`], for other threads.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// A handle that ends this driver's wait.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Where the caller registers sources of its own, such as signals, under tokens below
    /// [`FIRST_RESERVED_TOKEN`].
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Tokens of the caller's own sources that the last turn found ready.
    pub fn ready(&self) -> &[Token] {
        &self.ready
    }

    /// The counters of its socket, and of those before it ([`Driver::rebind`]).
    pub fn stats(&self) -> SocketStats {
        self.socket.stats()
    }

    /// The last thing that the network said about a path, and forgets it. Needs
    /// [`BindOptions::icmp_errors`] to hear of closed ports.
    pub fn take_path_error(&mut self) -> Option<PathError> {
        self.socket.take_path_error()
    }

    /// Sends what `machine` has to say; waits until a datagram, a timer, a wake-up or another
    /// source, at most `wait` long (`None`: as long as it takes); takes datagrams in and does what is
    /// due.
    ///
    /// The caller then drains the machine's events. What it does in answer is sent by
    /// [`Driver::flush`], or by the next turn, and so is what follows from a few datagrams if it
    /// [may wait](Machine::may_wait): then an acknowledgement, the end of a handshake and the answer
    /// to a request share a packet. What follows from many, or from a timer, is sent at once.
    ///
    /// # Errors
    /// Only those that make the loop useless; nothing that a peer or the network does.
    pub fn turn(&mut self, machine: &mut impl Machine, wait: Option<Duration>) -> io::Result<Turn> {
        self.flush(machine);
        let mut turn = self.wait(machine, wait)?;
        let before = self.socket.stats();
        if self.receive == Progress::More {
            self.receive = self.socket.receive(&self.clock, machine, RECEIVE_BUDGET)?;
            turn.received = self.socket.stats().receive_calls > before.receive_calls;
        }
        let now = self.clock.now();
        if machine.poll_timeout().is_some_and(|due| due <= now) {
            machine.handle_timeout(now);
            turn.timed_out = true;
        }
        let received = self.socket.stats().received - before.received;
        let waits = self.send != Progress::More
            && !turn.timed_out
            && received <= ANSWERED_TOGETHER_MAX
            && machine.may_wait();
        if !waits {
            self.flush(machine);
        }
        Ok(turn)
    }

    /// Sends what `machine` has to say now. What the kernel does not take is kept for the next turn.
    pub fn flush(&mut self, machine: &mut impl Machine) {
        if self.send != Progress::Blocked {
            self.send = self.socket.flush(&self.clock, machine, SEND_BUDGET);
        }
    }

    /// Polls, and notes who is ready.
    fn wait(&mut self, machine: &mut impl Machine, wait: Option<Duration>) -> io::Result<Turn> {
        self.watch_writable()?;
        let timeout = if self.receive == Progress::More || self.send == Progress::More {
            Some(Duration::ZERO)
        } else {
            let due = machine
                .poll_timeout()
                .map(|due| due.since(self.clock.now()));
            match (due, wait) {
                (Some(due), Some(wait)) => Some(due.min(wait)),
                (due, wait) => due.or(wait),
            }
        };
        self.ready.clear();
        match self.poll(timeout) {
            Ok(()) => {}
            // A signal. The caller may want to look at what it says.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Turn::default());
            }
            Err(error) => return Err(error),
        }
        let mut turn = Turn::default();
        for event in &self.events {
            match event.token() {
                SOCKET => {
                    if event.is_readable() || event.is_error() {
                        self.receive = Progress::More;
                    }
                    if event.is_writable() && self.send == Progress::Blocked {
                        self.send = Progress::More;
                    }
                }
                WAKE => turn.woken = true,
                TIMER => {}
                other => self.ready.push(other),
            }
        }
        Ok(turn)
    }

    /// Asks for the event that the socket takes more while sending is blocked.
    fn watch_writable(&mut self) -> io::Result<()> {
        let wanted = self.send == Progress::Blocked;
        if wanted != self.writable {
            let interest = if wanted {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            self.poll
                .registry()
                .reregister(&mut self.socket, SOCKET, interest)?;
            self.writable = wanted;
        }
        Ok(())
    }

    /// Waits for events: at first awake, if so configured, then asleep.
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            return self.poll_awake().map(|_| ());
        }
        let begin = self.clock.now();
        let due = timeout.map(|timeout| begin + timeout);
        let mut now = begin;
        while now.since(begin) < self.busy_poll {
            let found = self.poll_awake()?;
            now = self.clock.now();
            if found || due.is_some_and(|due| due <= now) {
                return Ok(());
            }
        }
        self.sleep(now, due)
    }

    /// Looks for events and does not wait. Whether there were any but the timer's.
    fn poll_awake(&mut self) -> io::Result<bool> {
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        Ok(!self.events.is_empty() && !self.is_only_timer())
    }

    /// Waits until an event comes or `due` is past.
    #[cfg(target_os = "linux")]
    fn sleep(&mut self, mut now: Instant, due: Option<Instant>) -> io::Result<()> {
        loop {
            if let Some(due) = due {
                self.timer.set(now, due)?;
            }
            self.poll.poll(&mut self.events, None)?;
            if !self.is_only_timer() {
                return Ok(());
            }
            now = self.clock.now();
            if due.is_some_and(|due| due <= now) {
                return Ok(());
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn sleep(&mut self, now: Instant, due: Option<Instant>) -> io::Result<()> {
        let left = due.map(|due| due.since(now));
        self.poll.poll(&mut self.events, left)
    }

    /// Notes the timer's event. Whether there is no other.
    fn is_only_timer(&mut self) -> bool {
        #[cfg(target_os = "linux")]
        if self.events.iter().any(|event| event.token() == TIMER) {
            self.timer.on_event();
            return self.events.iter().all(|event| event.token() == TIMER);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use transport::{Meta, Transmit};

    use super::*;

    struct Mute;

    impl Machine for Mute {
        fn handle_datagram(&mut self, _: Instant, _: Meta, _: &mut [u8]) {}

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll_transmit(&mut self, _: Instant, _: usize, _: &mut Vec<u8>) -> Option<Transmit> {
            None
        }

        fn poll_timeout(&mut self) -> Option<Instant> {
            None
        }
    }

    #[test]
    fn a_socket_that_was_full_tells_when_it_takes_more_and_no_longer() {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let mut driver = Driver::bind(any, &BindOptions::default()).unwrap();
        // On the loopback interface no socket is ever full.
        driver.send = Progress::Blocked;
        driver
            .turn(&mut Mute, Some(Duration::from_secs(60)))
            .unwrap();
        assert_eq!(driver.send, Progress::Idle, "an event let it go on");
        assert!(driver.writable);
        driver.turn(&mut Mute, Some(Duration::ZERO)).unwrap();
        assert!(!driver.writable, "every datagram sent would be an event");
    }
}
