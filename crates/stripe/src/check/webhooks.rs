//! The webhook endpoints at Stripe: that ours gets what is needed.

use entitlement::model::failure::Failure;
use entitlement::model::finding::{Area, Finding};
use entitlement::model::mode::Mode;

use crate::check::bridges;
use crate::check::endpoints::Endpoint;
use crate::client::Stripe;
use crate::events::TYPES;
use crate::webhook::PATH;

const WHERE: &str = "Developers → Webhooks";

pub(super) async fn check(stripe: &Stripe, reports_sales: bool) -> Vec<Finding> {
    match stripe.webhook_endpoints().await {
        Ok(endpoints) => {
            let mut findings = webhooks(&endpoints, stripe.mode());
            findings.extend(bridges::check(&endpoints, reports_sales));
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
    let (working, idle): (Vec<&Endpoint>, Vec<&Endpoint>) =
        ours.into_iter().partition(|endpoint| endpoint.enabled && !is_other(endpoint, mode));
    let mut findings: Vec<Finding> =
        idle.into_iter().map(|endpoint| does_not_work(endpoint, mode, working.is_empty())).collect();
    let one_is_complete = working.iter().any(|endpoint| lacks(endpoint, &working).is_empty());
    for (place, endpoint) in working.iter().enumerate() {
        if working[..place].iter().all(|before| !before.sends_where(endpoint)) {
            findings.push(sends(endpoint, &lacks(endpoint, &working), one_is_complete));
        }
    }
    findings
}

/// The types that do not arrive where `endpoint` sends; two endpoints may share the types between them.
fn lacks(endpoint: &Endpoint, working: &[&Endpoint]) -> Vec<&'static str> {
    let there: Vec<&&Endpoint> = working.iter().filter(|other| other.sends_where(endpoint)).collect();
    TYPES.into_iter().filter(|kind| !there.iter().any(|other| other.sends(kind))).collect()
}

fn is_other(endpoint: &Endpoint, mode: Option<Mode>) -> bool {
    matches!((endpoint.mode, mode), (Some(its), Some(own)) if its != own)
}

fn sends(endpoint: &Endpoint, lacks: &[&str], another_is_complete: bool) -> Finding {
    let name = endpoint.name();
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
    let name = endpoint.name();
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
    let candidates = endpoints.iter().filter(|endpoint| endpoint.enabled && bridges::who(endpoint).is_none());
    let candidates: Vec<Finding> = candidates
        .filter(|endpoint| endpoint.sends_all())
        .map(|endpoint| {
            let text = format!("{} sends all that is needed, but not to a path that ends in `{PATH}`", endpoint.name());
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
