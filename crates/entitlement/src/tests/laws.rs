//! Laws that hold in every case.

use std::collections::BTreeSet;

use chrono::Duration;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::RngSeed;

use super::arbitrary::some_case;
use super::*;
use crate::model::access_level::AccessLevel;
use crate::model::billing::Billing;
use crate::model::clock::Timestamp;
use crate::model::key::StepKey;
use crate::model::plan::PlannedStep;
use crate::model::step::SaleEvent;

/// The same thousand cases of each law at every run, so that a failure is the change's own; `GRANTSYNC_CASES` draws more,
/// `GRANTSYNC_SEED` others.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: asked("GRANTSYNC_CASES", 1_000),
        rng_seed: RngSeed::Fixed(asked("GRANTSYNC_SEED", 0)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The steps, without their reasons, and without the moment at which a refund or an end was learnt of, which is that of the
/// sync.
fn writes(plan: &Plan) -> Vec<(StepKey, Step)> {
    plan.steps.iter().map(|planned| (planned.key.clone(), timeless(&planned.step))).collect()
}

fn timeless(step: &Step) -> Step {
    let Step::ReportSale(report) = step else { return step.clone() };
    let mut report = report.clone();
    report.event = match report.event {
        SaleEvent::Refunded(_) => SaleEvent::Refunded(Timestamp::UNIX_EPOCH),
        SaleEvent::Ended(_) => SaleEvent::Ended(Timestamp::UNIX_EPOCH),
        event @ (SaleEvent::Sold | SaleEvent::Changed) => event,
    };
    Step::ReportSale(report)
}

/// Orders `of` anew; `seed` says how.
fn shuffle<T>(of: &mut [T], seed: &mut u64) {
    for place in (1..of.len()).rev() {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        of.swap(place, usize::try_from(*seed >> 33).unwrap() % (place + 1));
    }
}

fn shuffled(case: &Case, mut seed: u64) -> Case {
    let mut case = case.clone();
    let seed = &mut seed;
    let Billing { subscriptions, purchases, gaps, .. } = &mut case.billing;
    subscriptions.iter_mut().for_each(|sub| {
        shuffle(&mut sub.items, seed);
        shuffle(&mut sub.invoices, seed);
    });
    shuffle(subscriptions, seed);
    shuffle(purchases, seed);
    shuffle(gaps, seed);
    shuffle(&mut case.overrides.promotions, seed);
    shuffle(&mut case.overrides.blocks, seed);
    shuffle(&mut case.ledger.entries, seed);
    shuffle(&mut case.profile.levels, seed);
    case
}

/// The case with one thing less known: a status, a price, or whatever could not be read.
fn less_known(case: &Case, which: usize) -> Case {
    let mut case = case.clone();
    let billing = &mut case.billing;
    let count = billing.subscriptions.len().max(1);
    let Some(sub) = billing.subscriptions.get_mut(which % count) else {
        billing.gaps.push(Gap { about: About::Everything, what: "everything".into() });
        return case;
    };
    match which % 4 {
        0 => sub.status = Status::Unknown("dormant".into()),
        1 => sub.items[0].price = "nobody knows".into(),
        2 => billing.gaps.push(Gap { about: About::Chain(sub.id.clone()), what: "its items".into() }),
        _ => billing.gaps.push(Gap { about: About::Everything, what: "everything".into() }),
    }
    case
}

/// What is revoked until nothing is left to do: some of it only after the answer to a report.
fn revoked(case: &Case) -> BTreeSet<AccessLevel> {
    let sent = execute(&mut case.clone());
    let revokes = sent.iter().map(|of| &of.step).filter(|step| matches!(step, Step::RevokeAccess(_)));
    revokes.filter_map(Step::level).cloned().collect()
}

/// Until when `level` is shown once nothing is left to do.
fn in_the_end(case: &Case, level: &AccessLevel) -> Option<Until> {
    let mut case = case.clone();
    execute(&mut case);
    case.profile.level(level).map(|shown| shown.until).filter(|until| until.is_after(case.now))
}

/// Moments after `case.now` and before `next`, near both ends and between.
fn between(case: &Case, next: Option<Timestamp>) -> Vec<Timestamp> {
    let end = next.unwrap_or(case.now + Duration::days(1000));
    let whole = (end - case.now).num_seconds();
    let samples = [1, 31, 61, 3601, whole / 3, whole / 2, whole - 31, whole - 1];
    samples
        .map(|more| case.now + Duration::seconds(more))
        .into_iter()
        .filter(|at| *at > case.now && *at < end)
        .collect()
}

/// Every billing in which one open renewal of the case is paid.
fn more_paid(case: &Case) -> Vec<Case> {
    let mut found = vec![];
    for (place, sub) in case.billing.subscriptions.iter().enumerate() {
        for (number, invoice) in sub.invoices.iter().enumerate() {
            if invoice.status == InvoiceStatus::Open && invoice.reason == InvoiceReason::SubscriptionCycle {
                let mut paid = case.clone();
                paid.billing.subscriptions[place].invoices[number].status = InvoiceStatus::Paid;
                found.push(paid);
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_case_that_was_saved_is_decided_alike(case in some_case()) {
        let text = serde_json::to_string(&case).unwrap();
        let read: Case = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &case);
        prop_assert_eq!(decide(&read), decide(&case));
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(case in some_case()) {
        let mut case = case;
        carry_out(&mut case);
        let after = decide(&case);
        prop_assert_eq!((writes(&after), after.settled, after.dropped), (vec![], vec![], vec![]));
    }

    #[test]
    fn the_order_of_what_is_read_is_nothing(case in some_case(), seed in any::<u64>()) {
        prop_assert_eq!(decide(&shuffled(&case, seed)), decide(&case));
    }

    #[test]
    fn more_paid_is_never_less_held(case in some_case()) {
        let before = decide(&case).expected;
        for paid in more_paid(&case) {
            let after = decide(&paid).expected;
            for right in &before.entitlements {
                let held = after.entitlements.iter().find(|other| other.level == right.level);
                prop_assert!(held.is_some_and(|held| held.until >= right.until), "{right:?}\n{held:?}");
            }
        }
    }

    #[test]
    fn less_known_takes_and_shortens_nothing(case in some_case(), which in any::<usize>()) {
        let less = less_known(&case, which);
        // a block is an operator's word, and takes whatever is known
        let is_blocked = |level: &AccessLevel| case.overrides.blocks.iter().any(|block| block.level == *level);
        let known = revoked(&case);
        prop_assert!(revoked(&less).iter().all(|level| known.contains(level) || is_blocked(level)));
        for level in ["premium", "gold"].map(level) {
            let shown = case.profile.level(&level).map(|shown| shown.until).filter(|until| until.is_after(case.now));
            let least = shown.min(in_the_end(&case, &level));
            prop_assert!(in_the_end(&less, &level) >= least);
        }
    }

    #[test]
    fn a_confirmed_key_is_never_sent_again(case in some_case()) {
        for planned in decide(&case).steps {
            let entry = case.ledger.entries.iter().find(|entry| entry.key == planned.key);
            prop_assert!(entry.is_none_or(|entry| entry.confirmed_at().is_none()));
        }
    }

    #[test]
    fn until_the_next_sync_the_answer_stays(case in some_case()) {
        let plan = decide(&case);
        for now in between(&case, plan.sync_again_at) {
            let then = decide(&Case { now, ..case.clone() });
            prop_assert_eq!((writes(&then), &then.expected.entitlements), (writes(&plan), &plan.expected.entitlements), "at {}", now);
            prop_assert_eq!(&then.settled, &plan.settled);
        }
    }

    #[test]
    fn every_step_has_a_reason_and_a_subject_of_its_own(case in some_case()) {
        let plan = decide(&case);
        let levels: BTreeSet<_> = plan.steps.iter().map(|planned| planned.step.subject()).collect();
        prop_assert_eq!(levels.len(), plan.steps.len());
        prop_assert!(plan.steps.iter().all(|planned| planned.because.sentence().len() > 10));
        prop_assert!(plan.sync_again_at.is_none_or(|at| at > case.now));
    }

    #[test]
    fn grants_come_before_revokes(case in some_case()) {
        let plan = decide(&case);
        let is_revoke = |planned: &&PlannedStep| matches!(planned.step, Step::RevokeAccess(_));
        let after = plan.steps.iter().skip_while(|planned| !is_revoke(planned));
        prop_assert!(after.clone().all(|planned| !matches!(planned.step, Step::GrantAccess(_))), "{:?}", plan.steps);
    }

    #[test]
    fn no_case_makes_it_panic(case in some_case().prop_map(extreme)) {
        let plan = decide(&case);
        prop_assert!(!crate::render::render(&case, &plan).contains("ann@example.com"));
    }
}

/// Numbers and moments at the edge of what can be said.
fn extreme(mut case: Case) -> Case {
    let policy = &mut case.rules.policy;
    (policy.past_due_grace, policy.renewal_slack, policy.profile_lag) = (i64::MAX, i64::MAX, i64::MAX);
    case.profile.user = crate::model::user::User::new("ann@example.com").unwrap();
    for sub in &mut case.billing.subscriptions {
        sub.items[0].period.end = Timestamp::MAX_UTC;
        (sub.created, sub.started) = (Timestamp::MAX_UTC, Some(Timestamp::MAX_UTC));
        sub.invoices.iter_mut().for_each(|invoice| invoice.total.minor = i64::MIN);
    }
    case.billing.purchases.iter_mut().for_each(|of| of.lines[0].quantity = u64::MAX);
    case
}
