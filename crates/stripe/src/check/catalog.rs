//! The catalog against what Stripe sells.

use std::collections::BTreeMap;

use entitlement::model::catalog::{Catalog, Listed, Mapped, Sold};
use entitlement::model::failure::Failure;
use entitlement::model::finding::{Area, Finding, counted};

use crate::check::prices::{Billed, Price};
use crate::client::Stripe;

/// Prices that are named one by one.
const MOST_NAMED: usize = 50;
/// Entries that are looked up at Stripe one by one.
const MOST_ASKED: usize = 200;

pub(super) async fn check(stripe: &Stripe, catalog: &Catalog) -> Vec<Finding> {
    let mut listed = Vec::new();
    let mut findings = Vec::new();
    // one-time prices matter only where something is sold once
    let kinds: &[Billed] = if catalog.sells_once() { &[Billed::Recurring, Billed::Once] } else { &[Billed::Recurring] };
    for &billed in kinds {
        match stripe.active_prices(billed).await {
            Ok(prices) => {
                findings.extend(compared(&prices.prices, billed, catalog));
                findings.extend(prices.cut_off.then(|| cut_off(prices.prices.len())));
                listed.extend(prices.prices);
            }
            Err(failure) => return vec![unread(&failure, "Prices", "prices")],
        }
    }
    let known = Known { stripe, listed, prices: BTreeMap::new() };
    findings.extend(known.entries(&catalog.0).await);
    findings
}

fn unread(failure: &Failure, permission: &str, what: &str) -> Finding {
    if failure.status == Some(403) {
        let text = format!("the key may not read {permission}, so the catalog is not compared with them");
        let remedy = format!("give it read access to {permission}, which only this command needs");
        return Finding::warning(Area::Catalog, text, remedy);
    }
    Finding::error(Area::Catalog, format!("the {what} cannot be read: {}", failure.what), "run `grantsync check` again")
}

fn cut_off(read: usize) -> Finding {
    let text = format!("there are more than {read} active prices; only the newest {read} were compared");
    Finding::warning(
        Area::Catalog,
        text,
        "map products instead of prices, or archive prices that are not sold any more",
    )
}

/// Prices that the catalog does not name.
fn compared(prices: &[Price], billed: Billed, catalog: &Catalog) -> Vec<Finding> {
    let unmapped: Vec<&Price> = prices.iter().filter(|price| mapped(price, catalog) == Mapped::Unmapped).collect();
    let mut findings: Vec<Finding> = unmapped.iter().take(MOST_NAMED).map(|price| opens_nothing(price)).collect();
    if unmapped.len() > MOST_NAMED {
        let text = format!("{} more sell and open nothing", counted(unmapped.len() - MOST_NAMED, "active price"));
        findings.push(Finding::error(Area::Catalog, text, "map products instead of prices"));
    }
    if findings.is_empty() {
        findings.push(all_mapped(prices, billed, catalog));
    }
    findings
}

fn mapped<'a>(price: &Price, catalog: &'a Catalog) -> Mapped<'a> {
    catalog.of(&price.id, &price.product)
}

fn all_mapped(prices: &[Price], billed: Billed, catalog: &Catalog) -> Finding {
    let how = match billed {
        Billed::Recurring => "active recurring price",
        Billed::Once => "active one-time price",
    };
    if prices.is_empty() {
        return Finding::ok(Area::Catalog, format!("there is no {how}"));
    }
    let ignored = match prices.iter().filter(|price| mapped(price, catalog) == Mapped::Ignored).count() {
        0 => String::new(),
        count => format!(", {count} of them ignored"),
    };
    Finding::ok(Area::Catalog, format!("{} in the catalog{ignored}", counted(prices.len(), how)))
}

fn opens_nothing(price: &Price) -> Finding {
    let Price { id, product, .. } = price;
    let more = "or with `ignore = true` if it is to open nothing";
    match price.billed {
        Billed::Recurring => {
            let text =
                format!("price `{id}` of product `{product}` sells and opens nothing: a purchase of it will be parked");
            let add = format!("add `[[catalog]]` with `price = \"{id}\"` or `product = \"{product}\"`");
            Finding::error(Area::Catalog, text, format!("{add} and its `access_level`, {more}"))
        }
        Billed::Once => {
            let text = format!(
                "price `{id}` of product `{product}` is sold once and opens nothing: a purchase of it will be parked"
            );
            let add = format!("add `[[catalog]]` with `price = \"{id}\"`, `access_level` and `duration`");
            Finding::warning(Area::Catalog, text, format!("{add}, {more}"))
        }
    }
}

/// The prices that were read; others are read when an entry names them.
struct Known<'a> {
    stripe: &'a Stripe,
    /// Those that can be bought.
    listed: Vec<Price>,
    prices: BTreeMap<String, Option<Price>>,
}

impl Known<'_> {
    /// What is wrong with entries.
    async fn entries(mut self, catalog: &[Listed]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for entry in catalog.iter().take(MOST_ASKED) {
            let (permission, found) = match entry.sold() {
                Sold::Price(price) => ("Prices", self.price(price).await.map(|found| of_price(price, found, entry))),
                Sold::Product(product) => ("Products", self.product(product, entry).await),
            };
            match found {
                Ok(found) => findings.extend(found),
                Err(failure) => {
                    findings.push(unread(&failure, permission, "prices and products of the catalog"));
                    return findings;
                }
            }
        }
        if catalog.len() > MOST_ASKED {
            let text = format!("only the first {MOST_ASKED} catalog entries were looked up at Stripe");
            findings.push(Finding::warning(Area::Catalog, text, "map products instead of prices"));
        }
        if findings.is_empty() && !catalog.is_empty() {
            let text = format!("{} found at Stripe", counted(catalog.len(), "catalog entry"));
            findings.push(Finding::ok(Area::Catalog, text));
        }
        findings
    }

    async fn price(&mut self, id: &str) -> Result<Option<Price>, Failure> {
        if let Some(listed) = self.listed.iter().find(|price| price.id == id) {
            return Ok(Some(listed.clone()));
        }
        if let Some(known) = self.prices.get(id) {
            return Ok(known.clone());
        }
        let found = self.stripe.price(id).await?;
        self.prices.insert(id.to_owned(), found.clone());
        Ok(found)
    }

    async fn product(&self, id: &str, entry: &Listed) -> Result<Vec<Finding>, Failure> {
        let sold: Vec<&Price> = self.listed.iter().filter(|price| price.product == id).collect();
        if sold.is_empty() {
            return Ok(match self.stripe.product_is_active(id).await? {
                None => vec![not_there("product", id)],
                Some(false) => vec![archived("product", id)],
                Some(true) => Vec::new(),
            });
        }
        let once = sold.iter().any(|price| price.billed == Billed::Once);
        let recurring = sold.iter().any(|price| price.billed == Billed::Recurring);
        let odd = match given(entry) {
            Given::Running if once => Some(no_duration("product", id)),
            Given::ForATerm if recurring && !once => Some(idle_duration("product", id)),
            Given::Running | Given::ForATerm | Given::Nothing => None,
        };
        Ok(odd.into_iter().collect())
    }
}

fn of_price(id: &str, found: Option<Price>, entry: &Listed) -> Vec<Finding> {
    let Some(price) = found else { return vec![not_there("price", id)] };
    let odd = match (given(entry), price.billed) {
        (Given::Running, Billed::Once) => Some(no_duration("price", id)),
        (Given::ForATerm, Billed::Recurring) => Some(idle_duration("price", id)),
        (Given::Running, Billed::Recurring) | (Given::ForATerm, Billed::Once) | (Given::Nothing, _) => None,
    };
    odd.into_iter().chain((!price.active).then(|| archived("price", id))).collect()
}

/// What an entry gives here.
#[derive(Clone, Copy)]
enum Given {
    Nothing,
    /// A level for as long as a subscription runs.
    Running,
    /// A level for a term from the payment.
    ForATerm,
}

fn given(entry: &Listed) -> Given {
    match entry {
        Listed::Offering(offering) if offering.term.is_some() => Given::ForATerm,
        Listed::Offering(_) => Given::Running,
        Listed::Ignored { .. } | Listed::Elsewhere { .. } => Given::Nothing,
    }
}

fn not_there(what: &str, id: &str) -> Finding {
    let text = format!("the catalog names {what} `{id}`, which Stripe does not have in this mode");
    Finding::warning(
        Area::Catalog,
        text,
        "correct the id, or take the entry out; test and live mode have ids of their own",
    )
}

fn archived(what: &str, id: &str) -> Finding {
    let text = format!("the catalog names {what} `{id}`, which is archived at Stripe");
    Finding::warning(Area::Catalog, text, "keep the entry while subscriptions to it run, then take it out")
}

fn no_duration(what: &str, id: &str) -> Finding {
    let text = format!("{what} `{id}` is sold once, and its entry has no `duration`: it opens nothing");
    Finding::error(Area::Catalog, text, "add `duration = \"30d\"` or `duration = \"lifetime\"` to the entry")
}

fn idle_duration(what: &str, id: &str) -> Finding {
    let text = format!("{what} `{id}` is a subscription, so the `duration` of its entry counts for nothing");
    Finding::warning(Area::Catalog, text, "take `duration` out: a subscription lasts as long as it is paid")
}
