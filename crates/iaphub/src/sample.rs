//! What the tests read and report: one app, one user, one sale.

use std::collections::BTreeMap;
use std::time::Duration;

use entitlement::model::access_level::AccessLevel;
use entitlement::model::clock::Timestamp;
use entitlement::model::money::Money;
use entitlement::model::sale::{Sale, SaleStatus};
use entitlement::model::step::{ReportSale, SaleEvent};
use entitlement::model::until::Until;
use entitlement::model::user::User;
use wire::client::Client;
use wire::upstream::Upstream;

use crate::iaphub::Iaphub;

pub(crate) fn iaphub() -> Iaphub {
    let setup = crate::setup::setup("https://api.iaphub.com", "app_1", "key", 5, Duration::from_secs(1));
    let upstream = Upstream::new(&Client::new().unwrap(), setup).unwrap();
    Iaphub::new(upstream, "app_1", "production", BTreeMap::new())
}

pub(crate) fn user() -> User {
    User::new("u-1").unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The second month of `sub_1`, paid in February by `in_2`.
pub(crate) fn report(event: SaleEvent) -> ReportSale {
    let end = Until::At(at("2026-03-01T00:00:00Z"));
    let status = SaleStatus {
        id: "in_2".into(),
        original: "sub_1".into(),
        bought_at: at("2026-02-01T00:00:10Z"),
        chain_began_at: at("2026-01-01T00:00:10Z"),
        paid_until: end,
        renews: true,
        stopped_at: None,
        stop: None,
        payment_failed_at: None,
        grace_until: None,
        country: None,
        variation: None,
    };
    let sale = Sale {
        original: "sub_1".into(),
        id: "in_2".into(),
        product: "prod_1".into(),
        base_plan: "price_1".into(),
        price: Some(Money { minor: 999, currency: "eur".into() }),
        offer: None,
        status: Some(Box::new(status)),
    };
    ReportSale {
        level: AccessLevel("premium".into()),
        until: end,
        starts_at: None,
        store: "stripe".into(),
        sale,
        sandbox: true,
        event,
    }
}

pub(crate) fn status(report: &mut ReportSale) -> &mut SaleStatus {
    report.sale.status.as_mut().unwrap()
}
