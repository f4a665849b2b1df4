//! Any case at all, for the laws.

use std::collections::BTreeMap;

use chrono::Duration;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::make::{
    carry_out, case, day, foreign, ignored, invoice, item, level, offering, period, purchase, sub, user,
};
use crate::case::Case;
use crate::model::account::Account;
use crate::model::attributes::{AttributeName, AttributeValue, Fact, SourcedAttribute};
use crate::model::billing::{
    About, Billing, Collection, Discount, Dispute, DisputeState, Gap, Invoice, InvoiceReason, InvoiceStatus, Line,
    MoneyBack, Period, Purchase, PurchaseState, Status, Stop, Subscription,
};
use crate::model::clock::Timestamp;
use crate::model::ledger::State;
use crate::model::mode::Mode;
use crate::model::overrides::{Block, Overrides, PromotionalGrant};
use crate::model::plan::Plan;
use crate::model::profile::{ActualLevel, Profile, StoreSubscription};
use crate::model::rules::{Choice, Policy, Protocol, Rules, TestClocks, Unpaid};
use crate::model::until::Until;

/// Day of the tests' year, mostly; sometimes with a few seconds, so that nothing hangs on midnight.
fn moment(from: i64, to: i64) -> impl Strategy<Value = Timestamp> {
    (from..to, select(vec![0_i64, 5, 3600])).prop_map(|(number, more)| day(number) + Duration::seconds(more))
}

fn price() -> impl Strategy<Value = &'static str> {
    select(vec!["month", "month", "year", "gold", "both", "other", "pass", "seat"])
}

fn choice() -> impl Strategy<Value = Choice> {
    select(vec![Choice::Keep, Choice::Revoke])
}

fn policy() -> impl Strategy<Value = Policy> {
    let spans = (select(vec![0, 3 * 86_400, 40 * 86_400]), select(vec![0, 7200]), select(vec![0, 30, 3600]));
    let unpaid = select(vec![Unpaid::Wait, Unpaid::Grant]);
    let clocks = select(vec![TestClocks::Refuse, TestClocks::Allow]);
    let choices = (choice(), choice(), choice(), choice());
    (spans, choices, unpaid, clocks).prop_map(|(spans, choices, unpaid_invoice, test_clocks)| Policy {
        past_due_grace: spans.0,
        processing_grace: 2 * spans.0,
        renewal_slack: spans.1,
        profile_lag: spans.2,
        pause_collection: choices.0,
        partial_refund: choices.1,
        full_refund: choices.2,
        dispute_opened: choices.3,
        unpaid_invoice,
        test_clocks,
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    (
        policy(),
        select(vec![Protocol::AccessWithSale, Protocol::SalesAndAccess, Protocol::AccessOnly, Protocol::SalesOnly]),
    )
        .prop_map(|(policy, protocol)| {
            let mut rules = Rules { policy, protocol, ..super::make::rules() };
            rules.catalog.0.extend([offering("both", "premium", None), offering("both", "gold", None)]);
            rules.catalog.0.extend(ignored());
            let name = AttributeName::parse("plan").unwrap();
            rules.sourced_attributes.push(SourcedAttribute { name, from: "customer.metadata.plan".into() });
            rules
        })
}

fn status() -> impl Strategy<Value = Status> {
    let rare = vec![
        Status::Incomplete,
        Status::IncompleteExpired,
        Status::Trialing,
        Status::Unpaid,
        Status::Canceled,
        Status::Paused,
        Status::Unknown("dormant".into()),
    ];
    prop_oneof![3 => Just(Status::Active), 2 => Just(Status::PastDue), 3 => select(rare)]
}

fn money_back() -> impl Strategy<Value = MoneyBack> {
    let states = vec![
        DisputeState::Warning,
        DisputeState::Open,
        DisputeState::Won,
        DisputeState::Lost,
        DisputeState::Unknown("appeal".into()),
    ];
    let dispute = select(states).prop_map(|state| Dispute { state, amount: 999 });
    let received = proptest::option::of(select(vec![500, 999]));
    let some = (select(vec![0, 500, 999]), vec(dispute, 0..2), received);
    prop_oneof![
        3 => Just(MoneyBack::default()),
        1 => some.prop_map(|(refunded, disputes, received)| MoneyBack { refunded, received, disputes }),
    ]
}

fn invoices(price: &'static str, running: Period) -> impl Strategy<Value = Vec<Invoice>> {
    let reasons = vec![
        InvoiceReason::SubscriptionCreate,
        InvoiceReason::SubscriptionCycle,
        InvoiceReason::SubscriptionCycle,
        InvoiceReason::SubscriptionUpdate,
        InvoiceReason::Manual,
    ];
    let states = vec![
        InvoiceStatus::Draft,
        InvoiceStatus::Open,
        InvoiceStatus::Paid,
        InvoiceStatus::Paid,
        InvoiceStatus::Void,
        InvoiceStatus::Uncollectible,
        InvoiceStatus::Unknown("frozen".into()),
    ];
    let former = Period { start: running.start - Duration::days(30), end: running.start };
    let code = proptest::option::of(Just("promo_1".to_owned()));
    let discount = proptest::option::weighted(0.2, code.prop_map(|code| Discount { coupon: "SUMMER".into(), code }));
    let shape = (any::<bool>(), any::<bool>(), 0..4_i64, discount);
    let waits = (proptest::bool::weighted(0.1), proptest::bool::weighted(0.1), self::price());
    let one = (select(reasons), select(states), shape, money_back(), waits);
    let one = one.prop_map(move |(reason, status, (is_former, has_lines, hour, discount), back, waits)| {
        let period = if is_former { former } else { running };
        let mut invoice = invoice("in", reason, status, price, period);
        invoice.created += Duration::hours(hour);
        invoice.money_back = back;
        (invoice.is_processing, invoice.is_uncollected) = (waits.0, waits.1);
        if invoice.reason == InvoiceReason::SubscriptionUpdate {
            changes_price(&mut invoice, waits.2);
        }
        invoice.lines.iter_mut().for_each(|line| line.discount.clone_from(&discount));
        if !has_lines {
            invoice.lines.clear();
        }
        invoice
    });
    vec(one, 0..4)
}

/// The lines of a change from another price to that of the invoice.
fn changes_price(invoice: &mut Invoice, former: &str) {
    for line in invoice.lines.clone() {
        invoice.lines.push(Line { price: Some(former.into()), amount: -line.amount, proration: true, ..line });
    }
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let when = (0..60_i64, select(vec![7_i64, 30, 365]));
    (price(), when).prop_flat_map(|(price, (start, length))| {
        let running = period(start, start + length);
        let ends = (proptest::option::weighted(0.2, moment(0, 120)), proptest::option::of(moment(0, 60)));
        let flags = (any::<bool>(), proptest::bool::weighted(0.1), proptest::bool::weighted(0.1), any::<bool>());
        let extra = proptest::option::weighted(0.3, (super::arbitrary::price(), 0..3_u64));
        (status(), ends, flags, invoices(price, running), extra).prop_map(move |made| {
            let (status, (cancel_at, ended_at), flags, invoices, extra) = made;
            let mut sub = sub("sub", price, running);
            (sub.status, sub.cancel_at, sub.ended_at, sub.invoices) = (status, cancel_at, ended_at, invoices);
            (sub.stops_at_period_end, sub.collection_paused, sub.on_test_clock) = (flags.0, flags.1, flags.2);
            sub.canceled_at = flags.0.then(|| ended_at.unwrap_or(running.start));
            sub.stop = (flags.0 && flags.3).then_some(Stop::Asked);
            sub.variation = flags.3.then(|| "paywall".to_owned());
            sub.trial = (sub.status == Status::Trialing).then_some(running);
            sub.collection = if flags.3 { Collection::Automatic } else { Collection::SendInvoice };
            sub.items.extend(extra.map(|(price, quantity)| {
                let other = item("si_2", price, period(start, start + 90));
                crate::model::billing::Item { quantity, ..other }
            }));
            sub
        })
    })
}

fn bought() -> impl Strategy<Value = Purchase> {
    let state = prop_oneof![
        3 => moment(0, 60).prop_map(PurchaseState::Paid),
        1 => Just(PurchaseState::Waiting),
        1 => Just(PurchaseState::Unknown("odd".into())),
    ];
    let price = select(vec!["pass", "pass", "pass", "life", "other", "gold", "book"]);
    (price, state, 0..3_u64, money_back()).prop_map(|(price, state, quantity, money_back)| {
        let mut purchase = Purchase { state, money_back, ..purchase("pi", price, day(1)) };
        purchase.lines[0].quantity = quantity;
        purchase
    })
}

fn gap() -> impl Strategy<Value = Gap> {
    let about = vec![About::Everything, About::Chain("sub_0".into()), About::Chain("pi_0".into()), About::MoneyBack];
    select(about).prop_map(|about| Gap { about, what: "something".into() })
}

/// What is billed, each thing under an id of its own.
pub(super) fn billing() -> impl Strategy<Value = Billing> {
    let gaps = prop_oneof![4 => Just(vec![]), 1 => vec(gap(), 1..3)];
    (vec(subscription(), 0..4), vec(bought(), 0..3), gaps).prop_map(|(mut subscriptions, mut purchases, gaps)| {
        for (number, sub) in subscriptions.iter_mut().enumerate() {
            sub.id = format!("sub_{number}");
            sub.account = Account::new("stripe", &format!("cus_{}", number % 2));
            for (place, invoice) in sub.invoices.iter_mut().enumerate() {
                invoice.id = format!("in_{number}_{place}");
            }
        }
        for (number, purchase) in purchases.iter_mut().enumerate() {
            purchase.id = format!("pi_{number}");
        }
        Billing { mode: Mode::Live, subscriptions, purchases, gaps, facts: BTreeMap::new() }
    })
}

/// What happened to a plan before: all of it, some of it, or none.
#[derive(Clone, Copy, Debug)]
enum Past {
    CarriedOut,
    /// Arrived and was confirmed, and was shown only later.
    NotShown,
    /// Written down and never sent.
    CutOff,
    /// Sent, and never answered.
    Unanswered,
    Failed,
    Refused,
    Dropped,
}

fn past() -> impl Strategy<Value = Past> {
    use Past::{CarriedOut, CutOff, Dropped, Failed, NotShown, Refused, Unanswered};
    select(vec![CarriedOut, CarriedOut, NotShown, CutOff, Unanswered, Failed, Refused, Dropped])
}

fn live_through(case: &mut Case, past: Past) {
    let shown = case.profile.clone();
    let mut at_once = case.clone();
    let plan: Plan = carry_out(&mut at_once);
    case.ledger = at_once.ledger;
    let arrived = matches!(past, Past::CarriedOut | Past::Unanswered);
    case.profile = if arrived { at_once.profile } else { shown };
    let now = case.now;
    let state = match past {
        Past::CarriedOut | Past::NotShown => return,
        Past::CutOff | Past::Unanswered => State::Intended { attempts: 0, due: now },
        Past::Failed => State::Intended { attempts: 2, due: now + Duration::minutes(50) },
        Past::Refused => State::Refused { at: now, why: "no".into() },
        Past::Dropped => State::Dropped { at: now },
    };
    for entry in case.ledger.entries.iter_mut().filter(|entry| plan.steps.iter().any(|of| of.key == entry.key)) {
        entry.state = state.clone();
    }
}

fn sold_by_app_store(sandbox: bool) -> StoreSubscription {
    StoreSubscription { store: "app_store".into(), product: "ios".into(), until: Until::At(day(50)), sandbox }
}

fn under_app_store(shown: &mut ActualLevel) {
    *shown = foreign(&shown.level.0, shown.until);
}

fn change_profile(profile: &mut Profile, how: u8) {
    match how {
        0 => profile.levels.clear(),
        1 => profile.levels = vec![foreign("premium", Until::At(day(40)))],
        2 => profile.levels.push(foreign("silver", Until::Lifetime)),
        3 => profile.levels.iter_mut().for_each(|shown| {
            (shown.transaction_id, shown.original_transaction_id, shown.until) = (None, None, Until::At(day(90)));
        }),
        4 => profile.levels = vec![foreign("gold", Until::Lifetime)],
        5 => *profile = Profile::absent(user()),
        // another store is paid behind what we granted, hidden or under its ids
        6 | 7 => profile.sold = [false, true].map(sold_by_app_store).into(),
        8 => {
            profile.sold = [false, true].map(sold_by_app_store).into();
            profile.levels.iter_mut().for_each(under_app_store);
        }
        _ => {}
    }
    let mut seen = vec![level("never")];
    profile.levels.retain(|shown| {
        let new = !seen.contains(&shown.level);
        seen.push(shown.level.clone());
        new
    });
}

/// What is billed, with facts, and what was ordered.
fn pictures() -> impl Strategy<Value = (Billing, Overrides)> {
    let fact = select(vec!["", "gold", "7", "far longer than any attribute may be"]);
    (billing(), option::weighted(0.5, fact), overrides()).prop_map(|(billing, fact, overrides)| {
        let facts = fact.map(|fact| ("customer.metadata.plan".to_owned(), Fact(fact.to_owned()))).into_iter().collect();
        (Billing { facts, ..billing }, overrides)
    })
}

fn overrides() -> impl Strategy<Value = Overrides> {
    let level = || select(vec!["premium", "gold", "silver"]).prop_map(level);
    let until = prop_oneof![moment(0, 90).prop_map(Until::At), Just(Until::Lifetime)];
    let promotion = (level(), until, any::<bool>(), 0..9_u8).prop_map(|(level, until, ended, id)| PromotionalGrant {
        id: format!("promo_{id}"),
        level,
        until,
        by: "ops".into(),
        why: "ann@example.com asked".into(),
        ended,
    });
    let block = level().prop_map(|level| Block { level, by: "ops".into(), why: String::new() });
    let attribute = option::of(select(vec!["blue", "1.5"]).prop_map(AttributeValue::read));
    let promotions = prop_oneof![Just(vec![]), vec(promotion, 0..3)];
    let blocks = prop_oneof![Just(vec![]), Just(vec![]), vec(block, 0..2)];
    (promotions, blocks, option::weighted(0.3, attribute)).prop_map(|(mut promotions, blocks, attribute)| {
        promotions.dedup_by(|one, other| one.id == other.id);
        let name = || AttributeName::parse("colour").unwrap();
        Overrides {
            promotions,
            blocks,
            attributes: attribute.map(|attribute| (name(), attribute)).into_iter().collect(),
        }
    })
}

/// A case with a past: up to four earlier syncs of other billing, each with an end of its own.
pub(super) fn some_case() -> impl Strategy<Value = Case> {
    let syncs = vec((pictures(), past(), select(vec![1_i64, 20, 40, 3000, 400_000])), 0..4);
    (rules(), syncs, pictures(), moment(0, 80), 0..20_u8).prop_map(|(rules, syncs, (billing, overrides), now, how)| {
        let mut case = Case { rules, ..case(now) };
        let length: i64 = syncs.iter().map(|(_, _, wait)| wait).sum();
        case.now = now - Duration::seconds(length);
        for ((before, ordered), past, wait) in syncs {
            (case.billing, case.overrides) = (ended_by(before, case.now), ordered);
            live_through(&mut case, past);
            case.now += Duration::seconds(wait);
        }
        change_profile(&mut case.profile, how);
        Case { billing: ended_by(billing, case.now), overrides, ..case }
    })
}

/// Nothing has ended before it did.
fn ended_by(mut billing: Billing, now: Timestamp) -> Billing {
    billing.subscriptions.iter_mut().for_each(|sub| sub.ended_at = sub.ended_at.map(|at| at.min(now)));
    billing
}
