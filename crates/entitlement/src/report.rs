//! What the books are to be told beside grants and revokes: what was paid for and opens nothing, since another right to
//! the level lasts longer, and what was refunded where no revoke is left to tell it. Where books alone are kept
//! ([`Told::Sales`]) nothing else tells them, so that they are to hear of every sale, and of its end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;

use crate::booked::{booked, ids};
use crate::clock::{Timestamp, after};
use crate::decide::Case;
use crate::ledger::{Entry, State};
use crate::names::Mode;
use crate::plan::{Entitlement, Grant, Note, Plan, Planned, Refund, Report, Standing, Step, Transaction, Word};
use crate::reason::Reason;
use crate::reconcile::{enqueue, look_again, next_link};
use crate::rules::Told;
use crate::same::sold_alike;

/// What the books know a sale by: its id, and its product.
type Sale = (String, String);

/// What they were told of it last.
struct Known<'a> {
    grant: &'a Grant,
    /// They have it for certain.
    confirmed: bool,
    word: Word,
}

/// Adds to `plan`, before all else, what the books are to be told; a grant that follows has the last word on its level.
pub(crate) fn report(case: &Case, plan: &mut Plan) {
    let is_sure = plan.verdict.unsure.iter().all(|unsure| unsure.chain.is_some());
    let wanted = if case.rules.told.keeps_books() && is_sure { wanted(case, plan) } else { Vec::new() };
    let steps = std::mem::take(&mut plan.steps);
    let keys: Vec<_> = wanted.into_iter().map(|(report, because)| add(case, report, because, plan)).collect();
    if !plan.steps.is_empty() && case.rules.told == Told::Standing {
        // what the books were told may show in the levels
        look_again(plan, after(case.now, case.rules.policy.lag().max(Duration::seconds(1))));
    }
    plan.steps.extend(steps);
    let open = in_turn(case).into_iter().filter(|entry| matches!(entry.step, Step::Report(_)) && is_open(entry));
    plan.moot.extend(open.map(|entry| &entry.key).filter(|key| !keys.contains(key)).cloned());
}

fn add(case: &Case, report: Report, because: Reason, plan: &mut Plan) -> crate::key::StepKey {
    let (level, step) = (report.grant.level.clone(), Step::Report(report));
    let subject = step.subject().to_owned();
    let mut entries: Vec<&Entry> = case.ledger.on(&subject).collect();
    entries.sort_by_key(|entry| entry.seq);
    let last = entries.iter().rev().find(|entry| entry.confirmed_at().is_some()).copied();
    let (previous, key) = next_link(&case.rules, &case.profile.customer, &entries, &step, last);
    let planned = Planned { key: key.clone(), previous, step, because, attempts: 0 };
    let waits = enqueue(planned, &entries, case.now, plan);
    plan.notes.extend(waits.map(|because| Note { level, because }));
    key
}

/// Each sale once, in order.
fn wanted(case: &Case, plan: &Plan) -> Vec<(Report, Reason)> {
    let known = known(case, plan);
    let mut wanted: BTreeMap<Sale, (Report, Reason)> = BTreeMap::new();
    let mut sold = BTreeSet::new();
    for (right, beside) in rights(plan) {
        let transaction = as_booked(plan, &known, right);
        let sale = sale(&transaction);
        // what the books know under one id is one sale, and that of the right that opens the level
        if !sold.insert(sale.clone()) {
            continue;
        }
        if let Some(grant) = unheard(case, plan, &known, right, transaction, beside) {
            wanted.insert(sale, (Report::of(grant, Word::Sold), right.because.clone()));
        }
    }
    for (sale, told) in &known {
        if let Some(because) = refund_unheard(case, plan, sale, told) {
            wanted.insert(sale.clone(), (Report::of(told.grant.clone(), Word::Refunded(case.now)), because));
        } else if let Some((at, because)) = end_unheard(case, plan, &known, sale, told) {
            wanted.insert(sale.clone(), (Report::of(told.grant.clone(), Word::Ended(at)), because));
        } else if let Some((grant, because)) = stop_unheard(case, plan, &known, sale, told) {
            wanted.insert(sale.clone(), (Report::of(grant, Word::Sold), because));
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
    let owed = plan.verdict.owed.iter().map(move |right| (right, behind(right)));
    owed.chain(plan.verdict.beside.iter().map(|right| (right, true)))
}

/// The grant that would tell of `right` as `transaction`, where no step does and the books do not know it as it is.
fn unheard(
    case: &Case,
    plan: &Plan,
    known: &BTreeMap<Sale, Known<'_>>,
    right: &Entitlement,
    transaction: Transaction,
    beside: bool,
) -> Option<Grant> {
    let sale = sale(&transaction);
    if transaction.is_promotion() || transaction.price.is_none() || transaction.standing.is_none() {
        return None;
    }
    let heard = known.get(&sale).filter(|told| told.confirmed);
    let was_refunded = heard.is_some_and(|told| matches!(told.word, Word::Refunded(_)));
    let renews = |of: &Transaction| of.standing.as_ref().is_some_and(|standing| standing.renews);
    let was_stopped = renews(&transaction) && heard.is_some_and(|told| !renews(&told.grant.transaction));
    let is_as_told =
        heard.is_some_and(|told| told.word == Word::Sold && sold_alike(&told.grant.transaction, &transaction));
    let no_other_tells = beside || was_refunded || was_stopped || case.rules.told == Told::Sales;
    if is_as_told || !no_other_tells || is_told_by(case, plan, &sale) {
        return None;
    }
    // what was told as refunded may be so still while nobody can say
    if was_refunded && plan.verdict.refunds_unread.is_some() {
        return None;
    }
    Some(Grant {
        level: right.level.clone(),
        until: right.until,
        starts_at: right.starts_at,
        store: case.rules.store.clone(),
        transaction,
        sandbox: case.rules.mode == Mode::Test,
        refunded: None,
    })
}

/// The transaction of `right` under the ids that the books know it by.
fn as_booked(plan: &Plan, known: &BTreeMap<Sale, Known<'_>>, right: &Entitlement) -> Transaction {
    let others = rights(plan).filter(|(other, _)| *other != right).map(|(other, _)| &other.transaction);
    booked(&right.transaction, known.values().map(|told| told.grant), &others.collect::<Vec<_>>())
}

/// When and why the last sale of its chain is over, where the books alone are told, and do not know it.
fn end_unheard(
    case: &Case,
    plan: &Plan,
    known: &BTreeMap<Sale, Known<'_>>,
    sale_of: &Sale,
    told: &Known<'_>,
) -> Option<(Timestamp, Reason)> {
    let of = &told.grant.transaction;
    if case.rules.told != Told::Sales || told.word != Word::Sold || !is_last(known, of) {
        return None;
    }
    let level = &told.grant.level;
    if may_go_on(plan, known, sale_of, told) {
        return None;
    }
    let no = plan.verdict.withheld.iter().find(|no| (&no.level, &no.chain) == (level, &of.original));
    let because = no.map_or(Reason::NothingGivesIt, |no| no.because.clone());
    let standing = of.standing.as_ref()?;
    let was_to_end = standing.grace_until.or(standing.paid_until.at());
    let ended = no.and_then(|no| no.ended.as_ref()?.standing.as_ref()?.paid_until.at());
    let end = [was_to_end, ended].into_iter().flatten().fold(case.now, Timestamp::min);
    Some((end, because))
}

/// What was told, as it renews no more, and why: where it ended before its time and no revoke tells that, since another
/// right to the level, of a store or of ours, goes on.
fn stop_unheard(
    case: &Case,
    plan: &Plan,
    known: &BTreeMap<Sale, Known<'_>>,
    sale_of: &Sale,
    told: &Known<'_>,
) -> Option<(Grant, Reason)> {
    let Grant { level, transaction: of, .. } = told.grant;
    let standing = of.standing.as_ref().filter(|standing| standing.renews)?;
    if case.rules.told != Told::Standing || told.word != Word::Sold || !told.confirmed || !is_last(known, of) {
        return None;
    }
    let no = plan.verdict.withheld.iter().find(|no| (&no.level, &no.chain) == (level, &of.original))?;
    let ended = no.ended.as_ref()?.standing.as_ref()?;
    let waits = |note: &Note| &note.level == level && matches!(note.because, Reason::WaitsForProfile);
    if is_told_by(case, plan, sale_of) || plan.notes.iter().any(waits) || may_go_on(plan, known, sale_of, told) {
        return None;
    }
    let (stopped_at, stop) = (ended.stopped_at, ended.stop);
    let standing = Standing { renews: false, stopped_at, stop, grace_until: None, ..(**standing).clone() };
    let transaction = Transaction { standing: Some(Box::new(standing)), ..of.clone() };
    Some((Grant { transaction, refunded: None, ..told.grant.clone() }, no.because.clone()))
}

/// Whether what was told is owed still, as it is or as what follows it, or nobody can say.
fn may_go_on(plan: &Plan, known: &BTreeMap<Sale, Known<'_>>, sale_of: &Sale, told: &Known<'_>) -> bool {
    let of = &told.grant.transaction;
    let goes_on = |right: &Entitlement| {
        let now = as_booked(plan, known, right);
        is_of_one_chain(&now, of) || ids(&now).0 == sale_of.0
    };
    let is_unsure = plan.verdict.unsure.iter().any(|unsure| unsure.concerns(&told.grant.level, &of.original));
    is_unsure || rights(plan).any(|(right, _)| goes_on(right))
}

/// Whether the books were told of nothing later on the chain of `of`.
fn is_last(known: &BTreeMap<Sale, Known<'_>>, of: &Transaction) -> bool {
    let place = |of: &Transaction| (of.standing.as_ref().map(|of| (of.bought_at, of.paid_until)), of.id != of.original);
    let mut of_chain = known.values().map(|told| &told.grant.transaction).filter(|other| is_of_one_chain(other, of));
    of_chain.all(|other| place(other) <= place(of))
}

/// Whether one follows the other: a chain sells each of its products by itself.
fn is_of_one_chain(one: &Transaction, other: &Transaction) -> bool {
    (ids(one).1, &one.product) == (ids(other).1, &other.product)
}

/// Why the money of what was told went back, where the books do not know it and nothing else tells them.
fn refund_unheard(case: &Case, plan: &Plan, sale: &Sale, told: &Known<'_>) -> Option<Reason> {
    let of = &told.grant.transaction;
    let back = plan.verdict.refund_of(of)?;
    let is_heard = matches!(told.word, Word::Refunded(_)) || !told.confirmed;
    if is_heard || of.price.is_none() || of.standing.is_none() || is_told_by(case, plan, sale) {
        return None;
    }
    // what may give a right stays as it is
    let level = &told.grant.level;
    if plan.verdict.unsure.iter().any(|unsure| unsure.concerns(level, &of.original)) {
        return None;
    }
    // the revoke of what it gives tells it, unless one is made that tells of another
    let is_owed = plan.verdict.owed.iter().any(|right| &right.level == level);
    let revokes = |planned: &Planned| matches!(planned.step, Step::Revoke(_)) && planned.step.level() == Some(level);
    let is_taken = plan.steps.iter().any(revokes);
    let shown = case.profile.level(level).filter(|shown| shown.runs(case.now));
    let gives = shown.and_then(|shown| shown.transaction.as_ref()).is_some_and(|id| of.is_shown_as(id));
    (is_owed || is_taken || !gives).then(|| back.because.clone())
}

/// Whether a step of the plan tells of `sale`, as the ledger will remember it: an entry that is open stays as it is.
fn is_told_by(case: &Case, plan: &Plan, sale_of: &Sale) -> bool {
    let kept = |planned: &'_ Planned| case.ledger.entries.iter().find(|entry| entry.key == planned.key);
    let mut told = plan.steps.iter().flat_map(|planned| match kept(planned) {
        Some(entry) => said(&entry.step),
        None => said(&planned.step),
    });
    told.any(|(grant, _)| sale(&grant.transaction) == *sale_of)
}

/// The sales that `step` tells of, and what it says of them, in the order of telling.
fn said(step: &Step) -> Vec<(&Grant, Word)> {
    match step {
        Step::Grant(grant) => {
            let refunded = grant.refunded.as_ref().map(|refunded| (&*refunded.grant, Word::Refunded(refunded.at)));
            refunded.into_iter().chain([(grant, Word::Sold)]).collect()
        }
        Step::Revoke(revoke) => {
            // one word is told: that the money went back says that it ended, too
            let refunded = revoke.refunded.as_ref().map(|refunded| (&*refunded.grant, Word::Refunded(refunded.at)));
            refunded.or(revoke.ended.as_ref().map(|ended| (&**ended, Word::Sold))).into_iter().collect()
        }
        Step::Report(report) => vec![(&*report.grant, report.word())],
        Step::Describe(_) => Vec::new(),
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
fn known<'a>(case: &'a Case, plan: &Plan) -> BTreeMap<Sale, Known<'a>> {
    let mut known: BTreeMap<Sale, Known<'_>> = BTreeMap::new();
    for entry in in_turn(case) {
        let confirmed = entry.confirmed_at().is_some() || plan.seen.contains(&entry.key);
        let counts = match entry.state {
            State::Confirmed { .. } => true,
            State::Intended { .. } | State::Refused { .. } => {
                !matches!(entry.step, Step::Report(_)) && !plan.moot.contains(&entry.key)
            }
            State::Dropped { .. } => false,
        };
        for (grant, word) in said(&entry.step).into_iter().filter(|(grant, _)| counts && !grant.is_bare()) {
            let before = known.get(&sale(&grant.transaction)).is_some_and(|told| told.confirmed);
            known.insert(sale(&grant.transaction), Known { grant, confirmed: confirmed || before, word });
        }
        taken_by_v1(entry, counts, case.now, &mut known);
    }
    known
}

/// A revoke that names no sale told the refund of whatever gave the level.
fn taken_by_v1(entry: &Entry, counts: bool, now: Timestamp, known: &mut BTreeMap<Sale, Known<'_>>) {
    let Step::Revoke(revoke) = &entry.step else { return };
    if counts && revoke.refund == Refund::Yes && revoke.refunded.is_none() {
        known
            .values_mut()
            .filter(|told| told.grant.level == revoke.level)
            .for_each(|told| told.word = Word::Refunded(now));
    }
}

fn sale(of: &Transaction) -> Sale {
    (ids(of).0, of.product.clone())
}

fn is_open(entry: &Entry) -> bool {
    matches!(entry.state, State::Intended { .. })
}
