//! Discounts of an invoice: which coupon, and whether by a code.

use std::collections::BTreeMap;

use entitlement::model::billing::Discount;
use serde::Deserialize;

use crate::shape::{Object, Ref, read};

/// Whether invoices are read with their discounts, which takes the right to read coupons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discounts {
    Wanted,
    NotWanted,
}

/// <https://docs.stripe.com/api/discounts/object>: the coupon stands in `source` since 2025-09-30.clover, in `coupon` before.
#[derive(Clone, Debug, Deserialize)]
struct DiscountObject {
    id: String,
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    coupon: Ref,
    #[serde(default)]
    promotion_code: Ref,
}

#[derive(Clone, Debug, Deserialize)]
struct Source {
    #[serde(default)]
    coupon: Ref,
}

/// Those of `discounts` that stand there as objects, by their ids. What cannot be read is left out: no access hangs on it.
pub(crate) fn of_invoice(discounts: Option<&Object>) -> BTreeMap<String, Discount> {
    let listed: Vec<Object> = discounts.and_then(|discounts| read(discounts).ok()).unwrap_or_default();
    listed.iter().filter_map(|object| read::<DiscountObject>(object).ok()?.into_discount()).collect()
}

impl DiscountObject {
    fn into_discount(self) -> Option<(String, Discount)> {
        let coupon = self.source.as_ref().and_then(|source| source.coupon.owned()).or_else(|| self.coupon.owned())?;
        Some((self.id, Discount { coupon, code: self.promotion_code.owned() }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_coupon_is_found_in_the_old_shape_and_the_new_and_ids_alone_say_nothing() {
        let found = of_invoice(Some(&Object::of(&json!([
            { "id": "di_1", "source": { "coupon": "SUMMER", "type": "coupon" }, "promotion_code": null },
            { "id": "di_2", "coupon": { "id": "SPRING", "object": "coupon" }, "promotion_code": "promo_1" },
            { "id": "di_3", "coupon": null },
            { "id": 4 },
            "di_5",
        ]))));
        let coupon = |coupon: &str, code: Option<&str>| Discount { coupon: coupon.into(), code: code.map(Into::into) };
        let expected = [("di_1", coupon("SUMMER", None)), ("di_2", coupon("SPRING", Some("promo_1")))];
        assert_eq!(found, expected.map(|(id, discount)| (id.to_owned(), discount)).into());
        assert!(of_invoice(Some(&Object::of(&json!("di_1")))).is_empty() && of_invoice(None).is_empty());
    }
}
