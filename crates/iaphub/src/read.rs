//! Reads a user of IAPHUB, leniently.
//!
//! Of an active product nothing but its type is always there.

use std::collections::BTreeMap;

use chrono::DateTime;
use entitlement::model::access_level::AccessLevel;
use entitlement::model::clock::Timestamp;
use entitlement::model::failure::brief;
use entitlement::model::until::Until;
use entitlement::status::LevelStatus;
use serde_json::Value;

/// The levels that the active products open at `now`; of several for one level the longest. `open_until`: how long what is
/// active without an end to come is taken to last.
///
/// # Errors
/// Why the answer makes no sense, or the error that stands in it.
pub(crate) fn levels(
    body: &[u8],
    levels: &BTreeMap<String, AccessLevel>,
    now: Timestamp,
    open_until: Timestamp,
) -> Result<Vec<LevelStatus>, String> {
    let body = answer(body)?;
    let mut longest: BTreeMap<AccessLevel, LevelStatus> = BTreeMap::new();
    for product in active_products(&body)? {
        let Some(level) = level_of(product, levels) else { continue };
        let Some(status) = status(product, level, now, open_until)? else { continue };
        let is_longer = longest.get(level).is_none_or(|known| known.until < status.until);
        if is_longer {
            longest.insert(level.clone(), status);
        }
    }
    Ok(longest.into_values().collect())
}

/// What was answered.
///
/// # Errors
/// Why it makes no sense, or the error that stands in it.
pub(crate) fn answer(body: &[u8]) -> Result<Value, String> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
    match body.get("error").filter(|error| !error.is_null()) {
        Some(error) => {
            let code = error.as_str().filter(|code| is_code(code)).unwrap_or("an unnamed error");
            Err(format!("it answers `{code}`"))
        }
        None => Ok(body),
    }
}

/// Codes are words; what is none may be anybody's data.
fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn active_products(answer: &Value) -> Result<&[Value], String> {
    match answer.get("activeProducts") {
        Some(Value::Array(products)) => Ok(products),
        Some(Value::Null) => Ok(&[]),
        Some(_) | None => Err("the answer has no list `activeProducts`".to_owned()),
    }
}

fn level_of<'a>(product: &Value, levels: &'a BTreeMap<String, AccessLevel>) -> Option<&'a AccessLevel> {
    ["sku", "groupName"].iter().find_map(|field| levels.get(text(product, field)?))
}

/// What one product gives; `None` when it gives nothing at `now`.
///
/// The SDK gives access in two states alone, whatever the date says: in grace, and where a renewal is seen late, it lies in
/// the past. Without a state, the end decides.
fn status(
    product: &Value,
    level: &AccessLevel,
    now: Timestamp,
    open_until: Timestamp,
) -> Result<Option<LevelStatus>, String> {
    let state = text(product, "subscriptionState");
    let is_open = matches!(state, Some("active" | "grace_period"));
    if state.is_some() && !is_open {
        return Ok(None);
    }
    let end = end(product)?.filter(|until| until.is_after(now));
    // what is open without an end to come renews, as far as is known
    let is_renewing = end.is_none() && is_open;
    let Some(until) = end.or(is_renewing.then_some(Until::At(open_until))) else { return Ok(None) };
    let in_grace = state == Some("grace_period");
    Ok(Some(LevelStatus {
        level: level.clone(),
        app: None,
        until: Some(until),
        will_renew: flag(product, "isSubscriptionRenewable").or(is_renewing.then_some(true)),
        in_grace,
        billing_issue: in_grace || flag(product, "isSubscriptionRetryPeriod") == Some(true),
        store: text(product, "platform").map(store),
        because: "IAPHUB shows it".to_owned(),
    }))
}

fn end(product: &Value) -> Result<Option<Until>, String> {
    if let Some(date) = text(product, "expirationDate") {
        return moment(date).map(|at| Some(Until::At(at)));
    }
    Ok((text(product, "type") == Some("non_consumable")).then_some(Until::Lifetime))
}

fn text<'a>(product: &'a Value, field: &str) -> Option<&'a str> {
    product.get(field)?.as_str()
}

fn flag(product: &Value, field: &str) -> Option<bool> {
    product.get(field)?.as_bool()
}

/// The store's name as Adapty calls it.
fn store(platform: &str) -> String {
    match platform {
        "ios" => "app_store".to_owned(),
        "android" => "play_store".to_owned(),
        other => brief(other.to_owned()),
    }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let read = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    read.map_err(|_| "an `expirationDate` of the answer is no date".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-01-10T00:00:00Z";
    const OPEN_UNTIL: &str = "2026-01-10T00:01:00Z";

    fn read(body: &Value) -> Result<Vec<LevelStatus>, String> {
        let opens = |name: &str| AccessLevel(name.into());
        let levels = [("sub_monthly", "premium"), ("vip", "gold"), ("grouped", "premium")];
        let levels = levels.map(|(sku, level)| (sku.to_owned(), opens(level))).into();
        super::levels(body.to_string().as_bytes(), &levels, NOW.parse().unwrap(), OPEN_UNTIL.parse().unwrap())
    }

    fn one(product: Value) -> Option<LevelStatus> {
        read(&json!({ "activeProducts": [product] })).unwrap().pop()
    }

    #[test]
    fn a_subscription_and_a_lifetime_open_their_levels_and_an_unmapped_product_opens_none() {
        let levels = read(&json!({ "productsForSale": [], "activeProducts": [
            { "id": "1", "type": "renewable_subscription", "sku": "sub_monthly", "platform": "ios",
              "expirationDate": "2026-02-01T00:00:00.000Z", "isSubscriptionRenewable": true, "subscriptionState": "active" },
            { "id": "2", "type": "non_consumable", "sku": "vip", "purchaseDate": "2019-04-16T11:24:17.716Z" },
            { "id": "3", "type": "non_consumable", "sku": "unheard_of" },
        ]}))
        .unwrap();
        let brief: Vec<_> = levels.iter().map(|of| (of.level.0.as_str(), of.until, of.store.as_deref())).collect();
        let end = Until::At("2026-02-01T00:00:00Z".parse().unwrap());
        assert_eq!(brief, [("gold", Some(Until::Lifetime), None), ("premium", Some(end), Some("app_store"))]);
        assert_eq!((levels[1].will_renew, levels[1].in_grace), (Some(true), false));
    }

    #[test]
    fn of_several_products_for_one_level_the_longest_counts() {
        let product = |sku: &str, end: &str| json!({ "sku": sku, "expirationDate": end });
        let short = product("sub_monthly", "2026-02-01T00:00:00Z");
        let mut long = product("", "2027-02-01T00:00:00Z");
        long["groupName"] = "grouped".into();
        for products in [[&short, &long], [&long, &short]] {
            let levels = read(&json!({ "activeProducts": products })).unwrap();
            let end = Until::At("2027-02-01T00:00:00Z".parse().unwrap());
            assert_eq!((levels.len(), levels[0].until), (1, Some(end)));
        }
    }

    #[test]
    fn access_is_given_in_two_states_alone() {
        let product = |state: Value, end: &str| {
            json!({ "type": "renewable_subscription", "groupName": "grouped", "platform": "android",
                    "subscriptionState": state, "expirationDate": end })
        };
        let later = "2026-02-01T00:00:00Z";
        assert!(one(product(Value::Null, later)).is_some());
        let grace = one(product("grace_period".into(), later)).unwrap();
        assert_eq!((grace.in_grace, grace.billing_issue, grace.store.as_deref()), (true, true, Some("play_store")));
        for state in ["retry_period", "paused", "expired", "unheard_of"] {
            assert_eq!(one(product(state.into(), later)), None, "{state}");
        }
        assert_eq!(one(product(Value::Null, "2026-01-09T00:00:00Z")), None, "without a state the end decides");
        assert_eq!(
            one(json!({ "type": "renewable_subscription", "sku": "sub_monthly" })),
            None,
            "neither state nor end"
        );
    }

    #[test]
    fn what_is_in_one_of_the_two_states_is_open_whatever_its_date_says() {
        let open = Some(Until::At(OPEN_UNTIL.parse().unwrap()));
        for state in ["active", "grace_period"] {
            let past =
                json!({ "sku": "sub_monthly", "subscriptionState": state, "expirationDate": "2026-01-09T23:00:00Z" });
            let dateless = json!({ "sku": "sub_monthly", "subscriptionState": state });
            for product in [past, dateless] {
                let level = one(product).unwrap();
                let expected = (open, Some(true), state == "grace_period");
                assert_eq!((level.until, level.will_renew, level.in_grace), expected);
            }
        }
    }

    #[test]
    fn an_error_inside_an_answer_is_an_error_and_names_nobody() {
        assert_eq!(read(&json!({ "error": "rate_limit" })).unwrap_err(), "it answers `rate_limit`");
        let unnamed = read(&json!({ "error": "no user ann@example.com" })).unwrap_err();
        assert_eq!(unnamed, "it answers `an unnamed error`");
    }

    #[test]
    fn an_answer_that_is_no_user_is_an_error() {
        assert!(read(&json!({})).is_err() && read(&json!({ "activeProducts": {} })).is_err());
        assert_eq!(read(&json!({ "activeProducts": null })).unwrap(), []);
        let odd = json!({ "activeProducts": [{ "sku": "vip", "expirationDate": "tomorrow" }] });
        assert_eq!(read(&odd).unwrap_err(), "an `expirationDate` of the answer is no date");
        assert!(super::levels(b"<html>", &BTreeMap::new(), Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH).is_err());
    }
}
