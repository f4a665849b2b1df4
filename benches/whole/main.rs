//! The whole program, measured from outside: the release binary as child processes on loopback, between a Stripe and an
//! Adapty that cost next to nothing. Load, program and database share the machine, and what each takes is reported.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it says what it finds, or why it cannot go on")]

mod bare;
mod figures;
mod load;
mod measures;
mod site;
mod upstreams;
mod vendors;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use cluster::server::Server;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};

use crate::figures::Row;
use crate::site::{Kind, Site};
use crate::vendors::Vendors;

/// Measures the whole program. Every list is measured one after the other.
#[derive(Parser)]
#[command(name = "whole", bin_name = "cargo bench -p daemon --bench whole --", max_term_width = 120)]
pub(crate) struct Options {
    what: What,
    /// Where the daemon keeps its memory.
    #[arg(long, value_enum, default_value_t = Kind::Sqlite)]
    database: Kind,
    /// Start a PostgreSQL on the disk with its default settings, whatever `DATABASE_URL` says. Without both, one is
    /// started that waits for no disk.
    #[arg(long)]
    durable: bool,
    /// How long is measured, and in `grant` how long events are sent.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// `ingest` and `ratio`: connections, each of which waits for one answer at a time.
    #[arg(long, value_delimiter = ',', default_value = "16,64,256")]
    connections: Vec<usize>,
    /// `ratio`: how often both are measured, in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// `drain`: workers on the database.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    processes: Vec<usize>,
    /// `drain`, `backfill`: how many new purchases there are.
    #[arg(long, default_value_t = 20_000)]
    accounts: usize,
    /// `drain`, `grant`: Adapty knows everybody already, as it does when they have opened the app.
    #[arg(long)]
    known: bool,
    /// `drain`, `grant`, `backfill`: how long the vendors take to answer.
    #[arg(long, default_value_t = 1)]
    upstream_ms: u64,
    /// `grant`: events a second.
    #[arg(long, value_delimiter = ',', default_value = "300")]
    rate: Vec<u32>,
    /// `overload`: the setting `server.max_waiting`.
    #[arg(long, value_delimiter = ',', default_value = "4096,512")]
    max_waiting: Vec<usize>,
    /// `bare`: where it listens.
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// How often a second the disk takes 4 KiB; printed before every other measure too.
    Fsync,
    /// Events a second that are taken in.
    Ingest,
    /// The same beside a server that only checks the signature, in turn, since what a machine does varies: medians, and
    /// of the ratio the least and the most too.
    Ratio,
    /// Is that server, until it is killed.
    Bare,
    /// Accounts a second that workers settle.
    Drain,
    /// From a webhook to its grant, at a fixed rate.
    Grant,
    /// Four times the events that can be taken in.
    Overload,
    /// A backfill of everybody: how fast, and in how much memory.
    Backfill,
    /// From the start of the program until it is ready.
    Start,
}

pub(crate) struct Bench {
    options: Options,
    span: Duration,
    server: Option<Server>,
    vendors: Vendors,
}

fn main() {
    // cargo adds a switch of its own
    let options = Options::parse_from(std::env::args_os().filter(|argument| argument != "--bench"));
    if options.what == What::Bare {
        return Runtime::new().unwrap().block_on(bare::serve(options.listen));
    }
    // the load has the first thread for itself
    Builder::new_current_thread().enable_all().build().unwrap().block_on(measure(options));
}

async fn measure(options: Options) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let span = Duration::from_secs(options.seconds);
    let machine = figures::machine(if options.what == What::Fsync { span } else { Duration::from_millis(500) });
    let mut head = vec![("machine", machine)];
    let server = if options.durable { Some(Server::durable().await.unwrap()) } else { None };
    let vendors = Vendors::rehearse(options.known, options.accounts as u64).await;
    let bench = Bench { options, span, server, vendors };
    let options = &bench.options;
    let rows = match options.what {
        What::Fsync | What::Bare => Vec::new(),
        What::Ingest => each(&options.connections, async |count| measures::ingest(&bench, count).await).await,
        What::Ratio => each(&options.connections, async |count| measures::ratio(&bench, count).await).await,
        What::Drain => each(&options.processes, async |count| measures::drain(&bench, count).await).await,
        What::Grant => each(&options.rate, async |rate| measures::grant(&bench, rate).await).await,
        What::Overload => each(&options.max_waiting, async |most| measures::overload(&bench, most).await).await,
        What::Backfill => vec![measures::backfill(&bench).await],
        What::Start => measures::start(&bench).await,
    };
    if options.what != What::Fsync {
        head.push(("database", Site::prepare(&bench).await.in_words(options.durable).await));
    }
    figures::print(&head, &rows, options.json);
}

async fn each<T: Copy>(values: &[T], measure: impl AsyncFn(T) -> Row) -> Vec<Row> {
    let mut rows = Vec::new();
    for value in values {
        rows.push(measure(*value).await);
    }
    rows
}
