//! What the tests send: steps about one level, and one sale.

use entitlement::model::access_level::AccessLevel;
use entitlement::model::attributes::{AttributeName, AttributeValue, SetAttributes};
use entitlement::model::clock::Timestamp;
use entitlement::model::expected::Refund;
use entitlement::model::money::Money;
use entitlement::model::sale::{Sale, SaleStatus};
use entitlement::model::step::{GrantAccess, ReportSale, RevokeAccess, SaleEvent};
use entitlement::model::until::Until;
use entitlement::model::user::User;

use crate::sale_format::SaleFormat;

pub(crate) fn user(id: &str) -> User {
    User::new(id).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn premium() -> AccessLevel {
    AccessLevel("premium".into())
}

/// The end of the month that was sold.
pub(crate) fn end() -> Until {
    Until::At(at("2026-03-01T00:00:00Z"))
}

/// The second month of `sub_1`, paid in February by `in_2`.
fn sale() -> Sale {
    Sale {
        original: "sub_1".into(),
        id: "in_2".into(),
        product: "prod_1".into(),
        base_plan: "price_1".into(),
        price: Some(Money { minor: 999, currency: "eur".into() }),
        offer: None,
        status: None,
    }
}

/// How the subscription of [`sale`] stands: it renews.
fn renewing() -> SaleStatus {
    SaleStatus {
        id: "in_2".into(),
        original: "sub_1".into(),
        bought_at: at("2026-02-01T00:00:10Z"),
        chain_began_at: at("2026-01-01T00:00:10Z"),
        paid_until: end(),
        renews: true,
        stopped_at: None,
        stop: None,
        payment_failed_at: None,
        grace_until: None,
        country: None,
        variation: None,
    }
}

pub(crate) fn grant() -> GrantAccess {
    GrantAccess {
        level: premium(),
        until: end(),
        starts_at: None,
        store: "stripe".into(),
        sale: sale(),
        sandbox: false,
    }
}

pub(crate) fn revoke(refund: Refund) -> RevokeAccess {
    RevokeAccess { level: premium(), refund }
}

pub(crate) fn report(event: SaleEvent) -> ReportSale {
    let sale = Sale { status: Some(Box::new(renewing())), ..sale() };
    ReportSale::of(GrantAccess { sale, ..grant() }, event)
}

/// The status of what is reported.
pub(crate) fn status(report: &mut ReportSale) -> &mut SaleStatus {
    report.sale.status.as_mut().unwrap()
}

/// How v2 writes a sale.
pub(crate) fn format() -> SaleFormat {
    SaleFormat { with_price: false, country: "US".to_owned() }
}

/// `plan` is `team`.
pub(crate) fn attributes() -> SetAttributes {
    let name = AttributeName::parse("plan").unwrap();
    SetAttributes { attributes: [(name, AttributeValue::read("team"))].into(), ..SetAttributes::default() }
}
