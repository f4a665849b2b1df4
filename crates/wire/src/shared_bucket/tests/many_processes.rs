//! Several processes and one token server: what they send together.

use tokio::task::JoinSet;

use super::*;
use crate::token_server::fake::FakeTokenServer;

/// How long a round trip to the database takes.
const TRIP: Duration = Duration::from_millis(4);
/// How long a request takes, and how many a process has under way.
const REQUEST: Duration = Duration::from_millis(80);
const AT_ONCE: usize = 24;

/// Processes that share one limit, and when each took a token.
struct World {
    server: FakeTokenServer,
    per_second: u32,
    tasks: JoinSet<()>,
    taken: mpsc::UnboundedReceiver<(usize, Instant)>,
    sender: mpsc::UnboundedSender<(usize, Instant)>,
}

impl World {
    fn new(per_second: u32, trip: Duration) -> Self {
        let (sender, taken) = mpsc::unbounded_channel();
        Self { server: FakeTokenServer::start(trip), per_second, tasks: JoinSet::new(), taken, sender }
    }

    fn process(&self) -> Arc<SharedBucket> {
        let limit = "adapty:1".to_owned();
        Arc::new(SharedBucket::new(self.server.channel.clone(), limit, NonZeroU32::new(self.per_second)))
    }

    /// Process `number` has `at_once` requests under way for ever, with `pause` between them.
    fn run(&mut self, number: usize, at_once: usize, pause: Duration) {
        let shared = self.process();
        for _ in 0..at_once {
            let (shared, sender) = (Arc::clone(&shared), self.sender.clone());
            self.tasks.spawn(async move {
                loop {
                    shared.take().await.unwrap();
                    let _ = sender.send((number, Instant::now()));
                    sleep(pause).await;
                }
            });
        }
    }

    /// What was taken within `span` from now.
    async fn within(mut self, span: Duration) -> Tally {
        let (start, mut taken) = (Instant::now(), Vec::new());
        sleep(span).await;
        self.tasks.shutdown().await;
        while let Ok((number, at)) = self.taken.try_recv() {
            taken.push((number, at - start));
        }
        let state = self.server.state();
        Tally { taken, requests: state.requests, waits: state.waits, granted: state.granted }
    }
}

struct Tally {
    taken: Vec<(usize, Duration)>,
    requests: usize,
    waits: usize,
    granted: usize,
}

impl Tally {
    /// How many process `number` took.
    fn of(&self, number: usize) -> usize {
        self.taken.iter().filter(|(by, _)| *by == number).count()
    }

    /// The most that were taken within any `span`.
    fn most_within(&self, span: Duration) -> usize {
        let ends = self.taken.iter().map(|(_, at)| *at);
        ends.map(|end| self.taken.iter().filter(|(_, at)| *at <= end && *at + span > end).count()).max().unwrap_or(0)
    }
}

/// `processes` busy ones for twenty seconds.
async fn saturated(processes: usize, per_second: u32, trip: Duration) -> Tally {
    let mut world = World::new(per_second, trip);
    for number in 0..processes {
        world.run(number, AT_ONCE, REQUEST);
    }
    world.within(Duration::from_secs(20)).await
}

#[tokio::test(start_paused = true)]
async fn processes_hold_the_rate_together() {
    for processes in [1, 2, 4, 6] {
        for per_second in [5, 20, 100] {
            let tally = saturated(processes, per_second, TRIP).await;
            let (count, even) = (tally.taken.len(), 20.0 * f64::from(per_second));
            let used = count as f64 / even;
            let shares: Vec<usize> = (0..processes).map(|number| tally.of(number)).collect();
            let second = tally.most_within(Duration::from_secs(1));
            let (requests, granted, percent) = (tally.requests, tally.granted, 100.0 * used);
            println!("{processes} at {per_second}/s: {count} tokens, {percent:.1} %, at most {second} in a second");
            println!("  {requests} requests, {granted} granted, shares {shares:?}");
            assert!((0.95..=1.05).contains(&used), "{processes} at {per_second}: {used}");
            let (least, most) = (*shares.iter().min().unwrap(), *shares.iter().max().unwrap());
            assert!(most - least <= count / 10, "{shares:?}");
            assert!(second <= (per_second + per_second.div_ceil(2)) as usize + processes, "{second} in a second");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_database_costs_no_tokens() {
    for trip in [20, 80] {
        let tally = saturated(2, 100, trip * MILLI).await;
        println!("round trips of {trip} ms: {} tokens, {} requests", tally.taken.len(), tally.requests);
        assert!((1900..=2100).contains(&tally.taken.len()), "{}", tally.taken.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_process_borrows_many_tokens_at_once() {
    for processes in [2, 6] {
        let tally = saturated(processes, 100, TRIP).await;
        assert!(
            tally.requests * 5 <= tally.taken.len(),
            "{} requests for {} tokens",
            tally.requests,
            tally.taken.len()
        );
        assert_eq!(tally.waits, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_beyond_the_horizon_waits_and_holds_the_rate() {
    let mut world = World::new(1, TRIP);
    for number in 0..40 {
        world.run(number, 2, REQUEST);
    }
    let tally = world.within(Duration::from_secs(120)).await;
    let shares: Vec<usize> = (0..40).map(|number| tally.of(number)).collect();
    println!(
        "40 processes at 1/s: {} tokens, {} requests, {} waits, {shares:?}",
        tally.taken.len(),
        tally.requests,
        tally.waits
    );
    assert!((118..=121).contains(&tally.taken.len()), "{}", tally.taken.len());
    assert!(tally.waits > 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_process_costs_the_busy_ones_nothing() {
    let count = |tally: &Tally| tally.of(0) + tally.of(1);
    let alone = count(&saturated(2, 20, TRIP).await);
    let mut world = World::new(20, TRIP);
    for number in 0..2 {
        world.run(number, AT_ONCE, REQUEST);
    }
    for idle in 2..6 {
        world.run(idle, 1, Duration::from_secs(3600));
    }
    let tally = world.within(Duration::from_secs(20)).await;
    println!("two busy processes: {alone} alone, {} beside four idle ones", count(&tally));
    assert!(count(&tally) + 4 >= alone, "{} of {alone}", count(&tally));
}

#[tokio::test(start_paused = true)]
async fn a_process_with_little_to_do_gets_its_tokens_beside_busy_ones() {
    let mut world = World::new(20, TRIP);
    for number in 0..3 {
        world.run(number, AT_ONCE, REQUEST);
    }
    world.run(3, 1, Duration::from_secs(1));
    let tally = world.within(Duration::from_secs(20)).await;
    println!("one request a second beside three busy processes: {} in 20 s", tally.of(3));
    assert!(tally.of(3) >= 14, "{}", tally.of(3));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_costs_its_token_at_most() {
    let mut world = World::new(100, TRIP);
    world.run(0, AT_ONCE, REQUEST);
    let (hasty, cancelled) = (world.process(), Arc::new(AtomicU32::new(0)));
    for _ in 0..8 {
        let (hasty, cancelled, sender) = (Arc::clone(&hasty), Arc::clone(&cancelled), world.sender.clone());
        world.tasks.spawn(async move {
            loop {
                match timeout(30 * MILLI, hasty.take()).await {
                    Ok(taken) => {
                        taken.unwrap();
                        let _ = sender.send((1, Instant::now()));
                    }
                    Err(_) => {
                        cancelled.fetch_add(1, Ordering::Relaxed);
                    }
                }
                sleep(70 * MILLI).await;
            }
        });
    }
    let tally = world.within(Duration::from_secs(20)).await;
    let (lost, cancelled) = (tally.granted - tally.taken.len(), cancelled.load(Ordering::Relaxed) as usize);
    println!("{} of {} tokens used, {cancelled} cancelled", tally.taken.len(), tally.granted);
    // what is still borrowed when the time is up: a batch each
    assert!(lost <= cancelled + 20, "{lost} lost, {cancelled} cancelled");
    assert!((1950..=2120).contains(&tally.granted), "{}", tally.granted);
}
