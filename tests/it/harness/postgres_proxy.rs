//! A proxy before PostgreSQL that understands just enough of its protocol to break it at a chosen message.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::daemon::{PATIENCE, free_address};

/// How often a port that is just being freed is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// Between a program and its PostgreSQL. Dropping it cuts what goes through.
pub(crate) struct Proxy {
    address: String,
    url: String,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// A message to wait for, and what happens then. It happens once.
#[derive(Clone, Copy)]
pub(crate) struct Trap {
    pub(crate) on: On,
    /// Which such message, counted from 1.
    pub(crate) nth: u32,
    pub(crate) then: Then,
}

/// A message of the program.
#[derive(Clone, Copy)]
pub(crate) enum On {
    Commit,
    /// A commit that waits for the disk.
    DurableCommit,
    RollBack,
    /// One that holds this text.
    Says(&'static str),
    /// One that holds this text, of a connection that never began a transaction.
    Read(&'static str),
}

#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// The connection breaks before the message arrives.
    Cut,
    /// The connection breaks when the server has done what the message says, before its answer arrives.
    CutAnswered,
    /// Nothing comes through any more: what is sent is lost, connections are accepted and get no answer, and no side is
    /// notified. The server keeps what was begun.
    Freeze,
    /// The connection alone falls silent for good.
    Lose,
}

/// What holds for connections by their number, counted from 1.
#[derive(Clone, Copy, Default)]
struct Weather {
    frozen: bool,
    /// Up to here they are cut.
    cut: u64,
    /// From here on the client gets nothing any more, and is not notified.
    lost: u64,
}

struct Shared {
    server: String,
    connections: AtomicU64,
    weather: watch::Sender<Weather>,
    trap: Mutex<Option<Trap>>,
    sprung: watch::Sender<u32>,
    is_deaf: AtomicBool,
    silenced: AtomicU32,
    /// The clients' ends of lost connections.
    lost: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy before the server of `url`.
    pub(crate) async fn before(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let address = free_address();
        let (host, port) = address.rsplit_once(':').unwrap();
        let here = options.clone().host(host).port(port.parse().unwrap()).ssl_mode(PgSslMode::Disable);
        let shared = Arc::new(Shared {
            server: format!("{}:{}", options.get_host(), options.get_port()),
            connections: AtomicU64::new(0),
            weather: watch::Sender::default(),
            trap: Mutex::default(),
            sprung: watch::Sender::default(),
            is_deaf: AtomicBool::new(false),
            silenced: AtomicU32::new(0),
            lost: Mutex::default(),
        });
        let listening = listen(&address, &shared).await;
        Self { address, url: here.to_url_lossy().into(), shared, listening }
    }

    /// The address of the database through this proxy.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Cuts all connections and refuses new ones, as a server that is down.
    pub(crate) async fn refuse(&mut self) {
        self.listening.abort();
        // only then is the port closed
        drop((&mut self.listening).await);
        self.cut();
    }

    /// Lets connections in again.
    pub(crate) async fn open(&mut self) {
        self.listening = listen(&self.address, &self.shared).await;
    }

    /// Cuts all connections; new ones come through.
    pub(crate) fn cut(&self) {
        let all = self.shared.connections.load(Ordering::Relaxed);
        self.shared.weather.send_modify(|weather| weather.cut = all);
    }

    /// Everything goes on where it was, as after a cable was put back.
    pub(crate) fn thaw(&self) {
        self.shared.weather.send_modify(|weather| weather.frozen = false);
    }

    /// New connections come through; those of before never hear anything again, as after a failover to another machine.
    pub(crate) fn fail_over(&self) {
        let all = self.shared.connections.load(Ordering::Relaxed);
        self.shared.weather.send_modify(|weather| *weather = Weather { frozen: false, lost: all, ..*weather });
    }

    /// Whether notifications are dropped on the way, as poolers in transaction mode do.
    pub(crate) fn deafen(&self, is_deaf: bool) {
        self.shared.is_deaf.store(is_deaf, Ordering::Relaxed);
    }

    /// How many notifications were dropped.
    pub(crate) fn silenced(&self) -> u32 {
        self.shared.silenced.load(Ordering::Relaxed)
    }

    /// Sets the trap; one that was set before and has not sprung is gone.
    pub(crate) fn set(&self, trap: Trap) {
        *self.shared.trap.lock().unwrap() = Some(trap);
        self.shared.sprung.send_replace(0);
    }

    /// Waits until the trap springs.
    pub(crate) async fn until_sprung(&self) {
        let mut sprung = self.shared.sprung.subscribe();
        let waited = tokio::time::timeout(PATIENCE, sprung.wait_for(|times| *times > 0)).await;
        assert!(waited.is_ok(), "the awaited message does not come");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn listen(address: &str, shared: &Arc<Shared>) -> JoinHandle<()> {
    let bound = async {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    };
    let listener = tokio::time::timeout(PATIENCE, bound).await.expect("the port is free");
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
            tokio::spawn(Connection::new(number, &shared).run(client));
        }
    })
}

impl Shared {
    fn freeze(&self) {
        self.weather.send_modify(|weather| weather.frozen = true);
    }

    /// What is to happen with this message, if the trap is for it.
    fn springs(&self, is_it: impl FnOnce(On) -> bool) -> Option<Then> {
        let mut trap = self.trap.lock().unwrap();
        let set = trap.as_mut().filter(|trap| is_it(trap.on))?;
        set.nth = set.nth.saturating_sub(1);
        if set.nth > 0 {
            return None;
        }
        let then = set.then;
        *trap = None;
        drop(trap);
        self.sprung.send_modify(|times| *times += 1);
        Some(then)
    }
}

/// What this connection is used for, as far as its messages show.
#[derive(Clone, Copy, Default)]
struct Use {
    begins: bool,
    durable: bool,
}

struct Connection {
    number: u64,
    shared: Arc<Shared>,
    /// The server's next answer is its last.
    ends: AtomicBool,
}

impl Connection {
    fn new(number: u64, shared: &Arc<Shared>) -> Self {
        Self { number, shared: Arc::clone(shared), ends: AtomicBool::new(false) }
    }

    async fn run(self, mut client: TcpStream) {
        let number = self.number;
        let mut weather = self.shared.weather.subscribe();
        let ended = {
            let mut carried = pin!(self.carry(&mut client));
            tokio::select! {
                _ = &mut carried => None,
                changed = weather.wait_for(|weather| number <= weather.cut.max(weather.lost)) => Some(*changed.unwrap()),
            }
        };
        if ended.is_some_and(|weather| number <= weather.lost) {
            self.shared.lost.lock().unwrap().push(client);
        }
    }

    async fn carry(&self, client: &mut TcpStream) -> io::Result<()> {
        self.thawed().await;
        let mut server = TcpStream::connect(&self.shared.server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        tokio::select! {
            ended = self.ask(from_client, to_server) => ended,
            ended = self.answer(from_server, to_client) => ended,
        }
    }

    /// Waits as long as nothing comes through.
    async fn thawed(&self) {
        let mut weather = self.shared.weather.subscribe();
        // the sender lives as long as this does
        drop(weather.wait_for(|weather| !weather.frozen).await);
    }

    async fn ask(&self, mut client: ReadHalf<'_>, mut server: WriteHalf<'_>) -> io::Result<()> {
        let mut used = Use::default();
        let mut message = greeting(&mut client).await?;
        loop {
            self.thawed().await;
            match self.shared.springs(|on| used.is(on, &message)) {
                Some(Then::Cut) => return Ok(()),
                Some(Then::CutAnswered) => self.ends.store(true, Ordering::Relaxed),
                Some(Then::Freeze) => self.shared.freeze(),
                Some(Then::Lose) => std::future::pending().await,
                None => {}
            }
            used.learn(&message);
            self.thawed().await;
            server.write_all(&message).await?;
            let next = read(&mut client).await;
            // not even the end of a connection gets through meanwhile
            self.thawed().await;
            message = next?;
        }
    }

    async fn answer(&self, mut server: ReadHalf<'_>, mut client: WriteHalf<'_>) -> io::Result<()> {
        loop {
            let message = read(&mut server).await;
            self.thawed().await;
            let message = message?;
            if self.ends.load(Ordering::Relaxed) {
                return Ok(());
            }
            if message[0] == b'A' && self.shared.is_deaf.load(Ordering::Relaxed) {
                self.shared.silenced.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            client.write_all(&message).await?;
        }
    }
}

impl Use {
    fn learn(&mut self, message: &[u8]) {
        if message.starts_with(b"Q") && message[5..].starts_with(b"BEGIN") {
            *self = Self { begins: true, durable: !holds(message, "synchronous_commit = off") };
        }
    }

    fn is(self, on: On, message: &[u8]) -> bool {
        let says = |text: &str| message[0] == b'Q' && message[5..].starts_with(text.as_bytes());
        match on {
            On::Commit => says("COMMIT"),
            On::DurableCommit => self.durable && says("COMMIT"),
            On::RollBack => says("ROLLBACK"),
            On::Says(text) => holds(message, text),
            On::Read(text) => !self.begins && holds(message, text),
        }
    }
}

fn holds(message: &[u8], text: &str) -> bool {
    message.windows(text.len()).any(|part| part == text.as_bytes())
}

/// The first message of a client, which has no kind.
async fn greeting(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    body(Vec::new(), from).await
}

/// A message: its kind, its length, its body.
async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let kind = from.read_u8().await?;
    body(vec![kind], from).await
}

/// Reads what follows: the length, which counts itself, and the body.
async fn body(mut message: Vec<u8>, from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    message.extend(length.to_be_bytes());
    let begin = message.len();
    message.resize(begin + usize::try_from(length).unwrap().saturating_sub(4), 0);
    from.read_exact(&mut message[begin..]).await?;
    Ok(message)
}
