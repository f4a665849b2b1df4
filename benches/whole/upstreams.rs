//! The played vendors as a server that costs next to nothing: one thread, one epoll, answers that are copied. They come
//! after exactly as long as is wanted; tokio's timers are no finer than a millisecond.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::Bench;
use crate::vendors::{Vendors, is_whole};

/// Both vendors on one port, until the benchmark ends.
pub(crate) struct Upstreams {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    thread: JoinHandle<()>,
}

/// What the vendors were asked.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) requests: AtomicU64,
    /// Whose grants arrived, and when.
    pub(crate) grants: Mutex<Vec<(u64, Instant)>>,
}

impl Upstreams {
    pub(crate) fn open(bench: &Bench) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (door.local_addr().unwrap(), Arc::new(Seen::default()));
        let (delay, vendors) = (Duration::from_millis(bench.options.upstream_ms), bench.vendors.clone());
        let server = Server { delay, vendors, seen: Arc::clone(&seen), lines: HashMap::new() };
        Self { address, seen, thread: thread::spawn(move || server.run(&door)) }
    }

    pub(crate) fn granted(&self) -> usize {
        assert!(!self.thread.is_finished(), "the played vendors have given up");
        self.seen.grants.lock().unwrap().len()
    }
}

struct Server {
    /// Between the arrival of a request and its answer.
    delay: Duration,
    vendors: Vendors,
    seen: Arc<Seen>,
    /// Connections, what came on them, and what is to be said.
    lines: HashMap<u64, (TcpStream, Vec<u8>, Vec<u8>)>,
}

impl Server {
    fn run(mut self, door: &TcpListener) {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let (readable, named) = (epoll::EventFlags::IN, epoll::EventData::new_u64);
        // 0 is the door, the others are lines
        epoll::add(&epoll, door, named(0), readable).unwrap();
        let (mut events, mut due, mut last) = (Vec::with_capacity(256), VecDeque::<(Instant, u64)>::new(), 0);
        loop {
            let wait = due.front().map(|(at, _)| at.saturating_duration_since(Instant::now()));
            let wait = wait.map(|wait| Timespec::try_from(wait).unwrap());
            epoll::wait(&epoll, spare_capacity(&mut events), wait.as_ref()).unwrap();
            for event in events.drain(..) {
                if event.data.u64() != 0 {
                    due.extend(self.hear(event.data.u64()));
                } else if let Ok((stream, _)) = door.accept() {
                    stream.set_nodelay(true).unwrap();
                    last += 1;
                    epoll::add(&epoll, &stream, named(last), readable).unwrap();
                    self.lines.insert(last, (stream, Vec::new(), Vec::new()));
                }
            }
            let now = Instant::now();
            while let Some((_, name)) = due.pop_front_if(|(at, _)| *at <= now) {
                let Some((stream, _, output)) = self.lines.get_mut(&name) else { continue };
                // whoever has gone needs no answer
                let written = stream.write(output).unwrap_or(output.len());
                assert_eq!(written, output.len(), "an answer fits into the socket");
            }
        }
    }

    /// Reads what came on a line; once a request is whole, its answer is made, to be said when it is due.
    fn hear(&mut self, name: u64) -> Option<(Instant, u64)> {
        let ((stream, input, output), mut chunk) = (self.lines.get_mut(&name)?, [0; 16 * 1024]);
        let read = stream.read(&mut chunk).unwrap_or_default();
        if read == 0 {
            self.lines.remove(&name);
            return None;
        }
        input.extend_from_slice(&chunk[..read]);
        if !is_whole(input) {
            return None;
        }
        let now = Instant::now();
        let granted = self.vendors.answer(input, output);
        self.seen.requests.fetch_add(1, Ordering::Relaxed);
        self.seen.grants.lock().unwrap().extend(granted.map(|number| (number, now)));
        input.clear();
        Some((now + self.delay, name))
    }
}
