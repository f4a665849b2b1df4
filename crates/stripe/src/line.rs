//! The lines of invoices, in the shapes before and since 2025-03-31.basil.
//!
//! `pricing` replaced `price` and `plan` (<https://docs.stripe.com/changelog/basil/2025-03-31/invoice-pricing-configurations>),
//! `parent` the item and the proration
//! (<https://docs.stripe.com/changelog/basil/2025-03-31/adds-new-parent-field-to-invoicing-objects>).

use std::collections::BTreeMap;

use entitlement::model::billing::{Discount, Line, Period, PurchaseLine};
use serde::Deserialize;

use crate::shape::{Expandable, Price, Ref, Seconds};

/// <https://docs.stripe.com/api/invoice-line-item/object>.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LineObject {
    amount: i64,
    /// Absent where usage is metered.
    #[serde(default)]
    quantity: Option<i64>,
    /// Of old versions: `subscription` or `invoiceitem`.
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    discount_amounts: Option<Vec<Amount>>,
    #[serde(default)]
    taxes: Option<Vec<Tax>>,
    #[serde(default)]
    tax_amounts: Option<Vec<Tax>>,
    #[serde(default)]
    period: Option<Span>,
    #[serde(default)]
    pricing: Option<Pricing>,
    #[serde(default)]
    price: Option<Expandable<Price>>,
    #[serde(default)]
    plan: Option<Expandable<Price>>,
    #[serde(default)]
    parent: Option<LineParent>,
    #[serde(default)]
    subscription_item: Ref,
    #[serde(default)]
    proration: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
struct Amount {
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    discount: Ref,
}

#[derive(Clone, Debug, Deserialize)]
struct Tax {
    #[serde(default)]
    amount: i64,
    /// `exclusive` or `inclusive`.
    #[serde(default)]
    tax_behavior: Option<String>,
    /// Of old versions.
    #[serde(default)]
    inclusive: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Span {
    start: Seconds,
    end: Seconds,
}

#[derive(Clone, Debug, Deserialize)]
struct Pricing {
    #[serde(default)]
    price_details: Option<PriceDetails>,
}

#[derive(Clone, Debug, Deserialize)]
struct PriceDetails {
    #[serde(default)]
    price: Ref,
    #[serde(default)]
    product: Ref,
}

#[derive(Clone, Debug, Deserialize)]
struct LineParent {
    #[serde(default)]
    subscription_item_details: Option<ParentDetails>,
    #[serde(default)]
    invoice_item_details: Option<ParentDetails>,
}

#[derive(Clone, Debug, Deserialize)]
struct ParentDetails {
    #[serde(default)]
    subscription_item: Ref,
    #[serde(default)]
    proration: Option<bool>,
}

impl LineObject {
    /// In the words of the core; `discounts` are those of the invoice, by their ids.
    pub(crate) fn into_line(self, discounts: &BTreeMap<String, Discount>) -> Line {
        Line {
            price: self.price_id().map(str::to_owned),
            product: self.product().map(str::to_owned),
            item: self.item(),
            amount: self.charged(),
            period: self.period.map(|span| Period { start: span.start.0, end: span.end.0 }),
            proration: self.prorates(),
            discount: self.discount(discounts),
        }
    }

    /// The one-time price that it sells, if it does. What was typed in by hand has no price.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(crate) fn sold_once(&self) -> Result<Option<PurchaseLine>, String> {
        let Some(price) = self.price_id().filter(|_| self.is_sold_once()) else { return Ok(None) };
        Ok(Some(PurchaseLine {
            price: price.to_owned(),
            product: self.product().ok_or("missing field `product`")?.to_owned(),
            quantity: self.quantity.map_or(1, |quantity| u64::try_from(quantity).unwrap_or(0)),
            amount: self.charged(),
        }))
    }

    /// Neither a term of a subscription, nor a change of one, nor a credit.
    fn is_sold_once(&self) -> bool {
        let parent = self.parent.as_ref();
        let is_term = parent.is_some_and(|parent| parent.subscription_item_details.is_some())
            || self.item().is_some()
            || self.kind.as_deref() == Some("subscription");
        !is_term && !self.prorates() && self.amount >= 0
    }

    fn price_id(&self) -> Option<&str> {
        self.price_details().and_then(|details| details.price.get()).or_else(|| self.former_price()?.id())
    }

    fn product(&self) -> Option<&str> {
        self.price_details().and_then(|details| details.product.get()).or_else(|| self.former_price()?.product())
    }

    fn price_details(&self) -> Option<&PriceDetails> {
        self.pricing.as_ref()?.price_details.as_ref()
    }

    /// Where the price stood before 2025-03-31.basil.
    fn former_price(&self) -> Option<&Expandable<Price>> {
        self.price.as_ref().or(self.plan.as_ref())
    }

    /// The first that took something off.
    fn discount(&self, discounts: &BTreeMap<String, Discount>) -> Option<Discount> {
        let mut taken = self.discount_amounts.iter().flatten().filter(|taken| taken.amount > 0);
        taken.find_map(|taken| discounts.get(taken.discount.get()?)).cloned()
    }

    /// The amount, less its discounts, with the taxes that are not in it yet.
    fn charged(&self) -> i64 {
        let discounts = self.discount_amounts.iter().flatten().map(|discount| discount.amount);
        let taxes = self.taxes.as_ref().or(self.tax_amounts.as_ref()).into_iter().flatten();
        let added = taxes.filter(|tax| tax.is_exclusive()).map(|tax| tax.amount);
        let reduced = discounts.fold(self.amount, i64::saturating_sub);
        added.fold(reduced, i64::saturating_add)
    }

    fn parents(&self) -> impl Iterator<Item = &ParentDetails> {
        let parent = self.parent.as_ref();
        let of_item = parent.and_then(|parent| parent.subscription_item_details.as_ref());
        of_item.into_iter().chain(parent.and_then(|parent| parent.invoice_item_details.as_ref()))
    }

    fn item(&self) -> Option<String> {
        let named = self.parents().find_map(|details| details.subscription_item.owned());
        named.or_else(|| self.subscription_item.owned())
    }

    fn prorates(&self) -> bool {
        self.parents().find_map(|details| details.proration).or(self.proration).unwrap_or(false)
    }
}

impl Tax {
    fn is_exclusive(&self) -> bool {
        match (&self.tax_behavior, self.inclusive) {
            (Some(behavior), _) => behavior == "exclusive",
            (None, Some(inclusive)) => !inclusive,
            (None, None) => false,
        }
    }
}
