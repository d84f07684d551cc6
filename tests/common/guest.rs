//! Guests of a real server who are no clients: each has its connection, some have logged in honestly, and
//! then they do with it what they like.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use chat::Username;
use chat::limits::{LOGIN_PORT, MESSAGE_LEN_MAX, SESSION_PORT};
use chat::login::{ClientLogin, Password, ProofContext, make_proof, solve_login_work};
use chat::message::{
    Acknowledge, DeviceId, List, ListOnline, LoginClientMessage, LoginServerMessage as Answer,
    ReadMore, SessionClientMessage, SessionServerMessage as Said,
};
use chat::puzzle::solve;
use crypto::DeviceKey;
use net::{BindOptions, Driver, OsRandom, unix_time_s};
use tls::{ClientSessions, Trust, WallClock};
use transport::{
    CloseReason, Completion, Config, Connection, ConnectionHandle, Endpoint, Event, Mode, Request,
    StreamId,
};

use crate::common::PATIENCE;
use crate::fixtures::{fingerprint, signing_key};

/// The exporter label of the channel (PROTOCOL.md §5.2).
const CHANNEL_LABEL: &[u8] = b"EXPORTER-undertone-login";

/// A client that has paid for its connection, and does with it what it likes.
pub struct Guest {
    endpoint: Endpoint,
    driver: Driver,
    handle: ConnectionHandle,
    channel: Option<[u8; 32]>,
    /// The streams of its login and of its session.
    login: Option<StreamId>,
    session: Option<StreamId>,
    /// Why the connection is over, once it is.
    pub closed: Option<CloseReason>,
}

impl Guest {
    /// Begins a connection from an address of this machine.
    pub fn new(from: Ipv4Addr, port: u16) -> Self {
        let clock = WallClock::new(unix_time_s());
        let mut sessions = ClientSessions::new(Trust::Pinned(fingerprint()), &clock).unwrap();
        let driver = Driver::bind((from, 0).into(), &BindOptions::client()).unwrap();
        let mut config = Config::default();
        config.message_bytes_max = MESSAGE_LEN_MAX;
        let mut endpoint = Endpoint::client(config, Box::new(OsRandom));
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let handle = endpoint
            .connect(driver.now(), server, &mut sessions)
            .unwrap();
        Self {
            endpoint,
            driver,
            handle,
            channel: None,
            login: None,
            session: None,
            closed: None,
        }
    }

    /// Pays, says hello, and is not heard of again. Whether it came so far.
    pub fn hello_and_gone(mut self) -> bool {
        self.turn_until(Self::pay)
    }

    /// Waits for the end of the handshake. Whether it came.
    pub fn connect(&mut self) -> bool {
        self.turn_until(|guest| {
            guest.pay();
            guest.channel.is_some()
        })
    }

    /// Connects, and begins a login as anybody may: the stream stays, and nothing on it is wrong.
    pub fn begin_login(&mut self, name: &str) {
        assert!(self.connect(), "{:?}", self.closed);
        let (_, start) = Self::start(name);
        self.ask(start);
    }

    /// Connects and logs in, as somebody whose password is the name and whose signing key is the
    /// fixtures' number `key`; then opens the session and asks for what is in the mailbox.
    pub fn log_in(&mut self, name: &str, key: usize, device: DeviceId) {
        assert!(self.connect(), "{:?}", self.closed);
        let channel = self.channel.unwrap();
        let username = Username::parse(name).unwrap();
        let (login, start) = Self::start(name);
        let ke1 = start.ke1;
        let mut answer = self.ask(start);
        if let Answer::LoginWork(work) = &answer {
            let solution = solve_login_work(work, &channel, &username, &ke1).unwrap();
            answer = self.ask(solution);
        }
        let Answer::LoginResponse(response) = answer else {
            panic!("no LoginResponse: {answer:?}");
        };
        let opened = login.finish(&response, &channel, &mut OsRandom).unwrap();
        let Answer::Credentials(credentials) = self.ask(opened.finish) else {
            panic!("no Credentials");
        };
        let context = ProofContext {
            channel: &channel,
            nonce: &credentials.nonce,
            username: &username,
            server: &fingerprint(),
        };
        let device_key = DeviceKey::generate(&mut OsRandom);
        let proof = make_proof(&signing_key(key), context, device, &device_key);
        assert!(matches!(self.ask(proof), Answer::ManifestHead(_)));
        let session = self.connection().open(SESSION_PORT, Mode::Messages);
        self.session = Some(session.unwrap());
        self.tell(ReadMore { after: 0 });
    }

    fn start(name: &str) -> (ClientLogin, chat::message::LoginStart) {
        let username = Username::parse(name).unwrap();
        let password = Password::parse(name).unwrap();
        ClientLogin::start(username, password, &mut OsRandom).unwrap()
    }

    /// Opens streams and resets them, as often as the server lets it, so many times or until the
    /// connection is over. Of every other stream the server hears first. How often it was: all but the
    /// last few are over on both sides, or the server would not have let more be opened.
    pub fn open_and_reset(&mut self, times: usize) -> usize {
        let ports = [LOGIN_PORT, SESSION_PORT];
        let mut resets = 0;
        self.turn_until(|guest| {
            let connected = guest.endpoint.connection(guest.handle).is_some();
            while connected && resets < times {
                let port = ports[resets / 2 % 2];
                let Ok(stream) = guest.connection().open(port, Mode::Messages) else {
                    break;
                };
                let _ = guest.connection().send(stream, &[7; 100]);
                if resets % 2 == 0 {
                    guest.driver.flush(&mut guest.endpoint);
                }
                resets += usize::from(guest.connection().reset(stream, 0).is_ok());
            }
            resets >= times
        });
        resets
    }

    /// Asks who is there and waits for the answer: whether the session is still served. What comes
    /// before the answer is thrown away.
    pub fn is_served(&mut self) -> bool {
        self.tell(ListOnline { request: 7 });
        let mut served = false;
        self.turn_until(|guest| {
            while let Some(said) = guest.receive_session() {
                served |= matches!(said, Said::Online(_));
            }
            served
        }) && served
    }

    /// Acknowledges packets and does what else a transport does, and takes no message. Whether the
    /// connection is still there.
    pub fn idle(&mut self) -> bool {
        self.turn(Duration::from_millis(1));
        self.closed.is_none()
    }

    /// Takes what there is of messages and tells the server that it has them, until there were so many.
    /// Gives their ids in order.
    pub fn take_messages(&mut self, count: usize) -> Vec<chat::message::MessageId> {
        let mut ids = Vec::new();
        self.turn_until(|guest| {
            let mut last = None;
            while let Some(said) = guest.receive_session() {
                if let Said::Deliver(deliver) = said {
                    ids.push(deliver.message_id);
                    last = Some(deliver.position);
                }
            }
            if let Some(position) = last {
                let notify = List::new(Vec::new()).unwrap();
                guest.tell(Acknowledge { position, notify });
            }
            ids.len() >= count
        });
        ids
    }

    fn connection(&mut self) -> &mut Connection {
        self.endpoint.connection(self.handle).unwrap()
    }

    fn receive_session(&mut self) -> Option<Said> {
        let stream = self.session?;
        let message = self.endpoint.connection(self.handle)?.receive(stream);
        let message = message.ok().flatten()?;
        Some(Said::decode(&message).unwrap())
    }

    fn tell(&mut self, message: impl Into<SessionClientMessage>) {
        let (stream, bytes) = (self.session.unwrap(), message.into().encode());
        if let Some(connection) = self.endpoint.connection(self.handle) {
            let _ = connection.send(stream, &bytes);
        }
    }

    /// Says something on the login's stream and waits for the answer.
    fn ask(&mut self, message: impl Into<LoginClientMessage>) -> Answer {
        let bytes = message.into().encode();
        let stream = match self.login {
            Some(stream) => stream,
            None => self.connection().open(LOGIN_PORT, Mode::Messages).unwrap(),
        };
        self.login = Some(stream);
        self.connection().send(stream, &bytes).unwrap();
        let mut answer = None;
        self.turn_until(|guest| {
            let connection = guest.endpoint.connection(guest.handle);
            answer = connection.and_then(|connection| connection.receive(stream).ok().flatten());
            answer.is_some()
        });
        let answer = answer.unwrap_or_else(|| panic!("no answer: {:?}", self.closed));
        Answer::decode(&answer).unwrap()
    }

    /// Solves the challenge, if there is one, and sends the token.
    fn pay(&mut self) -> bool {
        let Some((handle, Request::Solve { challenge, hello })) = self.endpoint.poll_request()
        else {
            return false;
        };
        let solved = Completion::Solved(solve(&challenge, &hello).unwrap());
        let now = self.driver.now();
        self.endpoint.handle_completion(now, handle, solved);
        self.driver.flush(&mut self.endpoint);
        true
    }

    fn turn(&mut self, wait: Duration) {
        self.driver.turn(&mut self.endpoint, Some(wait)).unwrap();
        while let Some((_, event)) = self.endpoint.poll_event() {
            match event {
                Event::Connected => {
                    let mut channel = [0; 32];
                    let connection = self.connection();
                    connection.export(CHANNEL_LABEL, b"", &mut channel).unwrap();
                    self.channel = Some(channel);
                }
                Event::Closed(reason) => self.closed = Some(reason),
                _ => {}
            }
        }
    }

    /// Turns until `done`, or until the connection is over or nothing comes of it.
    fn turn_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let begin = Instant::now();
        while !done(self) {
            if self.closed.is_some() || begin.elapsed() > PATIENCE {
                return false;
            }
            self.turn(Duration::from_millis(20));
        }
        true
    }
}
