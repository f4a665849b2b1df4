//! Builders, so that a test says only what it is about.

use crate::case::Case;
use crate::decide::decide;
use crate::model::access_level::AccessLevel;
use crate::model::account::Account;
use crate::model::attributes::AttributeLimits;
use crate::model::billing::{
    Billing, Collection, Dispute, DisputeState, Invoice, InvoiceReason, InvoiceStatus, Item, Line, MoneyBack, Period,
    Purchase, PurchaseLine, PurchaseState, SoldOn, Status, Subscription,
};
use crate::model::catalog::{Catalog, Listed, Offering, Sold, Term};
use crate::model::clock::Timestamp;
use crate::model::expected::{Entitlement, Refund};
use crate::model::key::StepKey;
use crate::model::ledger::{Entry, Ledger, State};
use crate::model::mode::Mode;
use crate::model::money::Money;
use crate::model::overrides::Overrides;
use crate::model::plan::{Plan, PlannedStep};
use crate::model::profile::{ActualLevel, BARE, Profile};
use crate::model::rules::{Policy, Protocol, Rules};
use crate::model::step::{GrantAccess, RevokeAccess, SaleEvent, Step};
use crate::model::until::Until;
use crate::model::user::User;
use chrono::Duration;

/// Day `number` of the tests' year, at midnight.
pub(super) fn day(number: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + Duration::days(number)
}

pub(super) fn hours(number: i64) -> Duration {
    Duration::hours(number)
}

pub(super) fn seconds(number: i64) -> Duration {
    Duration::seconds(number)
}

pub(super) fn level(name: &str) -> AccessLevel {
    AccessLevel(name.into())
}

pub(super) fn offering(price: &str, gives: &str, term: Option<Term>) -> Listed {
    Listed::Offering(Offering { sold: Sold::Price(price.into()), level: level(gives), vendor_product_id: None, term })
}

/// The same under another name at the destination.
pub(super) fn called(of: Listed, name: &str) -> Listed {
    let Listed::Offering(offering) = of else { panic!("what is ignored has no name") };
    Listed::Offering(Offering { vendor_product_id: Some(name.into()), ..offering })
}

/// `seat` and, sold once, `book` are meant to give nothing.
pub(super) fn ignored() -> [Listed; 2] {
    ["seat", "book"].map(|price| Listed::Ignored { ignored: Sold::Price(price.into()) })
}

/// `month` and `year` give premium, `gold` gives gold; `pass` (30 days) and `life` are sold once and give premium.
pub(super) fn rules() -> Rules {
    let pass = Some(Term::Seconds(30 * 86_400));
    let sold = [
        offering("month", "premium", None),
        offering("year", "premium", None),
        offering("gold", "gold", None),
        offering("pass", "premium", pass),
        offering("life", "premium", Some(Term::Lifetime)),
    ];
    Rules {
        protocol: Protocol::AccessWithSale,
        destination: "adapty".into(),
        mode: Mode::Live,
        store: "stripe".into(),
        catalog: Catalog(sold.to_vec()),
        sourced_attributes: Vec::new(),
        limits: AttributeLimits::default(),
        policy: Policy::default(),
    }
}

pub(super) fn user() -> User {
    User::new("ann@example.com").unwrap()
}

/// A case with nothing in it, at `now`.
pub(super) fn case(now: Timestamp) -> Case {
    let billing = Billing::empty(Mode::Live);
    let profile = Profile { exists: true, ..Profile::absent(user()) };
    Case { billing, profile, ledger: Ledger::default(), overrides: Overrides::default(), rules: rules(), now }
}

/// A case of these subscriptions.
pub(super) fn of(now: Timestamp, subscriptions: impl IntoIterator<Item = Subscription>) -> Case {
    let mut case = case(now);
    case.billing.subscriptions.extend(subscriptions);
    case
}

pub(super) fn period(start: i64, end: i64) -> Period {
    Period { start: day(start), end: day(end) }
}

pub(super) fn item(id: &str, price: &str, period: Period) -> Item {
    Item { id: id.into(), price: price.into(), product: format!("prod_{price}"), quantity: 1, period }
}

/// An active subscription `id` to `price` since the start of `period`, without any invoice.
pub(super) fn sub(id: &str, price: &str, period: Period) -> Subscription {
    Subscription {
        country: None,
        variation: None,
        stop: None,
        id: id.into(),
        account: Account::new("stripe", "cus_1"),
        status: Status::Active,
        created: period.start,
        started: Some(period.start),
        trial: None,
        stops_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        currency: "usd".into(),
        collection: Collection::Automatic,
        collection_paused: false,
        items: vec![item("si_1", price, period)],
        invoices: vec![],
        on_test_clock: false,
    }
}

/// An invoice of 9.99 for item `si_1`, made at the start of `period`.
pub(super) fn invoice(id: &str, reason: InvoiceReason, status: InvoiceStatus, price: &str, period: Period) -> Invoice {
    let line = Line {
        price: Some(price.into()),
        product: Some(format!("prod_{price}")),
        item: Some("si_1".into()),
        amount: 999,
        period: Some(period),
        proration: false,
        discount: None,
    };
    Invoice {
        id: id.into(),
        paid_at: (status == InvoiceStatus::Paid).then_some(period.start),
        status,
        reason,
        created: period.start,
        total: Money { minor: 999, currency: "usd".into() },
        lines: vec![line],
        is_processing: false,
        is_uncollected: false,
        money_back: MoneyBack::default(),
    }
}

/// Bought on day 0 and paid to day 30.
pub(super) fn first_month() -> Subscription {
    let mut sub = sub("sub_1", "month", period(0, 30));
    let first = InvoiceReason::SubscriptionCreate;
    sub.invoices.push(invoice("in_1", first, InvoiceStatus::Paid, "month", period(0, 30)));
    sub
}

/// The first month, and a second to day 60 whose invoice is in `status`.
pub(super) fn second_month(status: InvoiceStatus) -> Subscription {
    let mut sub = first_month();
    sub.items[0].period = period(30, 60);
    sub.invoices.push(invoice("in_2", InvoiceReason::SubscriptionCycle, status, "month", period(30, 60)));
    sub
}

/// On trial from day 0 to day 7.
pub(super) fn trial() -> Subscription {
    let mut sub = first_month();
    let trial = period(0, 7);
    (sub.status, sub.trial, sub.items[0].period) = (Status::Trialing, Some(trial), trial);
    sub.invoices[0].total.minor = 0;
    sub.invoices[0].lines[0].amount = 0;
    sub.invoices[0].lines[0].period = Some(trial);
    sub
}

/// A one-time purchase of `price` for 20.00.
pub(super) fn purchase(id: &str, price: &str, paid: Timestamp) -> Purchase {
    let line = PurchaseLine { price: price.into(), product: format!("prod_{price}"), quantity: 1, amount: 2000 };
    Purchase {
        country: None,
        variation: None,
        account: Account::new("stripe", "cus_1"),
        id: id.into(),
        state: PurchaseState::Paid(paid),
        created: paid,
        total: Money { minor: 2000, currency: "usd".into() },
        lines: vec![line],
        money_back: MoneyBack::default(),
        sold_on: SoldOn::Checkout,
        on_test_clock: false,
    }
}

pub(super) fn refund(minor: i64) -> MoneyBack {
    MoneyBack { refunded: minor, ..MoneyBack::default() }
}

pub(super) fn dispute(state: DisputeState) -> MoneyBack {
    MoneyBack { disputes: vec![Dispute { state, amount: 999 }], ..MoneyBack::default() }
}

/// What the destination shows once `step` arrived; a revoked right is over at `now`.
pub(super) fn show(profile: &mut Profile, step: &Step, now: Timestamp) {
    profile.exists = true;
    match step {
        Step::RevokeAccess(RevokeAccess { level, .. }) => {
            let of_level = profile.levels.iter_mut().filter(|shown| &shown.level == level);
            of_level.for_each(|shown| shown.until = shown.until.min(Until::At(now)));
        }
        Step::GrantAccess(grant) => {
            profile.levels.retain(|shown| shown.level != grant.level);
            profile.levels.push(shown(grant));
        }
        // a refund takes what its sale carries
        Step::ReportSale(report) if matches!(report.event, SaleEvent::Refunded(_)) => {
            for shown in &mut profile.levels {
                if shown.transaction_id.as_ref().is_some_and(|id| report.sale.has_id(id)) {
                    shown.until = shown.until.min(Until::At(now));
                }
            }
        }
        Step::SetAttributes(_) | Step::ReportSale(_) => {}
    }
}

fn shown(grant: &GrantAccess) -> ActualLevel {
    // without a sale the destination fills in words of its own
    let sent = |words: String, own: &str| Some(if grant.is_bare() { own.to_owned() } else { words });
    let ids = match &grant.sale.status {
        Some(status) => [status.id.clone(), status.original.clone()],
        None => [grant.sale.id.clone(), grant.sale.original.clone()],
    };
    let [id, original] = ids;
    ActualLevel {
        level: grant.level.clone(),
        until: grant.until,
        starts_at: grant.starts_at,
        store: Some(grant.store.clone()),
        product: sent(grant.sale.product.clone(), BARE.1),
        transaction_id: sent(id, "its-own"),
        original_transaction_id: sent(original, "its-own"),
        will_renew: None,
        in_grace: false,
        billing_issue: false,
    }
}

/// Writes a planned step down, as the store does: what was dropped is intended once more, the rest stays.
pub(super) fn intend(ledger: &mut Ledger, planned: &PlannedStep, now: Timestamp) {
    let state = State::Intended { attempts: 0, due: now };
    let next = ledger.entries.iter().map(|entry| entry.seq).max().unwrap_or(0) + 1;
    match ledger.entries.iter_mut().find(|entry| entry.key == planned.key) {
        Some(entry) if matches!(entry.state, State::Dropped { .. }) => entry.state = state,
        Some(_) => {}
        None => {
            ledger.entries.push(Entry { seq: next, key: planned.key.clone(), step: planned.step.clone(), state });
        }
    }
}

/// Settles the entries that `plan` confirms or drops, and intends its first step, as a round of execution does.
pub(super) fn write_down(ledger: &mut Ledger, plan: &Plan, now: Timestamp) {
    for entry in ledger.entries.iter_mut().filter(|entry| matches!(entry.state, State::Intended { .. })) {
        if plan.settled.contains(&entry.key) {
            entry.state = State::Confirmed { at: now };
        } else if plan.dropped.contains(&entry.key) {
            entry.state = State::Dropped { at: now };
        }
    }
    plan.steps.first().into_iter().for_each(|planned| intend(ledger, planned, now));
}

/// What became of the entry under `key`.
pub(super) fn settle(ledger: &mut Ledger, key: &StepKey, state: State) {
    ledger.entries.iter_mut().find(|entry| &entry.key == key).unwrap().state = state;
}

/// Executes the plan of `case`: all its steps arrive and are confirmed. Answers them, in order.
pub(super) fn execute(case: &mut Case) -> Vec<PlannedStep> {
    let mut sent = Vec::new();
    for _ in 0..16 {
        let plan = decide(case);
        write_down(&mut case.ledger, &plan, case.now);
        let Some(planned) = plan.steps.into_iter().next() else { return sent };
        show(&mut case.profile, &planned.step, case.now);
        settle(&mut case.ledger, &planned.key, State::Confirmed { at: case.now });
        sent.push(planned);
    }
    panic!("execution comes to no end: {sent:?}");
}

/// Executes the plan of `case`, and answers the first decision.
pub(super) fn carry_out(case: &mut Case) -> Plan {
    let plan = decide(case);
    execute(case);
    plan
}

/// The case after its plan was carried out, at another time and with other subscriptions.
pub(super) fn later(mut case: Case, now: Timestamp, subscriptions: impl IntoIterator<Item = Subscription>) -> Case {
    carry_out(&mut case);
    case.now = now;
    case.billing.subscriptions = subscriptions.into_iter().collect();
    case
}

/// A right of the App Store on the profile.
pub(super) fn foreign(name: &str, until: Until) -> ActualLevel {
    ActualLevel {
        level: level(name),
        until,
        starts_at: None,
        store: Some("app_store".into()),
        product: Some("ios".into()),
        transaction_id: Some("2000000123".into()),
        original_transaction_id: Some("2000000001".into()),
        will_renew: None,
        in_grace: false,
        billing_issue: false,
    }
}

/// The one right that is expected.
pub(super) fn entitled(case: &Case) -> Entitlement {
    let mut expected = decide(case).expected.entitlements;
    assert_eq!(expected.len(), 1, "{expected:?}");
    expected.remove(0)
}

/// Until when the only right is expected, with its reason as a sentence.
pub(super) fn until(case: &Case) -> (Timestamp, String) {
    let right = entitled(case);
    (right.until.at().unwrap(), right.because.to_string())
}

/// Nothing is expected, for these reasons.
pub(super) fn withheld(case: &Case) -> Vec<String> {
    let expected = decide(case).expected;
    assert_eq!(expected.entitlements, vec![]);
    expected.withheld.iter().map(|no| no.because.to_string()).collect()
}

/// The steps that execution sends, as `grant premium until …` or `revoke premium as refund`.
pub(super) fn steps(case: &Case) -> Vec<String> {
    execute(&mut case.clone()).iter().map(|planned| step(&planned.step)).collect()
}

fn step(step: &Step) -> String {
    match step {
        Step::GrantAccess(grant) => format!("grant {} until {} by {}", grant.level, grant.until, grant.sale.id),
        Step::RevokeAccess(RevokeAccess { level, refund: Refund::Yes }) => format!("revoke {level} as refund"),
        Step::RevokeAccess(RevokeAccess { level, refund: Refund::No }) => format!("revoke {level}"),
        Step::ReportSale(report) => {
            let event = match report.event {
                SaleEvent::Sold | SaleEvent::Changed => "",
                SaleEvent::Refunded(_) => " as refund",
                SaleEvent::Ended(_) => " as ended",
            };
            format!("report {}{event}", report.sale.id)
        }
        Step::SetAttributes(set) => {
            let attributes = set.attributes.iter().filter(|_| !set.deletes_only);
            let attributes = attributes.map(|(name, value)| format!("{name}={}", value.as_str()));
            let gone = set.gone.iter().map(|name| format!("no {name}"));
            format!("set {}", attributes.chain(gone).collect::<Vec<_>>().join(" "))
        }
    }
}

/// The notes, as sentences.
pub(super) fn notes(case: &Case) -> Vec<String> {
    decide(case).notes.iter().map(|note| note.because.to_string()).collect()
}
