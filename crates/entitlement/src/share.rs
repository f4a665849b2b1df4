//! Which part of a payment each transaction carries, so that money is told once.

use crate::billing::{Item, Purchase, PurchaseLine, Subscription};
use crate::catalog::{Mapped, Offering};
use crate::money::Money;
use crate::plan::Transaction;
use crate::rules::{Rules, Told};

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
    let is_apart = |other: &&Item| match (rules.catalog.of(&other.price, &other.product), rules.told) {
        (Mapped::Ignored, _) | (Mapped::Unmapped, Told::Transaction | Told::LevelOnly) => false,
        (Mapped::Unmapped | Mapped::Gives(_), Told::Standing | Told::Sales) => true,
        (Mapped::Gives(offerings), Told::Transaction | Told::LevelOnly) => name(&offerings, &other.product) != called,
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
    let is_plain = |of: &PurchaseLine| rules.told.keeps_books() && is_first(of);
    let entry = |of: &PurchaseLine, called: &str| (!is_plain(of)).then(|| called.to_owned());
    let own = entry(line, called(offering, &line.product));
    let is_apart = |other: &&PurchaseLine| match rules.catalog.of(&other.price, &other.product) {
        Mapped::Ignored | Mapped::Unmapped => rules.told.keeps_books(),
        Mapped::Gives(offerings) => entry(other, name(&offerings, &other.product)) != own,
    };
    let others = purchase.lines.iter().filter(|other| other.price != line.price && other.product == line.product);
    others.filter(is_apart).collect()
}

/// `transaction` of `offering`, one of all the `offerings` of one thing that was sold: what was charged for it is told with
/// the first of them. A further one under another product is sold for nothing, or, where the books know each sale by its id
/// alone, is no sale at all.
#[must_use]
pub(crate) fn once(
    transaction: Transaction,
    offering: &Offering,
    offerings: &[&Offering],
    product: &str,
    told: Told,
) -> Transaction {
    if name(offerings, product) == called(offering, product) {
        return transaction;
    }
    let price = match told {
        Told::Standing | Told::Sales => None,
        Told::Transaction | Told::LevelOnly => transaction.price.map(|price| Money { minor: 0, ..price }),
    };
    Transaction { price, ..transaction }
}

/// What the destination calls `product`.
pub(crate) fn called<'a>(offering: &'a Offering, product: &'a str) -> &'a str {
    offering.vendor_product_id.as_deref().unwrap_or(product)
}

fn name<'a>(offerings: &[&'a Offering], product: &'a str) -> &'a str {
    offerings.first().map_or(product, |first| called(first, product))
}
