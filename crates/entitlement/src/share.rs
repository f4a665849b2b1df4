//! Which part of a payment each transaction carries, so that money is told once.

use crate::billing::{Item, Purchase, PurchaseLine, Subscription};
use crate::catalog::{Mapped, Offering};
use crate::money::Money;
use crate::plan::Sale;
use crate::rules::{Protocol, Rules};

/// The other items of the product of `item` whose part of a payment is told apart from what it gives by `offering`: under
/// ids of their own, or, where one id stands for all, under another product of the destination.
#[must_use]
pub(crate) fn items_apart<'a>(
    subscription: &'a Subscription,
    item: &Item,
    offering: &Offering,
    rules: &Rules,
) -> Vec<&'a Item> {
    let called = called(offering, &item.product);
    let is_apart = |other: &&Item| match (rules.catalog.of(&other.price, &other.product), rules.protocol) {
        (Mapped::Ignored, _) | (Mapped::Unmapped, Protocol::AccessWithSale | Protocol::AccessOnly) => false,
        (Mapped::Unmapped | Mapped::Gives(_), Protocol::SalesAndAccess | Protocol::SalesOnly) => true,
        (Mapped::Gives(offerings), Protocol::AccessWithSale | Protocol::AccessOnly) => {
            name(&offerings, &other.product) != called
        }
    };
    let others = subscription.items.iter().filter(|other| other.id != item.id && other.product == item.product);
    others.filter(is_apart).collect()
}

/// The same of the lines of a one-time purchase.
#[must_use]
pub(crate) fn lines_apart<'a>(
    purchase: &'a Purchase,
    line: &PurchaseLine,
    offering: &Offering,
    rules: &Rules,
) -> Vec<&'a PurchaseLine> {
    let is_first = |of: &PurchaseLine| purchase.lines.iter().all(|other| of.price <= other.price);
    let is_plain = |of: &PurchaseLine| rules.protocol.keeps_books() && is_first(of);
    let entry = |of: &PurchaseLine, called: &str| (!is_plain(of)).then(|| called.to_owned());
    let own = entry(line, called(offering, &line.product));
    let is_apart = |other: &&PurchaseLine| match rules.catalog.of(&other.price, &other.product) {
        Mapped::Ignored | Mapped::Unmapped => rules.protocol.keeps_books(),
        Mapped::Gives(offerings) => entry(other, name(&offerings, &other.product)) != own,
    };
    let others = purchase.lines.iter().filter(|other| other.price != line.price && other.product == line.product);
    others.filter(is_apart).collect()
}

/// `sale` of `offering`, one of all the `offerings` of one thing that was sold: what was charged for it is told with
/// the first of them. A further one under another product is sold for nothing, or, where the books know each sale by its id
/// alone, is no sale at all.
#[must_use]
pub(crate) fn once(sale: Sale, offering: &Offering, offerings: &[&Offering], product: &str, told: Protocol) -> Sale {
    if name(offerings, product) == called(offering, product) {
        return sale;
    }
    let price = match told {
        Protocol::SalesAndAccess | Protocol::SalesOnly => None,
        Protocol::AccessWithSale | Protocol::AccessOnly => sale.price.map(|price| Money { minor: 0, ..price }),
    };
    Sale { price, ..sale }
}

/// What the destination calls `product`.
pub(crate) fn called<'a>(offering: &'a Offering, product: &'a str) -> &'a str {
    offering.vendor_product_id.as_deref().unwrap_or(product)
}

fn name<'a>(offerings: &[&'a Offering], product: &'a str) -> &'a str {
    offerings.first().map_or(product, |first| called(first, product))
}
