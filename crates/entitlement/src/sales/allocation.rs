//! Which part of a payment each sale carries, so that money is reported once.

use crate::model::billing::{Item, Purchase, PurchaseLine, Subscription};
use crate::model::catalog::{Mapped, Offering};
use crate::model::money::Money;
use crate::model::rules::{Protocol, Rules};
use crate::model::sale::Sale;

/// The other items of the product of `item` whose part of a payment is not reported with what it gives by `offering`. With
/// two prices of one product in a subscription, each is a sale with its own ids where sales are reported; else one id
/// stands for both, and a price that the catalog gives another product's name is reported under that.
#[must_use]
pub(crate) fn items_apart<'a>(
    subscription: &'a Subscription,
    item: &Item,
    offering: &Offering,
    rules: &Rules,
) -> Vec<&'a Item> {
    let others = subscription.items.iter().filter(|other| other.id != item.id && other.product == item.product);
    others.filter(|other| is_item_apart(other, product_name(offering, &item.product), rules)).collect()
}

fn is_item_apart(other: &Item, name: &str, rules: &Rules) -> bool {
    let has_own_ids = rules.protocol.reports_sales();
    match rules.catalog.of(&other.price, &other.product) {
        Mapped::Ignored => false,
        Mapped::Unmapped => has_own_ids,
        Mapped::Gives(offerings) => has_own_ids || first_name(&offerings, &other.product) != name,
    }
}

/// The same of the lines of a one-time purchase.
#[must_use]
pub(crate) fn lines_apart<'a>(
    purchase: &'a Purchase,
    line: &PurchaseLine,
    offering: &Offering,
    rules: &Rules,
) -> Vec<&'a PurchaseLine> {
    let own = id_suffix(purchase, line, product_name(offering, &line.product), rules);
    let others = purchase.lines.iter().filter(|other| other.price != line.price && other.product == line.product);
    others.filter(|other| is_line_apart(purchase, other, own, rules)).collect()
}

fn is_line_apart(purchase: &Purchase, other: &PurchaseLine, own: Option<&str>, rules: &Rules) -> bool {
    match rules.catalog.of(&other.price, &other.product) {
        Mapped::Ignored | Mapped::Unmapped => rules.protocol.reports_sales(),
        Mapped::Gives(offerings) => id_suffix(purchase, other, first_name(&offerings, &other.product), rules) != own,
    }
}

/// What the ids of a line carry beside those of the purchase: nothing for the first line where sales are reported.
fn id_suffix<'a>(purchase: &Purchase, line: &PurchaseLine, name: &'a str, rules: &Rules) -> Option<&'a str> {
    let is_first = purchase.lines.iter().all(|other| line.price <= other.price);
    let is_plain = rules.protocol.reports_sales() && is_first;
    (!is_plain).then_some(name)
}

/// `sale` by `offering`, one of all the `offerings` of one thing that was sold: what was charged for it is reported with
/// the first of them. A further one under another product is sold for nothing, or, where each sale is reported by its id
/// alone, is no sale at all.
#[must_use]
pub(crate) fn charged_once(
    sale: Sale,
    offering: &Offering,
    offerings: &[&Offering],
    product: &str,
    protocol: Protocol,
) -> Sale {
    if first_name(offerings, product) == product_name(offering, product) {
        return sale;
    }
    let price = match protocol {
        Protocol::SalesAndAccess | Protocol::SalesOnly => None,
        Protocol::AccessWithSale | Protocol::AccessOnly => sale.price.map(|price| Money { minor: 0, ..price }),
    };
    Sale { price, ..sale }
}

/// What the destination calls `product`.
pub(crate) fn product_name<'a>(offering: &'a Offering, product: &'a str) -> &'a str {
    offering.vendor_product_id.as_deref().unwrap_or(product)
}

fn first_name<'a>(offerings: &[&'a Offering], product: &'a str) -> &'a str {
    offerings.first().map_or(product, |first| product_name(first, product))
}
