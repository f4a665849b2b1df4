//! Which price or product gives which access level.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::model::access_level::AccessLevel;
use crate::model::billing::{Billing, Purchase};

/// All entries, in the order of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Catalog(pub Vec<Listed>);

/// What is known of a price or product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Listed {
    Offering(Offering),
    /// Sold, and meant to give nothing.
    Ignored {
        ignored: Sold,
    },
    /// Sold for another app.
    Elsewhere {
        elsewhere: Sold,
    },
}

/// This price or product gives this level.
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

/// What the catalog says of one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped<'a> {
    /// It gives these levels; never empty.
    Gives(Vec<&'a Offering>),
    /// It is meant to give nothing, or nothing here.
    Ignored,
    /// Nobody has said.
    Unmapped,
}

impl Listed {
    #[must_use]
    pub fn sold(&self) -> &Sold {
        match self {
            Self::Offering(offering) => &offering.sold,
            Self::Ignored { ignored } => ignored,
            Self::Elsewhere { elsewhere } => elsewhere,
        }
    }
}

impl Catalog {
    /// What the entries say of a price; those that name the price itself win over those that name its product, and both
    /// over what is said for another app.
    #[must_use]
    pub fn of(&self, price: &str, product: &str) -> Mapped<'_> {
        let by_price = self.matching(|sold| matches!(sold, Sold::Price(id) if id == price));
        if by_price != Mapped::Unmapped {
            return by_price;
        }
        let by_product = self.matching(|sold| matches!(sold, Sold::Product(id) if id == product));
        if by_product != Mapped::Unmapped {
            return by_product;
        }
        let is_it = |sold: &Sold| match sold {
            Sold::Price(id) => id == price,
            Sold::Product(id) => id == product,
        };
        let mut elsewhere = self.0.iter().filter(|entry| matches!(entry, Listed::Elsewhere { .. }));
        if elsewhere.any(|entry| is_it(entry.sold())) { Mapped::Ignored } else { Mapped::Unmapped }
    }

    /// Whether anything is sold once, so that the source's one-time payments must be read too.
    #[must_use]
    pub fn sells_once(&self) -> bool {
        self.0.iter().any(|entry| matches!(entry, Listed::Offering(offering) if offering.term.is_some()))
    }

    /// Whether all that is billed was read, and gives nothing by what is said of it.
    #[must_use]
    pub fn ignores_all(&self, billing: &Billing) -> bool {
        let mut items = billing.subscriptions.iter().flat_map(|subscription| &subscription.items);
        let ignores_items = items.all(|item| self.of(&item.price, &item.product) == Mapped::Ignored);
        billing.gaps.is_empty() && ignores_items && billing.purchases.iter().all(|purchase| self.ignores(purchase))
    }

    fn ignores(&self, purchase: &Purchase) -> bool {
        purchase.lines.iter().all(|line| match self.of(&line.price, &line.product) {
            Mapped::Gives(_) => false,
            Mapped::Ignored => true,
            Mapped::Unmapped => purchase.sold_on.is_invoice(),
        })
    }

    /// An entry that gives something wins over one that says it gives nothing: what was paid for is not taken.
    fn matching(&self, wanted: impl Fn(&Sold) -> bool) -> Mapped<'_> {
        let mut gives = Vec::new();
        let mut ignored = false;
        for entry in self.0.iter().filter(|entry| wanted(entry.sold())) {
            match entry {
                Listed::Offering(offering) => gives.push(offering),
                Listed::Ignored { .. } => ignored = true,
                Listed::Elsewhere { .. } => {}
            }
        }
        match (gives.is_empty(), ignored) {
            (false, _) => Mapped::Gives(gives),
            (true, true) => Mapped::Ignored,
            (true, false) => Mapped::Unmapped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offering(term: Option<Term>) -> Listed {
        let level = AccessLevel("premium".into());
        Listed::Offering(Offering { sold: Sold::Price("price_1".into()), level, vendor_product_id: None, term })
    }

    fn ignored(sold: Sold) -> Listed {
        Listed::Ignored { ignored: sold }
    }

    #[test]
    fn only_an_entry_with_a_duration_sells_once() {
        assert!(!Catalog(vec![offering(None)]).sells_once());
        assert!(Catalog(vec![offering(None), offering(Some(Term::Lifetime))]).sells_once());
        assert!(!Catalog(vec![ignored(Sold::Price("price_1".into()))]).sells_once());
    }

    #[test]
    fn the_word_on_a_price_wins_over_that_on_its_product() {
        let (price, product) = (Sold::Price("price_1".into()), Sold::Product("prod_1".into()));
        let catalog = Catalog(vec![offering(None), ignored(product.clone())]);
        assert!(matches!(catalog.of("price_1", "prod_1"), Mapped::Gives(of) if of.len() == 1));
        assert_eq!(catalog.of("price_2", "prod_1"), Mapped::Ignored);
        assert_eq!(catalog.of("price_2", "prod_2"), Mapped::Unmapped);
        let Listed::Offering(given) = offering(None) else { panic!("an offering") };
        let catalog = Catalog(vec![Listed::Offering(Offering { sold: product, ..given }), ignored(price.clone())]);
        assert_eq!(catalog.of("price_1", "prod_1"), Mapped::Ignored);
        let catalog = Catalog(vec![ignored(price), offering(None)]);
        assert!(matches!(catalog.of("price_1", "prod_1"), Mapped::Gives(_)), "what gives something wins");
    }

    #[test]
    fn what_is_sold_for_another_app_is_known_and_gives_nothing_here() {
        let elsewhere = |elsewhere| Listed::Elsewhere { elsewhere };
        let (price, product) = (Sold::Price("price_1".into()), Sold::Product("prod_1".into()));
        assert_eq!(Catalog(vec![elsewhere(price.clone())]).of("price_1", "prod_1"), Mapped::Ignored);
        assert_eq!(Catalog(vec![elsewhere(product)]).of("price_1", "prod_1"), Mapped::Ignored);
        let Listed::Offering(given) = offering(None) else { panic!("an offering") };
        let of_product = Listed::Offering(Offering { sold: Sold::Product("prod_1".into()), ..given });
        let both = Catalog(vec![elsewhere(price), of_product]);
        assert!(matches!(both.of("price_1", "prod_1"), Mapped::Gives(_)), "its own word counts");
        assert_eq!(both.of("price_2", "prod_2"), Mapped::Unmapped);
    }

    #[test]
    fn a_catalog_reads_as_it_was_written_before_anything_could_be_ignored() {
        let before = r#"[{"sold":{"price":"price_1"},"level":"premium","vendor_product_id":null,"term":null}]"#;
        let catalog: Catalog = serde_json::from_str(before).unwrap();
        assert_eq!(catalog, Catalog(vec![offering(None)]));
        assert_eq!(serde_json::to_string(&catalog).unwrap(), before);
        let ignored = Catalog(vec![ignored(Sold::Product("prod_1".into()))]);
        let text = serde_json::to_string(&ignored).unwrap();
        assert_eq!(text, r#"[{"ignored":{"product":"prod_1"}}]"#);
        assert_eq!(serde_json::from_str::<Catalog>(&text).unwrap(), ignored);
    }
}
