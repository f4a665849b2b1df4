//! What `check` asks of Stripe: the key, the webhook endpoints, what is sold. Nothing is written.

pub mod endpoints;
pub mod permissions;
pub mod prices;

mod bridges;
mod catalog;
mod key;
mod webhooks;

use entitlement::model::finding::{Area, CheckInput, Finding};

use crate::account::SOURCE;
use crate::client::Stripe;

/// The areas that are seen through the key; the key's own first.
#[must_use]
pub fn areas() -> [Area; 5] {
    [area(), Area::Webhooks, Area::Catalog, Area::Clock, Area::Bridge]
}

impl Stripe {
    /// Looks at everything that is seen through the key.
    pub async fn check(&self, input: &CheckInput<'_>) -> Vec<Finding> {
        let (mut findings, usable) = key::check(self, input.catalog.sells_once(), input.clock).await;
        if !usable {
            let [_, behind_it @ ..] = areas();
            findings.extend(behind_it.map(|area| Finding::unchecked(area, "the key could not be used")));
            return findings;
        }
        let (webhooks, catalog) =
            tokio::join!(webhooks::check(self, input.reports_sales), catalog::check(self, input.catalog));
        findings.extend(webhooks);
        findings.extend(catalog);
        findings
    }
}

fn area() -> Area {
    Area::Source(SOURCE.to_owned())
}
