//! Whether what was sent, what is wanted and what is shown are the same: the five answers, in one place.

use crate::model::content::Content;
use crate::model::profile::{ActualLevel, StoreSubscription};
use crate::model::sale::Sale;
use crate::model::step::{GrantAccess, ReportSale, Step};
use crate::model::until::Until;

/// Something that we sent and that may give a level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    /// The end that was sent.
    pub(crate) until: Until,
    pub(crate) sale: &'a Sale,
    pub(crate) store: &'a str,
    pub(crate) by: By,
}

/// How a level was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A grant that carries its sale.
    Grant,
    /// A grant of the level and its end alone.
    BareGrant,
    /// A report of its sale, whose product may bring the level.
    Report,
}

impl<'a> Given<'a> {
    pub(crate) fn by_grant(grant: &'a GrantAccess) -> Self {
        let by = if grant.is_bare() { By::BareGrant } else { By::Grant };
        Self { until: grant.until, sale: &grant.sale, store: &grant.store, by }
    }

    pub(crate) fn by_report(report: &'a ReportSale) -> Self {
        let until = report.sale.status.as_ref().map_or(report.until, |status| status.paid_until);
        Self { until, sale: &report.sale, store: &report.store, by: By::Report }
    }
}

/// Whether two steps send the same request.
pub(crate) fn is_same_request(one: &Step, other: &Step) -> bool {
    Content::of_step(one) == Content::of_step(other)
}

/// Whether `sent` gave all that `wanted` gives. What only one of the two protocols sends does not count, so that another
/// protocol sends nothing again.
pub(crate) fn grants_all(sent: &GrantAccess, wanted: &GrantAccess) -> bool {
    let is_same_access = (sent.until, sent.starts_at) == (wanted.until, wanted.starts_at);
    // who was given a level for nothing and then pays for it is reported as a payer
    let pays_now = sent.sale.is_promotion() && !wanted.sale.is_promotion();
    if !is_same_access || pays_now {
        return false;
    }
    if sent.is_bare() || wanted.is_bare() {
        return true;
    }
    let known = at_reported_price(without_news(wanted.sale.clone(), &sent.sale), &sent.sale);
    let is_same_place = (&sent.store, sent.sandbox) == (&wanted.store, wanted.sandbox);
    is_same_place && is_same_sale(&sent.sale, &known)
}

/// Whether `reported` says all that is to be reported of `sale`; what another protocol reported counts.
pub(crate) fn reports_all(reported: &Sale, sale: &Sale) -> bool {
    if reported.status.is_none() || sale.status.is_none() {
        return reported.id == sale.id;
    }
    let known = Sale { price: reported.price.clone(), ..without_news(sale.clone(), reported) };
    Content::of_sale(reported) == Content::of_sale(&known)
}

/// Whether `actual` is what `given` asks for, to the second.
pub(crate) fn shows(actual: &ActualLevel, given: Given<'_>) -> bool {
    let names_no_sale = given.by == By::BareGrant || actual.is_bare();
    let is_its_sale = actual.transaction_id.as_ref().is_none_or(|id| given.sale.has_id(id));
    actual.until.is_same_second(given.until) && (names_no_sale || is_its_sale)
}

/// Whether `actual` comes from `given`, or from another sale of its chain; `sold` is what the profile lists of stores.
pub(crate) fn comes_from(actual: &ActualLevel, given: Given<'_>, sold: &[StoreSubscription]) -> bool {
    if is_given_beside(actual, given, sold) {
        return true;
    }
    if actual.is_bare() {
        // the grants of others end elsewhere
        let was_granted_beside = match given.by {
            By::BareGrant => true,
            // the first edition granted beside the sales that it reported
            By::Grant => given.sale.status.is_some(),
            By::Report => false,
        };
        return was_granted_beside && actual.until.is_same_second(given.until);
    }
    match (&actual.original_transaction_id, &actual.transaction_id) {
        (Some(original), _) => given.sale.has_original_id(original),
        (None, Some(id)) => given.sale.has_id(id) || given.sale.has_original_id(id),
        (None, None) => given.by != By::BareGrant && actual.store.as_deref() == Some(given.store),
    }
}

/// What was granted beside the right of another store is shown under that store's ids, and with our end, which is not the
/// one of the store's subscription.
fn is_given_beside(actual: &ActualLevel, given: Given<'_>, sold: &[StoreSubscription]) -> bool {
    let has_our_end = given.by == By::BareGrant && actual.until.is_same_second(given.until);
    let mut shown = sold.iter().filter(|sold| sold.is_shown_by(actual));
    has_our_end && shown.any(|sold| !sold.until.is_same_second(actual.until))
}

/// The status counts only where both have one.
fn is_same_sale(sent: &Sale, wanted: &Sale) -> bool {
    let wanted = match (&sent.status, &wanted.status) {
        (Some(_), Some(_)) => wanted.clone(),
        (status, _) => Sale { status: status.clone(), ..wanted.clone() },
    };
    Content::of_sale(sent) == Content::of_sale(&wanted)
}

/// `sale` without what makes no report of its own after `reported`: a country that is not known any more, and of the same
/// sale its offer, its paywall, and why it was stopped. Whatever else makes a report carries these too.
fn without_news(mut sale: Sale, reported: &Sale) -> Sale {
    let is_same = has_same_ids(&sale, reported);
    if is_same {
        sale.offer.clone_from(&reported.offer);
    }
    let (Some(status), Some(before)) = (&mut sale.status, &reported.status) else { return sale };
    status.country = status.country.take().or_else(|| before.country.clone());
    if is_same {
        status.variation.clone_from(&before.variation);
    }
    if is_same && status.stopped_at == before.stopped_at {
        status.stop = before.stop;
    }
    sale
}

/// `sale` at the price that was reported before of the same sale: money is reported once.
fn at_reported_price(mut sale: Sale, reported: &Sale) -> Sale {
    if has_same_ids(&sale, reported) && sale.price.is_some() {
        sale.price = reported.price.clone().or(sale.price);
    }
    sale
}

fn has_same_ids(one: &Sale, other: &Sale) -> bool {
    (&one.id, &one.product) == (&other.id, &other.product)
}
