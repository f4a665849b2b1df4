//! Which price or product gives which access level.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::names::AccessLevel;

/// All entries, in the order of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Catalog(pub Vec<Offering>);

/// One entry: this price or product gives this level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offering {
    pub sold: Sold,
    pub level: AccessLevel,
    /// What the destination calls the product; the source's product id when absent.
    #[serde(default)]
    pub vendor_product_id: Option<String>,
    /// How long a one-time purchase lasts; a subscription does not need it.
    #[serde(default)]
    pub term: Option<Term>,
}

/// What is sold: one price, or any price of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sold {
    Price(String),
    Product(String),
}

/// How long a one-time purchase lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    Lifetime,
    /// Whole seconds from the payment.
    Seconds(i64),
}

impl Term {
    /// The span, or `None` for life.
    #[must_use]
    pub fn span(self) -> Option<Duration> {
        match self {
            Self::Lifetime => None,
            Self::Seconds(seconds) => Some(Duration::try_seconds(seconds).unwrap_or(Duration::MAX)),
        }
    }
}

impl Catalog {
    /// The entries for a price; those that name the price itself win over those that name its product.
    #[must_use]
    pub fn of(&self, price: &str, product: &str) -> Vec<&Offering> {
        let by_price: Vec<_> = self.matching(|sold| matches!(sold, Sold::Price(id) if id == price));
        if !by_price.is_empty() {
            return by_price;
        }
        self.matching(|sold| matches!(sold, Sold::Product(id) if id == product))
    }

    /// Whether anything is sold once, so that the source's one-time payments must be read too.
    #[must_use]
    pub fn sells_once(&self) -> bool {
        self.0.iter().any(|offering| offering.term.is_some())
    }

    fn matching(&self, wanted: impl Fn(&Sold) -> bool) -> Vec<&Offering> {
        self.0.iter().filter(|offering| wanted(&offering.sold)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offering(term: Option<Term>) -> Offering {
        let level = AccessLevel("premium".into());
        Offering { sold: Sold::Price("price_1".into()), level, vendor_product_id: None, term }
    }

    #[test]
    fn only_an_entry_with_a_duration_sells_once() {
        assert!(!Catalog(vec![offering(None)]).sells_once());
        assert!(Catalog(vec![offering(None), offering(Some(Term::Lifetime))]).sells_once());
    }
}
