//! What goes over the wire to v2, and what its answers mean.

use std::time::Duration;

use entitlement::attributes::{AttributeName, AttributeValue, SetAttributes};
use entitlement::failure::Class;
use entitlement::money::Money;
use entitlement::names::{AccessLevel, User};
use entitlement::plan::{GrantAccess, Refund, Refunded, RevokeAccess, Sale, SaleStatus, Step, Until};
use entitlement::profile::Profile;
use serde_json::json;
use wire::client::Client;
use wire::upstream::Upstream;

use crate::adapty::{Adapty, Api, Books};
use crate::setup::setup;
use crate::trial::{Reply, Server};

const GRANT: &str = "POST /api/v2/server-side-api/purchase/profile/grant/access-level/";
const REVOKE: &str = "POST /api/v2/server-side-api/purchase/profile/revoke/access-level/";

fn adapty(server: &Server) -> Adapty {
    speaking(server, Api::V2Access)
}

fn speaking(server: &Server, api: Api) -> Adapty {
    let setup = setup("adapty", server.base.clone(), "secret_live_abc.def", 0, Duration::from_secs(5));
    Adapty::new(Upstream::new(&Client::new().unwrap(), setup).unwrap(), api)
}

const SET: &str = "POST /api/v2/server-side-api/purchase/set/transaction/";
const READ: &str = "GET /api/v2/server-side-api/profile/";

/// The same, with books that transactions are entered in.
fn with_books(server: &Server) -> Adapty {
    speaking(server, Api::V2(Books { with_price: false, country: "US".into() }))
}

fn at(text: &str) -> chrono::DateTime<chrono::Utc> {
    text.parse().unwrap()
}

/// A month that was sold in January and is held by its transaction `in_2`.
fn sold() -> GrantAccess {
    let Step::GrantAccess(grant) = grant(Until::At(at("2026-02-01T00:00:00Z"))) else { panic!("a grant") };
    let status = SaleStatus {
        id: "in_2".into(),
        original: "sub_1".into(),
        bought_at: at("2026-01-01T00:00:00Z"),
        chain_began_at: at("2025-12-01T00:00:00Z"),
        paid_until: grant.until,
        renews: true,
        stopped_at: None,
        stop: None,
        payment_failed_at: None,
        grace_until: None,
        country: None,
        variation: None,
    };
    let price = Some(Money { minor: 999, currency: "usd".into() });
    let sale = Sale { status: Some(Box::new(status)), price, ..grant.sale };
    GrantAccess { store: "stripe".into(), sale, ..grant }
}

/// A profile that shows `premium` of a store, of this chain and to this end.
fn holding(store: &str, original: &str, end: &str) -> Reply {
    let level = json!({"access_level_id": "premium", "store": store, "store_product_id": "prod_1", "expires_at": end,
        "store_transaction_id": original, "store_original_transaction_id": original});
    (200, json!({"data": {"access_levels": [level]}}).to_string())
}

/// What is sent for a refund of [`sold`] on the tenth, in words.
async fn sent_for_a_refund(answers: Vec<Reply>) -> Vec<String> {
    let server = Server::start(answers).await;
    let refunded = Some(Refunded { grant: Box::new(sold()), at: at("2026-01-10T00:00:00Z") });
    let step = Step::RevokeAccess(RevokeAccess {
        level: AccessLevel("premium".into()),
        refund: Refund::Yes,
        refunded,
        ended: None,
    });
    with_books(&server).carry_out(&user("u-1"), &step, || true).await.unwrap().unwrap();
    let words = [(SET, "set"), (READ, "read"), (REVOKE, "revoke")];
    let word = |call: &String| words.iter().find(|(path, _)| call.starts_with(path)).unwrap().1.to_owned();
    server.calls().iter().map(word).collect()
}

#[tokio::test]
async fn a_refund_is_read_back_and_takes_only_what_it_left_of_ours() {
    let ended = holding("stripe", "sub_1", "2026-01-10T00:00:00Z");
    let other = holding("app_store", "2000", "2027-01-01T00:00:00Z");
    let running = holding("stripe", "sub_1", "2026-02-01T00:00:00Z");
    assert_eq!(sent_for_a_refund(vec![ended]).await, ["set"]);
    assert_eq!(sent_for_a_refund(vec![other.clone()]).await, ["set"], "another store's right came to light");
    assert_eq!(sent_for_a_refund(vec![running.clone(), other]).await, ["set", "read"]);
    assert_eq!(sent_for_a_refund(vec![running]).await, ["set", "read", "revoke"]);
}

fn user(id: &str) -> User {
    User::new(id).unwrap()
}

fn shown() -> Reply {
    let level = json!({"access_level_id": "premium", "store": "adapty", "store_product_id": "adapty_server_side_product",
        "expires_at": "2026-01-01T00:00:00+00:00"});
    (200, json!({"data": {"access_levels": [level]}}).to_string())
}

fn refused(status: u16, code: &str) -> Reply {
    let error = json!({"source": null, "errors": ["ann@example.com is not known"]});
    (status, json!({"errors": [error], "error_code": code, "status_code": status}).to_string())
}

fn grant(until: Until) -> Step {
    Step::GrantAccess(GrantAccess {
        level: AccessLevel("premium".into()),
        until,
        starts_at: None,
        store: "adapty".into(),
        sale: Sale {
            original: "sub_1".into(),
            id: "in_2".into(),
            product: "prod_1".into(),
            base_plan: "price_1".into(),
            price: None,
            offer: None,
            status: None,
        },
        sandbox: false,
        refunded: None,
    })
}

fn revoke() -> Step {
    Step::RevokeAccess(RevokeAccess {
        level: AccessLevel("premium".into()),
        refund: Refund::Yes,
        refunded: None,
        ended: None,
    })
}

#[tokio::test]
async fn a_grant_goes_out_to_the_letter_and_names_the_customer_in_a_header() {
    let server = Server::start(vec![shown()]).await;
    let until = Until::At("2026-01-01T00:00:00Z".parse().unwrap());
    let profile = adapty(&server).carry_out(&user("a/b+c@d"), &grant(until), || true).await.unwrap().unwrap();
    assert!(profile.exists && profile.levels[0].is_bare());
    assert_eq!(
        server.calls(),
        [format!(r#"{GRANT} {{"access_level_id":"premium","expires_at":"2026-01-01T00:00:00Z"}}"#)]
    );
    let request = server.seen().remove(0).to_lowercase();
    assert!(request.contains("\r\nadapty-customer-user-id: a/b+c@d\r\n"), "{request}");
    assert!(request.contains("\r\nauthorization: api-key secret_live_abc.def\r\n"), "{request}");
}

#[tokio::test]
async fn a_grant_for_life_says_so_and_a_revoke_is_at_once() {
    let server = Server::start(vec![shown()]).await;
    adapty(&server).carry_out(&user("u-1"), &grant(Until::Lifetime), || true).await.unwrap().unwrap();
    adapty(&server).carry_out(&user("u-1"), &revoke(), || true).await.unwrap().unwrap();
    let expected = [
        format!(r#"{GRANT} {{"access_level_id":"premium","expires_at":null}}"#),
        format!(r#"{REVOKE} {{"access_level_id":"premium"}}"#),
    ];
    assert_eq!(server.calls(), expected);
}

#[tokio::test]
async fn a_profile_is_made_with_the_same_device_each_time() {
    let server = Server::start(vec![shown()]).await;
    for id in ["u-1", "u-1", "u-2"] {
        adapty(&server).create(&user(id)).await.unwrap();
    }
    let calls = server.calls();
    assert!(calls[0].starts_with(r#"POST /api/v2/server-side-api/profile/ {"installation_meta":{"device_id":""#));
    assert!(calls[0] == calls[1] && calls[1] != calls[2] && calls[0].contains(r#""platform":"web""#), "{calls:?}");
}

#[tokio::test]
async fn details_are_told_from_the_device_that_the_profile_was_made_with() {
    let server = Server::start(vec![shown()]).await;
    let name = |text: &str| AttributeName::parse(text).unwrap();
    let attributes = [(name("plan"), AttributeValue::read("team"))].into();
    let step = Step::SetAttributes(SetAttributes { attributes, ..SetAttributes::default() });
    adapty(&server).create(&user("u-1")).await.unwrap();
    adapty(&server).carry_out(&user("u-1"), &step, || true).await.unwrap().unwrap();
    let calls = server.calls();
    let device = calls[0].split_once(r#""installation_meta":"#).unwrap().1.trim_end_matches('}');
    let attributes = r#"{"custom_attributes":[{"key":"plan","value":"team"}],"#;
    let expected = format!(r#"PATCH /api/v2/server-side-api/profile/ {attributes}"installation_meta":{device}}}}}"#);
    assert_eq!(calls[1], expected);
}

#[tokio::test]
async fn a_profile_that_v2_does_not_know_is_absent_and_a_write_to_it_says_so() {
    let nobody = user("abc");
    for reply in [refused(404, "profile_does_not_exist"), refused(400, "profile_does_not_exist")] {
        let server = Server::start(vec![reply]).await;
        assert_eq!(adapty(&server).profile(&nobody).await, Ok(Profile::absent(nobody.clone())));
        assert_eq!(adapty(&server).carry_out(&nobody, &revoke(), || true).await.unwrap_err().class, Class::Missing);
    }
}

#[tokio::test]
async fn refusals_are_final_and_a_revoke_of_what_is_not_there_is_done() {
    for (status, code) in [(404, "paid_access_level_does_not_exist"), (400, "value_error"), (422, "validation_error")] {
        let server = Server::start(vec![refused(status, code)]).await;
        let failure = adapty(&server).carry_out(&user("abc"), &revoke(), || true).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_deref()), (Class::Permanent, Some(code)));
    }
    let server = Server::start(vec![refused(400, "profile_paid_access_level_does_not_exist"), shown()]).await;
    assert!(adapty(&server).carry_out(&user("abc"), &revoke(), || true).await.unwrap().unwrap().exists);
}

#[tokio::test]
async fn a_customer_whom_no_header_can_name_is_never_sent() {
    let server = Server::start(vec![shown()]).await;
    for id in ["zoë", "two words", "a\u{7f}b"] {
        let failure = adapty(&server).profile(&user(id)).await.unwrap_err();
        assert_eq!(failure.class, Class::Permanent);
        assert!(!failure.to_string().contains(id), "{failure}");
    }
    assert!(server.calls().is_empty());
}
