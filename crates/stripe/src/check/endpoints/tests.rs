//! Endpoints as Stripe lists them, and the README's list of types.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::shape::Object;
use crate::test_server::{TestServer, changed, list, page};

fn written(id: &str) -> Value {
    json!({
        "id": id, "object": "webhook_endpoint", "api_version": null, "application": null, "created": 1, "livemode": false,
        "description": null, "enabled_events": ["*"], "metadata": {}, "status": "enabled",
        "url": "https://pay.example.com/webhooks/stripe"
    })
}

fn endpoint(change: Value) -> Endpoint {
    read::<EndpointObject>(&Object::of(&changed(written("we_1"), change))).unwrap().into()
}

#[tokio::test]
async fn endpoints_are_read_page_by_page_and_those_of_apps_left_out() {
    let of_app = changed(written("we_2"), json!({"application": "ca_1"}));
    let odd = json!({"id": "we_3", "object": "webhook_endpoint", "url": 7});
    let live = changed(written("we_4"), json!({"livemode": true, "status": "disabled", "api_version": "2024-06-20"}));
    let server = TestServer::new()
        .with("/v1/webhook_endpoints?limit=100", page(&[written("we_1"), of_app]))
        .with("/v1/webhook_endpoints?limit=100&starting_after=we_2", list(&[odd, live]));
    let found = server.stripe(&[]).await.webhook_endpoints().await.unwrap();
    let seen: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.enabled, one.mode)).collect();
    assert_eq!(seen, [("we_1", true, Some(Mode::Test)), ("we_4", false, Some(Mode::Live))]);
    assert_eq!(found[1].api_version.as_deref(), Some("2024-06-20"));
}

#[test]
fn ours_is_known_by_its_path_and_only_the_host_may_be_shown() {
    for (url, ours, host) in [
        ("https://pay.example.com/webhooks/stripe", true, "pay.example.com"),
        ("https://Pay.Example.com:8443/behind/webhooks/stripe?token=hush", true, "pay.example.com"),
        ("https://ann:hush@pay.example.com/webhooks/stripe/", false, "pay.example.com"),
        ("https://pay.example.com?to=/webhooks/stripe", false, "pay.example.com"),
        ("https://api.adapty.io/api/v1/sdk/webhooks/stripe2/hush", false, "api.adapty.io"),
        ("", false, ""),
    ] {
        let endpoint = endpoint(json!({"url": url}));
        assert_eq!((endpoint.is_ours(), endpoint.host().as_str()), (ours, host), "{url}");
    }
}

#[test]
fn a_star_is_every_type() {
    assert!(endpoint(json!({})).sends_all());
    assert!(endpoint(json!({"enabled_events": TYPES})).sends_all());
    let few = endpoint(json!({"enabled_events": TYPES[1..]}));
    assert!(!few.sends_all() && !few.sends(TYPES[0]) && few.sends(TYPES[1]));
}

/// The types of README step 3; `.updated` stands for the type before it with another ending.
fn of_readme() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (_, step) = text.split_once("3. **Create a webhook endpoint").unwrap();
    let (step, _) = step.split_once("\n4. ").unwrap();
    let mut types: Vec<String> = Vec::new();
    // what stands between backquotes
    for piece in step.split('`').skip(1).step_by(2).filter(|piece| !piece.contains("://")) {
        let full = match (piece.strip_prefix('.'), types.last()) {
            (Some(ending), Some(before)) => format!("{}.{ending}", before.rsplit_once('.').unwrap().0),
            _ => piece.to_owned(),
        };
        types.push(full);
    }
    types
}

#[test]
fn the_readme_names_the_types_that_are_needed_and_the_useful_ones() {
    let written = of_readme();
    let known: BTreeSet<&str> = TYPES.into_iter().chain(RECOMMENDED).collect();
    assert_eq!(written.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
    assert_eq!(written.len(), known.len(), "each once");
}
