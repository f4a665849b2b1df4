//! A small world: lost triggers, stale profiles, lost answers, crashes.

use chrono::Duration;

use super::asked;
use super::make::{case, day, settle, show, write_down};
use super::world::{Dice, Life};
use crate::case::Case;
use crate::decide::decide;
use crate::model::billing::{About, Gap};
use crate::model::clock::Timestamp;
use crate::model::failure::{Class, Failure};
use crate::model::ledger::State;
use crate::model::plan::PlannedStep;
use crate::model::profile::Profile;
use crate::model::rules::Protocol;
use crate::model::step::Step;
use crate::retry::{self, Next};

/// One customer, with the daemon that syncs after them.
struct World {
    seed: u64,
    dice: Dice,
    now: Timestamp,
    life: Life,
    /// What the destination showed since when, oldest first.
    history: Vec<(Timestamp, Profile)>,
    /// The ledger, and the rules.
    case: Case,
    due: Option<Timestamp>,
    /// Bells under way.
    triggers: Vec<Timestamp>,
    chaos: bool,
    sent: u32,
}

/// What became of one step that was sent.
enum Answer {
    Accepted,
    Failed,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut case = case(day(0));
        if seed % 2 == 1 {
            case.rules.protocol = Protocol::SalesAndAccess;
        }
        let history = vec![(day(-1), case.profile.clone())];
        let (dice, life) = (Dice::new(seed), Life::new());
        Self { seed, dice, now: day(0), life, history, case, due: None, triggers: vec![], chaos: true, sent: 0 }
    }

    fn lives(&mut self) {
        for _ in 0..30 {
            self.life.goes_on(self.now, &mut self.dice);
            for _ in 0..self.dice.pick(&[0, 1, 1, 1, 2]) {
                let late = i64::try_from(self.dice.roll(40)).unwrap();
                self.triggers.push(self.now + Duration::seconds(late));
            }
            let span = self.dice.pick(&[1, 2, 10, 35, 3600, 90_000, 600_000, 1_500_000]);
            self.passes(Duration::seconds(span));
        }
    }

    /// Time goes by, and the daemon syncs whenever a trigger comes or its worklist says so.
    fn passes(&mut self, span: Duration) {
        let end = self.now + span;
        let mut syncs = 0;
        while let Some(at) = self.triggers.iter().copied().chain(self.due).min().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.triggers.retain(|trigger| *trigger > at);
            self.sync();
            syncs += 1;
            assert!(syncs < 10_000, "seed {}: syncs without an end", self.seed);
        }
        self.now = end;
    }

    /// What the destination showed `ago` seconds ago.
    fn profile(&self, ago: i64) -> Profile {
        let moment = self.now - Duration::seconds(ago);
        self.history.iter().rev().find(|(since, _)| *since <= moment).unwrap().1.clone()
    }

    fn gathered(&mut self) -> Case {
        let lag = self.case.rules.policy.profile_lag;
        let ago = i64::try_from(self.dice.roll(lag.unsigned_abs())).unwrap();
        let (billing, profile) = (self.life.billing.clone(), self.profile(ago));
        let mut case = Case { billing, profile, now: self.now, ..self.case.clone() };
        if self.fails(10) {
            case.billing.gaps.push(Gap { about: About::Everything, what: "half of it".into() });
            case.billing.subscriptions.truncate(1);
        }
        case
    }

    fn fails(&mut self, one_in: u64) -> bool {
        self.chaos && self.dice.one_in(one_in)
    }

    /// One sync: decide, intend, send one request, record its answer, and decide again. A crash cuts it off anywhere.
    fn sync(&mut self) {
        let mut case = self.gathered();
        // a lease that is not settled runs out in seconds
        self.due = Some(self.now + Duration::seconds(5));
        for _ in 0..16 {
            let plan = decide(&case);
            write_down(&mut self.case.ledger, &plan, self.now);
            if self.fails(16) {
                return;
            }
            let Some(planned) = plan.steps.first() else {
                self.due = plan.sync_again_at;
                return;
            };
            let answer = self.send(planned);
            if self.fails(16) {
                return;
            }
            self.record(planned, answer, &mut case);
            case.ledger.entries.clone_from(&self.case.ledger.entries);
        }
        panic!("seed {}: a sync without an end", self.seed);
    }

    fn send(&mut self, planned: &PlannedStep) -> Answer {
        let entry = self.case.ledger.entries.iter().find(|entry| entry.key == planned.key);
        let intended = entry.is_some_and(|entry| matches!(entry.state, State::Intended { .. }));
        assert!(intended, "seed {}: sent without being intended: {planned:?}", self.seed);
        self.sent += 1;
        if self.fails(6) {
            return Answer::Failed;
        }
        let mut profile = self.profile(0);
        show(&mut profile, &planned.step, self.now);
        self.history.push((self.now, profile));
        if self.fails(6) { Answer::Failed } else { Answer::Accepted }
    }

    /// An accepted request answers with the profile as it is then.
    fn record(&mut self, planned: &PlannedStep, answer: Answer, case: &mut Case) {
        let attempts = planned.attempts + 1;
        let state = match answer {
            Answer::Accepted => {
                case.profile = self.profile(0);
                State::Confirmed { at: self.now }
            }
            Answer::Failed => {
                let failure = Failure::new(Class::Transient, "sending");
                let Next::At(due) = retry::after(&failure, attempts, &planned.key, self.now) else { panic!() };
                State::Intended { attempts, due }
            }
        };
        settle(&mut self.case.ledger, &planned.key, state);
    }

    /// No more failures: every account is synced once, and the daemon does the rest.
    fn calms_down(&mut self) {
        self.chaos = false;
        self.triggers.push(self.now);
        self.passes(Duration::hours(3));
    }

    /// The profile shows what is expected, and nothing is open.
    fn is_settled(&self) {
        let seed = self.seed;
        let case =
            Case { billing: self.life.billing.clone(), profile: self.profile(0), now: self.now, ..self.case.clone() };
        let plan = decide(&case);
        assert!(plan.steps.is_empty() && plan.settled.is_empty() && plan.dropped.is_empty(), "seed {seed}: {plan:#?}");
        let open = case.ledger.entries.iter().any(|entry| matches!(entry.state, State::Intended { .. }));
        assert!(!open && self.due.is_none_or(|due| due > self.now), "seed {seed}: work is left");
        let woken = plan.sync_again_at.is_none_or(|at| self.due.is_some_and(|due| due <= at));
        assert!(woken, "seed {seed}: nobody syncs at {:?}", plan.sync_again_at);
        let mut shown: Vec<_> = case.profile.levels.iter().filter(|of| of.runs(self.now)).collect();
        shown.sort_by(|a, b| a.level.cmp(&b.level));
        let shown: Vec<_> = shown.iter().map(|of| (&of.level, of.until)).collect();
        let expected: Vec<_> = plan.expected.entitlements.iter().map(|right| (&right.level, right.until)).collect();
        assert_eq!(shown, expected, "seed {seed}");
    }
}

/// Lives one life, and answers with how many reports stand in its ledger.
fn live(seed: u64) -> usize {
    let mut world = World::new(seed);
    world.lives();
    world.calms_down();
    world.is_settled();
    let (sent, spans) = (world.sent, [1, 40, 7200]);
    // what time alone changes meanwhile may be reported
    let end = world.now + Duration::seconds(spans.iter().sum());
    let rests = world.due.is_none_or(|due| due > end);
    for span in spans {
        world.triggers.push(world.now);
        world.passes(Duration::seconds(span));
    }
    let still = rests && world.life.billing.subscriptions.iter().all(|sub| sub.cancel_at.is_none());
    assert!(sent == world.sent || !still, "seed {seed}: triggers alone made it write");
    for _ in 0..6 {
        world.passes(Duration::days(11));
        world.is_settled();
    }
    let reports = world.case.ledger.entries.iter().filter(|entry| matches!(entry.step, Step::ReportSale(_)));
    reports.count()
}

/// `GRANTSYNC_SEEDS=1000000 cargo test -p entitlement --release` lives a million worlds.
#[test]
fn in_the_end_the_profile_shows_what_is_expected() {
    let seeds: u64 = asked("GRANTSYNC_SEEDS", 1_000);
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get() as u64);
    let reports: usize = std::thread::scope(|scope| {
        let lives = |first| move || (first..seeds).step_by(usize::try_from(threads).unwrap()).map(live).sum::<usize>();
        let threads: Vec<_> = (0..threads).map(|first| scope.spawn(lives(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(reports > 0, "no life came to a report");
}
