//! Who else turns Stripe's events into access, as far as webhook endpoints show it.

use entitlement::model::finding::{Area, Finding};

use crate::check::endpoints::Endpoint;

/// By the second label of the host that events are sent to: Adapty's own integration, RevenueCat's and Qonversion's server
/// notifications, and the like.
const BRIDGES: [(&str, &str); 6] = [
    ("adapty", "Adapty"),
    ("apphud", "Apphud"),
    ("purchasely", "Purchasely"),
    ("qonversion", "Qonversion"),
    ("revenuecat", "RevenueCat"),
    ("superwall", "Superwall"),
];

pub(super) fn check(endpoints: &[Endpoint], reports_sales: bool) -> Vec<Finding> {
    let active = endpoints.iter().filter(|endpoint| endpoint.enabled);
    let mut found: Vec<(&str, &Endpoint)> = active.filter_map(|of| Some((who(of)?, of))).collect();
    found.sort_by_cached_key(|(_, endpoint)| endpoint.host());
    found.dedup_by(|one, other| one.1.host() == other.1.host());
    if found.is_empty() {
        let text = "no webhook endpoint leads to another bridge; apps that are installed at Stripe do not show here";
        return vec![Finding::ok(Area::Bridge, text)];
    }
    found.into_iter().map(|(who, endpoint)| another(who, endpoint, reports_sales)).collect()
}

fn another(who: &str, endpoint: &Endpoint, reports_sales: bool) -> Finding {
    let name = endpoint.name();
    if who != "Adapty" {
        let text = format!("{name} reports the same purchases to {who}");
        return Finding::warning(Area::Bridge, text, "if it opens the same app, let only one of the two do so");
    }
    if !reports_sales {
        let text = format!("{name} reports the revenue to Adapty, and `v2-access` only opens levels");
        return Finding::ok(Area::Bridge, text);
    }
    let text = format!("{name} reports the same purchases to Adapty: two bridges count revenue twice");
    let remedy = "switch off Adapty's Stripe integration for these products, or set `adapty.api` to `v2-access`";
    Finding::warning(Area::Bridge, text, remedy)
}

pub(super) fn who(endpoint: &Endpoint) -> Option<&'static str> {
    let host = endpoint.host();
    let label = host.rsplit('.').nth(1)?;
    BRIDGES.into_iter().find(|(known, _)| *known == label).map(|(_, who)| who)
}
