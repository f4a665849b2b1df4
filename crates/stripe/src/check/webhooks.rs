//! The webhook endpoints at Stripe: that ours gets what is needed, and who else gets it.

use entitlement::failure::Failure;
use entitlement::finding::{Area, Finding};
use entitlement::names::Mode;

use crate::check::endpoints::Endpoint;
use crate::client::Stripe;
use crate::events::TYPES;
use crate::webhook::PATH;

const WHERE: &str = "Developers → Webhooks";

/// Who else turns Stripe's events into access, by the second label of the host they are sent to: Adapty's own
/// integration, RevenueCat's and Qonversion's server notifications, and the like.
const BRIDGES: [(&str, &str); 6] = [
    ("adapty", "Adapty"),
    ("apphud", "Apphud"),
    ("purchasely", "Purchasely"),
    ("qonversion", "Qonversion"),
    ("revenuecat", "RevenueCat"),
    ("superwall", "Superwall"),
];

pub(super) async fn check(stripe: &Stripe, reports_sales: bool) -> Vec<Finding> {
    match stripe.webhook_endpoints().await {
        Ok(endpoints) => {
            let mut findings = webhooks(&endpoints, stripe.mode());
            findings.extend(bridges(&endpoints, reports_sales));
            findings
        }
        Err(failure) => {
            vec![unread(&failure), Finding::unchecked(Area::Bridge, "the webhook endpoints could not be read")]
        }
    }
}

fn unread(failure: &Failure) -> Finding {
    if failure.status == Some(403) {
        let remedy = format!(
            "give it read access to Webhook Endpoints, which only this command needs, or compare the endpoint \
             ({WHERE}) with step 3 of the README by hand"
        );
        return Finding::warning(
            Area::Webhooks,
            "the key may not read Webhook Endpoints, so they are not checked",
            remedy,
        );
    }
    Finding::error(
        Area::Webhooks,
        format!("the webhook endpoints cannot be read: {}", failure.what),
        "run `grantsync check` again",
    )
}

fn webhooks(endpoints: &[Endpoint], mode: Option<Mode>) -> Vec<Finding> {
    let ours: Vec<&Endpoint> = endpoints.iter().filter(|endpoint| endpoint.is_ours()).collect();
    if ours.is_empty() {
        return elsewhere(endpoints);
    }
    let works = |endpoint: &&Endpoint| endpoint.enabled && !is_other(endpoint, mode);
    let (working, idle): (Vec<&Endpoint>, Vec<&Endpoint>) = ours.into_iter().partition(works);
    let idle = idle.into_iter().map(|endpoint| does_not_work(endpoint, mode, working.is_empty()));
    let mut findings: Vec<Finding> = idle.collect();
    // two endpoints may share the types between them
    let lacks = |endpoint: &Endpoint| -> Vec<&str> {
        let sent = |kind: &str| working.iter().any(|other| other.sends_where(endpoint) && other.sends(kind));
        TYPES.into_iter().filter(|kind| !sent(kind)).collect()
    };
    let complete = working.iter().any(|endpoint| lacks(endpoint).is_empty());
    for (place, endpoint) in working.iter().enumerate() {
        if working[..place].iter().all(|before| !before.sends_where(endpoint)) {
            findings.push(sends(endpoint, &lacks(endpoint), complete));
        }
    }
    findings
}

fn is_other(endpoint: &Endpoint, mode: Option<Mode>) -> bool {
    matches!((endpoint.mode, mode), (Some(its), Some(own)) if its != own)
}

fn sends(endpoint: &Endpoint, lacks: &[&str], another_is_complete: bool) -> Finding {
    let name = name(endpoint);
    if lacks.is_empty() {
        let version =
            endpoint.api_version.as_deref().map_or("the account's default".to_owned(), |of| format!("`{of}`"));
        let text =
            format!("{name} sends all {} event types that are needed; its API version is {version}", TYPES.len());
        return Finding::ok(Area::Webhooks, text);
    }
    let text = format!("{name} does not send {}", lacks.join(", "));
    let remedy = format!("add {} to the endpoint ({WHERE})", if lacks.len() == 1 { "it" } else { "them" });
    if another_is_complete {
        Finding::warning(Area::Webhooks, text, remedy)
    } else {
        Finding::error(Area::Webhooks, text, remedy)
    }
}

/// It is disabled, or of the other mode; that matters only when no other one works.
fn does_not_work(endpoint: &Endpoint, mode: Option<Mode>, none_works: bool) -> Finding {
    let name = name(endpoint);
    let (text, remedy) = match (endpoint.mode, mode) {
        (Some(its), Some(own)) if its != own => (
            format!("{name} is of {} mode, and the key of {}: its events are not acted on", its.as_str(), own.as_str()),
            "use key and endpoint of one mode, and that endpoint's signing secret".to_owned(),
        ),
        _ => (
            format!("{name} is disabled, so no webhook comes from it"),
            format!("enable it ({WHERE}); Stripe disables what fails for days: see its deliveries"),
        ),
    };
    if none_works {
        Finding::error(Area::Webhooks, text, remedy)
    } else {
        Finding::warning(Area::Webhooks, text, remedy)
    }
}

/// No endpoint leads to our path: behind a proxy that rewrites it, or to an event destination, that may be meant.
fn elsewhere(endpoints: &[Endpoint]) -> Vec<Finding> {
    let remedy = format!(
        "create one ({WHERE}) for `https://YOUR-ADDRESS{PATH}` with the events of README step 3, unless a proxy rewrites \
         the path or an event destination brings them"
    );
    let candidates = endpoints.iter().filter(|endpoint| endpoint.enabled && bridge(endpoint).is_none());
    let candidates: Vec<Finding> = candidates
        .filter(|endpoint| endpoint.sends_all())
        .map(|endpoint| {
            let text = format!("{} sends all that is needed, but not to a path that ends in `{PATH}`", name(endpoint));
            Finding::warning(Area::Webhooks, text, "correct the path, unless a proxy rewrites it")
        })
        .collect();
    if !candidates.is_empty() {
        return candidates;
    }
    let mut hosts: Vec<String> = endpoints.iter().map(Endpoint::host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let text = match hosts.is_empty() {
        true => "there is no webhook endpoint".to_owned(),
        false => format!("no webhook endpoint leads to `{PATH}`; there are some to {}", hosts.join(", ")),
    };
    vec![Finding::warning(Area::Webhooks, text, remedy)]
}

fn bridges(endpoints: &[Endpoint], reports_sales: bool) -> Vec<Finding> {
    let active = endpoints.iter().filter(|endpoint| endpoint.enabled);
    let mut found: Vec<(&str, &Endpoint)> = active.filter_map(|of| Some((bridge(of)?, of))).collect();
    found.sort_by_cached_key(|(_, endpoint)| endpoint.host());
    found.dedup_by(|one, other| one.1.host() == other.1.host());
    if found.is_empty() {
        let text = "no webhook endpoint leads to another bridge; apps that are installed at Stripe do not show here";
        return vec![Finding::ok(Area::Bridge, text)];
    }
    found.into_iter().map(|(who, endpoint)| another(who, endpoint, reports_sales)).collect()
}

fn another(who: &str, endpoint: &Endpoint, reports_sales: bool) -> Finding {
    let name = name(endpoint);
    if who != "Adapty" {
        let text = format!("{name} tells {who} of the same purchases");
        return Finding::warning(Area::Bridge, text, "if it opens the same app, let only one of the two do so");
    }
    if !reports_sales {
        let text = format!("{name} tells Adapty the revenue, and `v2-access` only opens levels");
        return Finding::ok(Area::Bridge, text);
    }
    let text = format!("{name} tells Adapty of the same purchases: two bridges count revenue twice");
    let remedy = "switch off Adapty's Stripe integration for these products, or set `adapty.api` to `v2-access`";
    Finding::warning(Area::Bridge, text, remedy)
}

fn bridge(endpoint: &Endpoint) -> Option<&'static str> {
    let host = endpoint.host();
    let label = host.rsplit('.').nth(1)?;
    BRIDGES.into_iter().find(|(known, _)| *known == label).map(|(_, who)| who)
}

/// How an endpoint is called: its address may hold a secret, its host does not.
fn name(endpoint: &Endpoint) -> String {
    format!("endpoint `{}` ({})", endpoint.id, endpoint.host())
}
