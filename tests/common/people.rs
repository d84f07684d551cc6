//! People at real sockets: the client's machine on a thread of its own, with its installation in
//! memory, so that a test has many of them and they log in at once.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chat::Username;
use chat::message::MessageId;
use client::{
    Channel, Client, Completion, Config, Delivery, Event, Failure, Outcome, Request, SendError,
    Work,
};
use crypto::SecretBytes;
use net::{BindOptions, Driver, OsRandom, Waker, unix_time_ms, unix_time_s};
use store::Store as _;
use store::device::MemoryStore;
use tls::{ClientSessions, Trust, WallClock};

use crate::common::PATIENCE;
use crate::fixtures::fingerprint;

/// How often a thread looks whether it is told something, if nothing wakes it.
const LOOK: Duration = Duration::from_millis(200);

/// What somebody heard so far.
#[derive(Default)]
pub struct Heard {
    /// How often the login was done.
    pub logins: usize,
    /// Who wrote what, in the order in which it was shown, and when that was.
    pub messages: Vec<(String, String, Instant)>,
    /// How far each message of one's own got.
    pub states: BTreeMap<MessageId, Delivery>,
    /// How many of them are stored at least.
    pub stored: usize,
    /// Why messages wait or failed.
    pub reasons: Vec<String>,
    /// Answers to lists, and when the last one came.
    pub lists: usize,
    pub listed: Option<Instant>,
    /// Messages that could not be read, gaps, forks, changed keys: nothing of it should be.
    pub oddities: Vec<String>,
    /// Connections made, lost and in trouble, for whoever has to find out what went wrong.
    pub connections: Vec<String>,
    /// The client gave up.
    pub failure: Option<Failure>,
}

impl Heard {
    /// The texts of one sender, in order.
    pub fn texts(&self, from: &str) -> Vec<&str> {
        (self.messages.iter())
            .filter(|(who, ..)| who == from)
            .map(|(_, text, _)| text.as_str())
            .collect()
    }

    /// Whether this message is stored at least.
    pub fn is_stored(&self, id: MessageId) -> bool {
        let state = self.states.get(&id);
        state.is_some_and(|state| (Delivery::Stored..=Delivery::Delivered).contains(state))
    }
}

enum Order {
    Send(Username, String, SyncSender<Option<MessageId>>),
    List,
    /// Neither read nor answer anything from now on, or do again.
    Deaf(bool),
    Leave,
}

/// Somebody who is logged in, or on the way to it. Gone without a word when dropped.
pub struct Person {
    heard: Arc<(Mutex<Heard>, Condvar)>,
    orders: Option<Sender<Order>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Person {
    /// Somebody whose password is the name.
    pub fn start(name: &str, port: u16) -> Self {
        Self::start_from(Ipv4Addr::LOCALHOST, name, name, port)
    }

    /// Somebody at this address below 127.0.0.0/8.
    pub fn start_from(from: Ipv4Addr, name: &str, password: &str, port: u16) -> Self {
        let password = SecretBytes::new(password.into());
        Self::open(from, name, password, port, Duration::from_secs(8))
    }

    /// Somebody whose password is nowhere else in this process.
    pub fn start_secret(name: &str, password: SecretBytes, port: u16) -> Self {
        let patience = Duration::from_secs(8);
        Self::open(Ipv4Addr::LOCALHOST, name, password, port, patience)
    }

    /// Somebody who does not wait long for a server that was killed in the middle of a handshake. Who was
    /// never there gives up after that, and comes once more.
    pub fn login_impatient(name: &str, port: u16) -> Self {
        let patience = Duration::from_secs(2);
        for _ in 0..10 {
            let password = SecretBytes::new(name.into());
            let somebody = Self::open(Ipv4Addr::LOCALHOST, name, password, port, patience);
            somebody.until("an end of the login", |heard| {
                heard.logins > 0 || heard.failure.is_some()
            });
            let failure = somebody.heard().failure.clone();
            match failure {
                Some(Failure::Unreachable { .. }) => {}
                _ => return somebody.logged_in(),
            }
        }
        panic!("{name} cannot reach the server");
    }

    fn open(
        from: Ipv4Addr,
        name: &str,
        password: SecretBytes,
        port: u16,
        connect_timeout: Duration,
    ) -> Self {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let name = Username::parse(name).unwrap();
        let mut config = Config::new(server, name, password);
        config.connect_timeout = connect_timeout;
        let driver = Driver::bind((from, 0).into(), &BindOptions::client()).unwrap();
        let waker = driver.waker();
        let heard = Arc::<(Mutex<Heard>, Condvar)>::default();
        let (sender, orders) = channel();
        let shared = Arc::clone(&heard);
        let thread = std::thread::spawn(move || Desk::open(config, driver, shared).run(&orders));
        Self {
            heard,
            orders: Some(sender),
            waker,
            thread: Some(thread),
        }
    }

    /// Starts and waits for the login.
    pub fn login(name: &str, port: u16) -> Self {
        Self::start(name, port).logged_in()
    }

    /// Waits for the login.
    pub fn logged_in(self) -> Self {
        self.until("the login", |heard| {
            assert_eq!(heard.failure, None);
            heard.logins > 0
        });
        self
    }

    fn order(&self, order: Order) {
        self.orders.as_ref().unwrap().send(order).unwrap();
        self.waker.wake();
    }

    /// Sends a text; `None` if the client has no room for it.
    pub fn try_send(&self, to: &str, text: &str) -> Option<MessageId> {
        let (reply, answer) = sync_channel(1);
        let to = Username::parse(to).unwrap();
        self.order(Order::Send(to, text.to_owned(), reply));
        answer.recv_timeout(PATIENCE).unwrap()
    }

    pub fn send(&self, to: &str, text: &str) -> MessageId {
        self.try_send(to, text).unwrap()
    }

    pub fn list(&self) {
        self.order(Order::List);
    }

    pub fn deaf(&self, deaf: bool) {
        self.order(Order::Deaf(deaf));
    }

    pub fn leave(mut self) {
        self.order(Order::Leave);
        self.thread.take().unwrap().join().unwrap();
    }

    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.0.lock().unwrap()
    }

    /// Waits until what was heard fits.
    pub fn until(&self, what: &str, fits: impl Fn(&Heard) -> bool) {
        if !self.within(PATIENCE, fits) {
            let heard = self.heard();
            let (logins, shown, stored) = (heard.logins, heard.messages.len(), heard.stored);
            let (last, failure) = (heard.messages.last(), &heard.failure);
            let (reasons, reason) = (heard.reasons.len(), heard.reasons.last());
            let connections = heard.connections.iter().rev().take(12).rev();
            let connections: Vec<_> = connections.collect();
            panic!(
                "{what} does not come: {logins} logins, {shown} messages shown, the last {last:?}, {stored} \
                 stored, {reasons} reasons, the last {reason:?}, {failure:?}; at {:?} after {connections:#?}",
                now()
            );
        }
    }

    /// Waits at most so long until what was heard fits.
    pub fn within(&self, time: Duration, fits: impl Fn(&Heard) -> bool) -> bool {
        let (_heard, result) = (self.heard.1)
            .wait_timeout_while(self.heard(), time, |heard| !fits(heard))
            .unwrap();
        !result.timed_out()
    }

    /// Waits until this message is stored.
    pub fn until_stored(&self, id: MessageId) {
        self.until("stored", |heard| heard.is_stored(id));
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.orders = None;
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // What it panicked with has been printed.
            let _ = thread.join();
        }
    }
}

/// A client, its socket and its store, on one thread.
struct Desk {
    client: Client,
    driver: Driver,
    store: MemoryStore,
    clock: WallClock,
    heard: Arc<(Mutex<Heard>, Condvar)>,
    deaf: bool,
}

impl Desk {
    fn open(config: Config, driver: Driver, heard: Arc<(Mutex<Heard>, Condvar)>) -> Self {
        let clock = WallClock::new(unix_time_s());
        let sessions = ClientSessions::new(Trust::Pinned(fingerprint()), &clock).unwrap();
        let channel = Channel::new(Box::new(sessions));
        let client = Client::new(config, channel, Box::new(OsRandom), Box::new(OsRandom));
        Self {
            client: client.unwrap(),
            driver,
            store: MemoryStore::default(),
            clock,
            heard,
            deaf: false,
        }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        self.tell_time();
        self.client.start(self.driver.now());
        loop {
            if self.settle() {
                return self.driver.flush(&mut self.client);
            }
            if self.deaf {
                std::thread::sleep(Duration::from_millis(2));
            } else {
                self.driver.turn(&mut self.client, Some(LOOK)).unwrap();
            }
            self.tell_time();
            loop {
                match orders.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                }
            }
        }
    }

    fn tell_time(&mut self) {
        self.client.set_wall_time(unix_time_ms());
        self.clock.set(unix_time_s());
    }

    fn obey(&mut self, order: Order) {
        let now = self.driver.now();
        match order {
            Order::Send(to, text, reply) => {
                let sent = match self.client.send(now, &to, text) {
                    Ok(id) => Some(id),
                    Err(SendError::Full) => None,
                    Err(error) => panic!("{error}"),
                };
                reply.send(sent).unwrap();
            }
            Order::List => drop(self.client.list(now)),
            Order::Deaf(deaf) => self.deaf = deaf,
            Order::Leave => self.client.shutdown(now, true),
        }
    }

    /// Does what the client asks for and writes down what it tells. Whether it was the last.
    fn settle(&mut self) -> bool {
        loop {
            if let Some(request) = self.client.poll_request() {
                let completion = self.work(request);
                self.client.handle_completion(self.driver.now(), completion);
            } else if let Some(event) = self.client.poll_event() {
                let last = matches!(event, Event::Bye | Event::Failed(_));
                note(&mut self.heard.0.lock().unwrap(), event);
                self.heard.1.notify_all();
                if last {
                    return true;
                }
            } else {
                return false;
            }
        }
    }

    fn work(&mut self, request: Request) -> Completion {
        let outcome = match request.work {
            Work::Job(job) => Outcome::Done(job.run(&mut OsRandom)),
            Work::Store(ops) => Outcome::Stored(self.store.commit(&ops)),
        };
        Completion {
            id: request.id,
            outcome,
        }
    }
}

fn note(heard: &mut Heard, event: Event) {
    if matches!(
        event,
        Event::Connected { .. }
            | Event::LoggedIn { .. }
            | Event::Disconnected { .. }
            | Event::Trouble { .. }
    ) {
        heard.connections.push(format!("{:?}: {event:?}", now()));
    }
    match event {
        Event::LoggedIn { .. } => heard.logins += 1,
        Event::Online { .. } => {
            heard.lists += 1;
            heard.listed = Some(now());
        }
        Event::Message(message) => {
            if message.gap.is_some() || message.forked {
                heard.oddities.push(format!("{message:?}"));
            }
            let from = message.from.display().to_owned();
            heard.messages.push((from, message.text, now()));
        }
        Event::Status {
            id, state, reason, ..
        } => {
            let before = heard.is_stored(id);
            heard.states.insert(id, state);
            heard.stored += usize::from(!before && heard.is_stored(id));
            heard.reasons.extend(reason);
        }
        Event::Failed(failure) => heard.failure = Some(failure),
        Event::Unreadable { .. } | Event::KeyChanged { .. } | Event::DirectoryFork { .. } => {
            heard.oddities.push(format!("{event:?}"));
        }
        _ => {}
    }
}

/// The time, for intervals.
pub fn now() -> Instant {
    Instant::now()
}
