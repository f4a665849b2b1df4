//! What the books are to be told beside grants and revokes: what was paid for and opens nothing, since another right to
//! the level lasts longer, and what was refunded where no revoke is left to tell it. Where books alone are kept
//! ([`Protocol::SalesOnly`]) nothing else tells them, so that they are to hear of every sale, and of its end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;

use crate::booked::{booked, ids};
use crate::clock::{Timestamp, after};
use crate::decide::Case;
use crate::ledger::{Entry, State};
use crate::names::Mode;
use crate::plan::{
    Entitlement, GrantAccess, Note, Plan, PlannedStep, Refund, ReportSale, Sale, SaleEvent, SaleStatus, Step,
};
use crate::reason::Reason;
use crate::reconcile::{enqueue, next_link, sync_again_at};
use crate::rules::Protocol;
use crate::same::sold_alike;

/// What the books know a sale by: its id, and its product.
type SaleKey = (String, String);

/// What they were told of it last.
struct Known<'a> {
    grant: &'a GrantAccess,
    /// They have it for certain.
    confirmed: bool,
    word: SaleEvent,
}

/// Adds to `plan`, before all else, what the books are to be told; a grant that follows has the last word on its level.
pub(crate) fn report(case: &Case, plan: &mut Plan) {
    let is_sure = plan.expected.unknown.iter().all(|unsure| unsure.chain.is_some());
    let wanted = if case.rules.protocol.keeps_books() && is_sure { wanted(case, plan) } else { Vec::new() };
    let steps = std::mem::take(&mut plan.steps);
    let keys: Vec<_> = wanted.into_iter().map(|(report, because)| add(case, report, because, plan)).collect();
    if !plan.steps.is_empty() && case.rules.protocol == Protocol::SalesAndAccess {
        // what the books were told may show in the levels
        sync_again_at(plan, after(case.now, case.rules.policy.lag().max(Duration::seconds(1))));
    }
    plan.steps.extend(steps);
    let open = in_turn(case).into_iter().filter(|entry| matches!(entry.step, Step::ReportSale(_)) && is_open(entry));
    plan.dropped.extend(open.map(|entry| &entry.key).filter(|key| !keys.contains(key)).cloned());
}

fn add(case: &Case, report: ReportSale, because: Reason, plan: &mut Plan) -> crate::key::StepKey {
    let (level, step) = (report.grant.level.clone(), Step::ReportSale(report));
    let subject = step.subject().to_owned();
    let mut entries: Vec<&Entry> = case.ledger.on(&subject).collect();
    entries.sort_by_key(|entry| entry.seq);
    let last = entries.iter().rev().find(|entry| entry.confirmed_at().is_some()).copied();
    let (previous, key) = next_link(&case.rules, &case.profile.user, &entries, &step, last);
    let planned = PlannedStep { key: key.clone(), previous, step, because, attempts: 0 };
    let waits = enqueue(planned, &entries, case.now, plan);
    plan.notes.extend(waits.map(|because| Note { level, because }));
    key
}

/// Each sale once, in order.
fn wanted(case: &Case, plan: &Plan) -> Vec<(ReportSale, Reason)> {
    let known = known(case, plan);
    let mut wanted: BTreeMap<SaleKey, (ReportSale, Reason)> = BTreeMap::new();
    let mut sold = BTreeSet::new();
    for (right, beside) in rights(plan) {
        let sale = as_booked(plan, &known, right);
        let key = key_of(&sale);
        // what the books know under one id is one sale, and that of the right that opens the level
        if !sold.insert(key.clone()) {
            continue;
        }
        if let Some(grant) = unheard(case, plan, &known, right, sale, beside) {
            wanted.insert(key, (ReportSale::of(grant, SaleEvent::Sold), right.because.clone()));
        }
    }
    for (sale, told) in &known {
        if let Some(because) = refund_unheard(case, plan, sale, told) {
            wanted.insert(sale.clone(), (ReportSale::of(told.grant.clone(), SaleEvent::Refunded(case.now)), because));
        } else if let Some((at, because)) = end_unheard(case, plan, &known, sale, told) {
            wanted.insert(sale.clone(), (ReportSale::of(told.grant.clone(), SaleEvent::Ended(at)), because));
        } else if let Some((grant, because)) = stop_unheard(case, plan, &known, sale, told) {
            wanted.insert(sale.clone(), (ReportSale::of(grant, SaleEvent::Sold), because));
        }
    }
    wanted.into_values().collect()
}

/// All that is paid for, and whether another right to the level lasts longer.
fn rights(plan: &Plan) -> impl Iterator<Item = (&Entitlement, bool)> {
    let behind = |right: &Entitlement| {
        let lasts = |note: &Note| note.level == right.level && matches!(note.because, Reason::OtherStoreLasts { .. });
        plan.notes.iter().any(lasts)
    };
    let owed = plan.expected.owed.iter().map(move |right| (right, behind(right)));
    owed.chain(plan.expected.beside.iter().map(|right| (right, true)))
}

/// The grant that would tell of `right` as `sale`, where no step does and the books do not know it as it is.
fn unheard(
    case: &Case,
    plan: &Plan,
    known: &BTreeMap<SaleKey, Known<'_>>,
    right: &Entitlement,
    sale: Sale,
    beside: bool,
) -> Option<GrantAccess> {
    let key = key_of(&sale);
    if sale.is_promotion() || sale.price.is_none() || sale.status.is_none() {
        return None;
    }
    let heard = known.get(&key).filter(|told| told.confirmed);
    let was_refunded = heard.is_some_and(|told| matches!(told.word, SaleEvent::Refunded(_)));
    let renews = |of: &Sale| of.status.as_ref().is_some_and(|status| status.renews);
    let was_stopped = renews(&sale) && heard.is_some_and(|told| !renews(&told.grant.sale));
    let is_as_told = heard.is_some_and(|told| told.word == SaleEvent::Sold && sold_alike(&told.grant.sale, &sale));
    let no_other_tells = beside || was_refunded || was_stopped || case.rules.protocol == Protocol::SalesOnly;
    if is_as_told || !no_other_tells || is_told_by(case, plan, &key) {
        return None;
    }
    // what was told as refunded may be so still while nobody can say
    if was_refunded && plan.expected.refunds_unread.is_some() {
        return None;
    }
    Some(GrantAccess {
        level: right.level.clone(),
        until: right.until,
        starts_at: right.starts_at,
        store: case.rules.store.clone(),
        sale,
        sandbox: case.rules.mode == Mode::Test,
        refunded: None,
    })
}

/// The transaction of `right` under the ids that the books know it by.
fn as_booked(plan: &Plan, known: &BTreeMap<SaleKey, Known<'_>>, right: &Entitlement) -> Sale {
    let others = rights(plan).filter(|(other, _)| *other != right).map(|(other, _)| &other.sale);
    booked(&right.sale, known.values().map(|told| told.grant), &others.collect::<Vec<_>>())
}

/// When and why the last sale of its chain is over, where the books alone are told, and do not know it.
fn end_unheard(
    case: &Case,
    plan: &Plan,
    known: &BTreeMap<SaleKey, Known<'_>>,
    sale_of: &SaleKey,
    told: &Known<'_>,
) -> Option<(Timestamp, Reason)> {
    let of = &told.grant.sale;
    if case.rules.protocol != Protocol::SalesOnly || told.word != SaleEvent::Sold || !is_last(known, of) {
        return None;
    }
    let level = &told.grant.level;
    if may_go_on(plan, known, sale_of, told) {
        return None;
    }
    let no = plan.expected.withheld.iter().find(|no| (&no.level, &no.chain) == (level, &of.original));
    let because = no.map_or(Reason::NothingGivesIt, |no| no.because.clone());
    let status = of.status.as_ref()?;
    let was_to_end = status.grace_until.or(status.paid_until.at());
    let ended = no.and_then(|no| no.ended.as_ref()?.status.as_ref()?.paid_until.at());
    let end = [was_to_end, ended].into_iter().flatten().fold(case.now, Timestamp::min);
    Some((end, because))
}

/// What was told, as it renews no more, and why: where it ended before its time and no revoke tells that, since another
/// right to the level, of a store or of ours, goes on.
fn stop_unheard(
    case: &Case,
    plan: &Plan,
    known: &BTreeMap<SaleKey, Known<'_>>,
    sale_of: &SaleKey,
    told: &Known<'_>,
) -> Option<(GrantAccess, Reason)> {
    let GrantAccess { level, sale: of, .. } = told.grant;
    let status = of.status.as_ref().filter(|status| status.renews)?;
    if case.rules.protocol != Protocol::SalesAndAccess
        || told.word != SaleEvent::Sold
        || !told.confirmed
        || !is_last(known, of)
    {
        return None;
    }
    let no = plan.expected.withheld.iter().find(|no| (&no.level, &no.chain) == (level, &of.original))?;
    let ended = no.ended.as_ref()?.status.as_ref()?;
    let waits = |note: &Note| &note.level == level && matches!(note.because, Reason::WaitsForProfile);
    if is_told_by(case, plan, sale_of) || plan.notes.iter().any(waits) || may_go_on(plan, known, sale_of, told) {
        return None;
    }
    let (stopped_at, stop) = (ended.stopped_at, ended.stop);
    let status = SaleStatus { renews: false, stopped_at, stop, grace_until: None, ..(**status).clone() };
    let sale = Sale { status: Some(Box::new(status)), ..of.clone() };
    Some((GrantAccess { sale, refunded: None, ..told.grant.clone() }, no.because.clone()))
}

/// Whether what was told is owed still, as it is or as what follows it, or nobody can say.
fn may_go_on(plan: &Plan, known: &BTreeMap<SaleKey, Known<'_>>, sale_of: &SaleKey, told: &Known<'_>) -> bool {
    let of = &told.grant.sale;
    let goes_on = |right: &Entitlement| {
        let now = as_booked(plan, known, right);
        is_of_one_chain(&now, of) || ids(&now).0 == sale_of.0
    };
    let is_unsure = plan.expected.unknown.iter().any(|unsure| unsure.concerns(&told.grant.level, &of.original));
    is_unsure || rights(plan).any(|(right, _)| goes_on(right))
}

/// Whether the books were told of nothing later on the chain of `of`.
fn is_last(known: &BTreeMap<SaleKey, Known<'_>>, of: &Sale) -> bool {
    let place = |of: &Sale| (of.status.as_ref().map(|of| (of.bought_at, of.paid_until)), of.id != of.original);
    let mut of_chain = known.values().map(|told| &told.grant.sale).filter(|other| is_of_one_chain(other, of));
    of_chain.all(|other| place(other) <= place(of))
}

/// Whether one follows the other: a chain sells each of its products by itself.
fn is_of_one_chain(one: &Sale, other: &Sale) -> bool {
    (ids(one).1, &one.product) == (ids(other).1, &other.product)
}

/// Why the money of what was told went back, where the books do not know it and nothing else tells them.
fn refund_unheard(case: &Case, plan: &Plan, sale: &SaleKey, told: &Known<'_>) -> Option<Reason> {
    let of = &told.grant.sale;
    let back = plan.expected.refund_of(of)?;
    let is_heard = matches!(told.word, SaleEvent::Refunded(_)) || !told.confirmed;
    if is_heard || of.price.is_none() || of.status.is_none() || is_told_by(case, plan, sale) {
        return None;
    }
    // what may give a right stays as it is
    let level = &told.grant.level;
    if plan.expected.unknown.iter().any(|unsure| unsure.concerns(level, &of.original)) {
        return None;
    }
    // the revoke of what it gives tells it, unless one is made that tells of another
    let is_owed = plan.expected.owed.iter().any(|right| &right.level == level);
    let revokes =
        |planned: &PlannedStep| matches!(planned.step, Step::RevokeAccess(_)) && planned.step.level() == Some(level);
    let is_taken = plan.steps.iter().any(revokes);
    let shown = case.profile.level(level).filter(|shown| shown.runs(case.now));
    let gives = shown.and_then(|shown| shown.transaction_id.as_ref()).is_some_and(|id| of.is_shown_as(id));
    (is_owed || is_taken || !gives).then(|| back.because.clone())
}

/// Whether a step of the plan tells of `sale`, as the ledger will remember it: an entry that is open stays as it is.
fn is_told_by(case: &Case, plan: &Plan, sale_of: &SaleKey) -> bool {
    let kept = |planned: &'_ PlannedStep| case.ledger.entries.iter().find(|entry| entry.key == planned.key);
    let mut told = plan.steps.iter().flat_map(|planned| match kept(planned) {
        Some(entry) => said(&entry.step),
        None => said(&planned.step),
    });
    told.any(|(grant, _)| key_of(&grant.sale) == *sale_of)
}

/// The sales that `step` tells of, and what it says of them, in the order of telling.
fn said(step: &Step) -> Vec<(&GrantAccess, SaleEvent)> {
    match step {
        Step::GrantAccess(grant) => {
            let refunded = grant.refunded.as_ref().map(|refunded| (&*refunded.grant, SaleEvent::Refunded(refunded.at)));
            refunded.into_iter().chain([(grant, SaleEvent::Sold)]).collect()
        }
        Step::RevokeAccess(revoke) => {
            // one word is told: that the money went back says that it ended, too
            let refunded =
                revoke.refunded.as_ref().map(|refunded| (&*refunded.grant, SaleEvent::Refunded(refunded.at)));
            refunded.or(revoke.ended.as_ref().map(|ended| (&**ended, SaleEvent::Sold))).into_iter().collect()
        }
        Step::ReportSale(report) => vec![(&*report.grant, report.word())],
        Step::SetAttributes(_) => Vec::new(),
    }
}

/// All entries in the order in which they were intended.
fn in_turn(case: &Case) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = case.ledger.entries.iter().collect();
    entries.sort_by_key(|entry| entry.seq);
    entries
}

/// What was told of each sale last, as it stands after `plan`. A report that is open or refused is wanted still; any other
/// step tells, or waits to.
fn known<'a>(case: &'a Case, plan: &Plan) -> BTreeMap<SaleKey, Known<'a>> {
    let mut known: BTreeMap<SaleKey, Known<'_>> = BTreeMap::new();
    for entry in in_turn(case) {
        let confirmed = entry.confirmed_at().is_some() || plan.settled.contains(&entry.key);
        let counts = match entry.state {
            State::Confirmed { .. } => true,
            State::Intended { .. } | State::Refused { .. } => {
                !matches!(entry.step, Step::ReportSale(_)) && !plan.dropped.contains(&entry.key)
            }
            State::Dropped { .. } => false,
        };
        for (grant, word) in said(&entry.step).into_iter().filter(|(grant, _)| counts && !grant.is_bare()) {
            let before = known.get(&key_of(&grant.sale)).is_some_and(|told| told.confirmed);
            known.insert(key_of(&grant.sale), Known { grant, confirmed: confirmed || before, word });
        }
        taken_by_v1(entry, counts, case.now, &mut known);
    }
    known
}

/// A revoke that names no sale told the refund of whatever gave the level.
fn taken_by_v1(entry: &Entry, counts: bool, now: Timestamp, known: &mut BTreeMap<SaleKey, Known<'_>>) {
    let Step::RevokeAccess(revoke) = &entry.step else { return };
    if counts && revoke.refund == Refund::Yes && revoke.refunded.is_none() {
        known
            .values_mut()
            .filter(|told| told.grant.level == revoke.level)
            .for_each(|told| told.word = SaleEvent::Refunded(now));
    }
}

fn key_of(of: &Sale) -> SaleKey {
    (ids(of).0, of.product.clone())
}

fn is_open(entry: &Entry) -> bool {
    matches!(entry.state, State::Intended { .. })
}
