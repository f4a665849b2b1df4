//! Signed events on kept-alive connections, as Stripe sends them, from one thread.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simulator::webhook::sign;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::figures::{Meter, Spent};
use crate::site::{SECRET, Site};
use crate::vendors::{NUMBER, Template, Vendors, find, is_whole};

/// As wide as a signature: `t=`, 10 digits, `,v1=` and 64 digits.
const SIGNATURE: &str = "t=0000000000,v1=0000000000000000000000000000000000000000000000000000000000000000";

pub(crate) const WARM: Duration = Duration::from_secs(1);
type Run = (Vec<Duration>, Spent);

/// Where events are sent, and what became of them. Every event is of an account of its own.
pub(crate) struct Load {
    address: SocketAddr,
    request: Template,
    /// Where its signature and its body begin.
    parts: [usize; 2],
    next: AtomicU64,
    /// Events answered 200, when they were sent, and how long the answer took.
    pub(crate) taken: Mutex<Vec<(u64, Instant, Duration)>>,
    /// How often there was another answer; 0 stands for none.
    pub(crate) others: Mutex<BTreeMap<u16, u64>>,
}

impl Load {
    pub(crate) fn on(address: SocketAddr, Vendors { event, .. }: &Vendors) -> Arc<Self> {
        let head = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json; charset=utf-8\r\n\
             Stripe-Signature: {SIGNATURE}\r\nContent-Length: {}\r\n\r\n",
            event.len()
        );
        let parts = [head.find(SIGNATURE).unwrap(), head.len()];
        let (request, next) = (Template::new(head + event, &[NUMBER]), AtomicU64::new(0));
        Arc::new(Self { address, request, parts, next, taken: Mutex::default(), others: Mutex::default() })
    }

    /// Sends `count` events as fast as they are answered, or `rate` a second however fast that is.
    pub(crate) async fn send(self: &Arc<Self>, lines: usize, rate: Option<f64>, count: u64) {
        self.start(lines, rate, count).join_all().await;
        self.check();
    }

    /// Ends the benchmark if an event was not answered 200.
    fn check(&self) {
        let others = self.others.lock().unwrap();
        assert!(others.is_empty(), "not every event was answered 200; others, 0 for none: {others:?}");
    }

    /// Sends for a second and then for `span`, which alone is measured. Without a rate, all must be answered 200.
    pub(crate) async fn run(self: &Arc<Self>, lines: usize, rate: Option<f64>, span: Duration, meter: &Meter) -> Run {
        // what is under way at the end is given up
        let _tasks = self.start(lines, rate, u64::MAX);
        let taken = || self.taken.lock().unwrap().len();
        sleep(WARM).await;
        let (before, first) = (meter.read(), taken());
        sleep(span).await;
        let (spent, last) = (meter.since(&before), taken());
        if rate.is_none() {
            self.check();
        }
        (self.taken.lock().unwrap()[first..last].iter().map(|(.., took)| *took).collect(), spent)
    }

    fn start(self: &Arc<Self>, lines: usize, rate: Option<f64>, count: u64) -> JoinSet<()> {
        let (began, first) = (Instant::now(), self.next.load(Ordering::Relaxed));
        let last = first.saturating_add(count);
        let due = move |number| rate.map(|rate| began + Duration::from_secs_f64((number - first) as f64 / rate));
        let loads = std::iter::repeat_n(Arc::clone(self), lines);
        loads.map(|load| async move { load.connection(due, last).await }).collect()
    }

    /// Sends one event after the other, each at its time if it has one.
    async fn connection(&self, due: impl Fn(u64) -> Option<Instant>, last: u64) {
        let (mut line, mut request) = (None, Vec::new());
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= last {
                return;
            }
            if let Some(due) = due(number) {
                sleep_until(due.into()).await;
            }
            self.request.write(&[format!("{number:010}").as_bytes()], &mut request);
            let [signature, body] = self.parts;
            let signed = sign(SECRET, simulator::clock::now(), str::from_utf8(&request[body..]).unwrap());
            request[signature..signature + SIGNATURE.len()].copy_from_slice(signed.as_bytes());
            let sent = Instant::now();
            match ask(&mut line, self.address, &request).await.unwrap_or(0) {
                200 => self.taken.lock().unwrap().push((number, sent, sent.elapsed())),
                status => *self.others.lock().unwrap().entry(status).or_default() += 1,
            }
        }
    }

    /// Ends the benchmark if an event that was answered 200 is not in the inbox. Answers how many there were.
    pub(crate) async fn kept(&self, site: &Site) -> f64 {
        let ids = site.texts("SELECT id FROM inbox").await;
        let kept: HashSet<u64> = ids.iter().filter_map(|id| id[id.len() - NUMBER.len()..].parse().ok()).collect();
        let taken = self.taken.lock().unwrap();
        let lost = taken.iter().filter(|(number, ..)| !kept.contains(number)).count();
        assert_eq!(lost, 0, "so many of {} events that were answered 200 are not in the inbox", taken.len());
        taken.len() as f64
    }
}

/// The status of the answer; a connection is made where there is none.
async fn ask(line: &mut Option<(TcpStream, Vec<u8>)>, address: SocketAddr, request: &[u8]) -> io::Result<u16> {
    let (mut stream, mut input) = match line.take() {
        Some(line) => line,
        None => (TcpStream::connect(address).await?, Vec::new()),
    };
    stream.write_all(request).await?;
    input.clear();
    while !is_whole(&input) {
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = str::from_utf8(&input[9..12]).ok().and_then(|status| status.parse().ok()).unwrap_or(0);
    *line = find("\r\nconnection: close", &input).is_none().then_some((stream, input));
    Ok(status)
}
