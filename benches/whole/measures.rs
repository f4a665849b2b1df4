//! What is measured. Each function is one configuration, and one row of the table.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Bench;
use crate::figures::{Meter, Row, columns, median, memory, ms, value};
use crate::load::{Load, WARM};
use crate::site::{Daemon, PROGRAM, Site};
use crate::upstreams::Upstreams;

/// How fast events are taken in by `connections`, each of which waits for its answer.
pub(crate) async fn ingest(bench: &Bench, connections: usize) -> Row {
    let site = Site::prepare(bench).await;
    let (daemon, meter) = started(&site, &["--only", "ingest"], None, "");
    sleep(WARM).await;
    let [idle, _] = memory(daemon.pid()).unwrap();
    let load = Load::on(daemon.front, &bench.vendors);
    let (mut took, spent) = load.run(connections, None, bench.span, &meter).await;
    let ([_, peak], count) = (memory(daemon.pid()).unwrap(), took.len() as f64);
    let mut row = vec![("connections", connections as f64), ("events_per_s", count / spent[0])];
    row.extend([("p50_ms", ms(&mut took, 0.5)), ("p99_ms", ms(&mut took, 0.99))]);
    row.extend(columns(spent, count));
    row.extend([("idle_mb", idle), ("peak_mb", peak), ("in_inbox", load.kept(&site).await)]);
    row
}

/// How fast events are taken in, beside a server that only checks their signature.
pub(crate) async fn ratio(bench: &Bench, connections: usize) -> Row {
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..bench.options.rounds {
        bare.push(checked(bench, connections).await);
        ours.push(ingest(bench, connections).await);
    }
    let all = |rows: &[Row], name| -> Vec<f64> { rows.iter().map(|row| value(row, name)).collect() };
    let [bare_rates, rates] = [&bare, &ours].map(|rows| all(rows, "events_per_s"));
    let ratios: Vec<f64> = rates.iter().zip(&bare_rates).map(|(ours, bare)| ours / bare).collect();
    let [least, most] = [f64::min, f64::max].map(|pick| ratios.iter().copied().fold(ratios[0], pick));
    vec![
        ("connections", connections as f64),
        ("bare_per_s", median(bare_rates)),
        ("events_per_s", median(rates)),
        ("ratio", median(ratios)),
        ("ratio_least", least),
        ("ratio_most", most),
        ("p50_ms", median(all(&ours, "p50_ms"))),
        ("p99_ms", median(all(&ours, "p99_ms"))),
        ("bare_us", median(all(&bare, "daemon_us"))),
        ("daemon_us", median(all(&ours, "daemon_us"))),
        ("postgres_us", median(all(&ours, "postgres_us"))),
        ("other_cores", median(all(&ours, "other_cores"))),
    ]
}

/// How fast events are checked, and not kept.
async fn checked(bench: &Bench, connections: usize) -> Row {
    let site = Site::prepare(bench).await;
    let mut daemon = site.bare();
    daemon.ready();
    let meter = Meter { daemons: vec![daemon.pid()], postmaster: None };
    let (took, spent) = Load::on(daemon.front, &bench.vendors).run(connections, None, bench.span, &meter).await;
    let count = took.len() as f64;
    [vec![("events_per_s", count / spent[0])], columns(spent, count)].concat()
}

/// How fast so many workers settle accounts that are due when they start.
pub(crate) async fn drain(bench: &Bench, processes: usize) -> Row {
    let (site, accounts) = (Site::prepare(bench).await, bench.options.accounts);
    let (daemon, mut meter) = started(&site, &["--only", "ingest"], None, "");
    Load::on(daemon.front, &bench.vendors).send(64, None, accounts as u64).await;
    drop(daemon);
    let upstreams = Upstreams::open(bench);
    meter.daemons.clear();
    let before = meter.read();
    let worker = || site.serve(&["--only", "work", "--concurrency", "64"], Some(&upstreams), "");
    let mut workers: Vec<Daemon> = std::iter::repeat_with(worker).take(processes).collect();
    meter.daemons = workers.iter().map(Daemon::pid).collect();
    until(&upstreams, accounts, &mut workers).await;
    while !site.texts("SELECT account FROM worklist WHERE settled_at IS NULL LIMIT 1").await.is_empty() {
        sleep(Duration::from_millis(2)).await;
    }
    let (spent, count) = (meter.since(&before), accounts as f64);
    let requests = upstreams.seen.requests.load(Ordering::Relaxed) as f64 / count;
    let peak = workers.iter().map(|worker| memory(worker.pid()).unwrap()[1]).sum();
    let mut row = vec![("processes", processes as f64), ("accounts_per_s", count / spent[0])];
    row.extend([("seconds", spent[0]), ("requests_each", requests)]);
    row.extend(columns(spent, count).into_iter().chain([("peak_mb", peak)]));
    row
}

/// What it takes to sync everybody whom Stripe bills, and whether the memory for it grows.
pub(crate) async fn backfill(bench: &Bench) -> Row {
    let (site, upstreams, accounts) = (Site::prepare(bench).await, Upstreams::open(bench), bench.options.accounts);
    let (daemon, meter) = started(&site, &["--concurrency", "64"], Some(&upstreams), "");
    let (before, pid, mut daemons) = (meter.read(), daemon.pid(), [daemon]);
    let command = site.run(&daemons[0], &["resync", "--all"]);
    let enqueued = meter.since(&before)[0];
    let now = || memory(pid).unwrap()[0];
    until(&upstreams, accounts / 10, &mut daemons).await;
    let early = now();
    until(&upstreams, accounts, &mut daemons).await;
    let (spent, count) = (meter.since(&before), accounts as f64);
    let mut row = vec![("accounts", count), ("enqueued_per_s", count / enqueued), ("accounts_per_s", count / spent[0])];
    row.extend(columns(spent, count));
    row.extend([("command_mb", command), ("after_tenth_mb", early), ("at_end_mb", now())]);
    row.extend([("peak_mb", memory(pid).unwrap()[1])]);
    row
}

/// How long after a webhook was sent its grant arrives at Adapty, at a rate below the capacity.
pub(crate) async fn grant(bench: &Bench, rate: u32) -> Row {
    let (site, upstreams) = (Site::prepare(bench).await, Upstreams::open(bench));
    let (daemon, meter) = started(&site, &[], Some(&upstreams), "");
    let (load, count) = (Load::on(daemon.front, &bench.vendors), u64::from(rate) * bench.options.seconds);
    load.send(64, Some(rate.into()), rate.into()).await;
    let (warm, before) = (Instant::now(), meter.read());
    load.send(64, Some(rate.into()), count).await;
    let (spent, taken) = (meter.since(&before), load.taken.lock().unwrap().clone());
    until(&upstreams, taken.len(), &mut [daemon]).await;
    let arrived: HashMap<_, _> = upstreams.seen.grants.lock().unwrap().iter().rev().copied().collect();
    assert_eq!(arrived.len(), taken.len(), "each account is granted");
    let counted = || taken.iter().filter(|(_, sent, _)| *sent >= warm);
    let mut taking: Vec<_> = counted().map(|(.., took)| *took).collect();
    let mut granting: Vec<_> = counted().map(|(number, sent, _)| arrived[number] - *sent).collect();
    let mut row = vec![("events_per_s", rate.into()), ("events", count as f64)];
    row.extend([("answer_p50_ms", ms(&mut taking, 0.5)), ("answer_p99_ms", ms(&mut taking, 0.99))]);
    row.extend([("grant_p50_ms", ms(&mut granting, 0.5)), ("grant_p99_ms", ms(&mut granting, 0.99))]);
    row.extend([("grant_max_ms", ms(&mut granting, 1.0)), ("sent_twice", (upstreams.granted() - taken.len()) as f64)]);
    row.extend(columns(spent, count as f64));
    row
}

/// What is left of the peak when four times as much is offered, on more connections than may wait.
pub(crate) async fn overload(bench: &Bench, max_waiting: usize) -> Row {
    let site = Site::prepare(bench).await;
    let (daemon, meter) = started(&site, &["--only", "ingest"], None, &format!("max_waiting = {max_waiting}"));
    let load = Load::on(daemon.front, &bench.vendors);
    let (took, spent) = load.run(256, None, bench.span / 2, &meter).await;
    let (peak, before) = (took.len() as f64 / spent[0], load.taken.lock().unwrap().len() as f64);
    let (mut took, spent) = load.run(max_waiting + 1024, Some(peak * 4.0), bench.span, &meter).await;
    let (kept, others) = (load.kept(&site).await, load.others.lock().unwrap());
    let (refused, unlike) = (others.get(&503).map_or(0.0, |count| *count as f64), others.values().sum::<u64>() as f64);
    let (count, sent) = (took.len() as f64, kept - before + unlike);
    let (rate, per_second) = (count / spent[0], sent / (WARM + bench.span).as_secs_f64());
    let mut row = vec![("max_waiting", max_waiting as f64), ("peak_per_s", peak), ("offered_per_s", peak * 4.0)];
    row.extend([("sent_per_s", per_second), ("taken_per_s", rate), ("of_peak_%", rate / peak * 100.0)]);
    row.extend([("refused_%", refused / sent * 100.0), ("broken", unlike - refused)]);
    row.extend([("p50_ms", ms(&mut took, 0.5)), ("p99_ms", ms(&mut took, 0.99))]);
    row.extend(columns(spent, count));
    row.extend([("peak_mb", memory(daemon.pid()).unwrap()[1]), ("in_inbox", kept)]);
    row
}

/// How long the program takes from its start until it is ready, with a new database and with the one it made.
pub(crate) async fn start(bench: &Bench) -> Vec<Row> {
    let (mut new, mut again, mut idle) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..20 {
        let site = Site::prepare(bench).await;
        for times in [&mut new, &mut again] {
            let mut daemon = site.serve(&[], None, "");
            times.push(daemon.ready());
            sleep(WARM / 4).await;
            [idle, _] = memory(daemon.pid()).unwrap();
        }
    }
    let binary = std::fs::metadata(PROGRAM).unwrap().len() as f64 / 1e6;
    let row =
        vec![("new_ms", ms(&mut new, 0.5)), ("again_ms", ms(&mut again, 0.5)), ("again_max_ms", ms(&mut again, 1.0))];
    vec![[row, vec![("idle_mb", idle), ("binary_mb", binary)]].concat()]
}

fn started(site: &Site, arguments: &[&str], vendors: Option<&Upstreams>, server: &str) -> (Daemon, Meter) {
    let mut daemon = site.serve(arguments, vendors, server);
    daemon.ready();
    let daemons = vec![daemon.pid()];
    (daemon, Meter { daemons, postmaster: site.postmaster })
}

/// Waits until so many grants have arrived.
async fn until(upstreams: &Upstreams, grants: usize, daemons: &mut [Daemon]) {
    let (mut last, mut moved) = (0, Instant::now());
    while upstreams.granted() < grants {
        daemons.iter_mut().for_each(Daemon::check);
        if upstreams.granted() > last {
            (last, moved) = (upstreams.granted(), Instant::now());
        }
        assert!(moved.elapsed() < WARM * 60, "{} of {grants} grants arrived", upstreams.granted());
        sleep(Duration::from_millis(2)).await;
    }
}
