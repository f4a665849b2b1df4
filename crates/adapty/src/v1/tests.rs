//! What goes over the wire to v1, and what its answers mean.

use std::time::Duration;

use entitlement::failure::Class;
use entitlement::money::Money;
use entitlement::names::{AccessLevel, User};
use entitlement::plan::{GrantAccess, Offer, Refund, RevokeAccess, Sale, Step, Until};
use entitlement::profile::Profile;
use serde_json::json;
use wire::client::Client;
use wire::upstream::Upstream;

use crate::adapty::{Adapty, Api};
use crate::setup::setup;
use crate::trial::{Reply, Server};

const END: &str = "2026-01-01T00:00:00.000000+0000";

fn adapty(server: &Server) -> Adapty {
    let setup = setup("adapty", server.base.clone(), "secret_live_abc.def", 0, Duration::from_secs(5));
    Adapty::new(Upstream::new(&Client::new().unwrap(), setup).unwrap(), Api::V1)
}

fn user(id: &str) -> User {
    User::new(id).unwrap()
}

/// An answer that shows `premium` until [`END`].
fn shown() -> Reply {
    let level = json!({"id": "premium", "is_active": true, "is_lifetime": false, "expires_at": END});
    (200, json!({"data": {"paid_access_levels": {"premium": level}}}).to_string())
}

fn refused(status: u16, code: &str) -> Reply {
    let error = json!({"source": null, "errors": ["ann@example.com is not known"]});
    (status, json!({"errors": [error], "error_code": code, "status_code": status}).to_string())
}

fn broken() -> Reply {
    (200, "<html>".to_owned())
}

fn grant() -> Step {
    Step::GrantAccess(GrantAccess {
        level: AccessLevel("premium".into()),
        until: Until::At(END.parse().unwrap()),
        starts_at: None,
        store: "stripe".into(),
        sale: Sale {
            original: "sub_1".into(),
            id: "sub_1".into(),
            product: "prod_1".into(),
            base_plan: "price_1".into(),
            price: Some(Money { minor: 0, currency: "eur".into() }),
            offer: Some(Offer::FreeTrial),
            status: None,
        },
        sandbox: true,
        refunded: None,
    })
}

fn revoke() -> Step {
    Step::RevokeAccess(RevokeAccess {
        level: AccessLevel("pro plus".into()),
        refund: Refund::Yes,
        refunded: None,
        ended: None,
    })
}

#[tokio::test]
async fn a_grant_goes_out_to_the_letter() {
    let server = Server::start(vec![shown()]).await;
    let profile = adapty(&server).carry_out(&user("123"), &grant(), || true).await.unwrap().unwrap();
    assert!(profile.exists);
    assert_eq!(profile.levels[0].until, Until::At(END.parse().unwrap()));
    let expected = r#"POST /api/v1/sdk/profiles/123/paid-access-levels/premium/grant/ {"base_plan_id":"price_1","expires_at":"2026-01-01T00:00:00.000000+0000","introductory_offer_type":"free_trial","is_sandbox":true,"price":0.0,"price_locale":"EUR","store":"stripe","vendor_original_transaction_id":"sub_1","vendor_product_id":"prod_1","vendor_transaction_id":"sub_1"}"#;
    assert_eq!(server.calls(), [expected]);
    let request = server.seen().remove(0).to_lowercase();
    assert!(request.contains("\r\nauthorization: api-key secret_live_abc.def\r\n"), "{request}");
    assert_eq!(request.matches("content-type: application/json\r\n").count(), 1);
}

#[tokio::test]
async fn a_revoke_for_an_encoded_id_goes_out_to_the_letter() {
    let server = Server::start(vec![shown()]).await;
    adapty(&server).carry_out(&user("123+456"), &revoke(), || true).await.unwrap().unwrap();
    let path = "/api/v1/sdk/profiles/MTIzKzQ1Ng==/paid-access-levels/pro%20plus/revoke/?is_user_id_base64url_encoded=1";
    assert_eq!(server.calls(), [format!(r#"POST {path} {{"is_refund":true}}"#)]);
}

#[tokio::test]
async fn a_profile_is_read_under_its_plain_or_encoded_id() {
    let server = Server::start(vec![shown()]).await;
    let adapty = adapty(&server);
    adapty.profile(&user("abc")).await.unwrap();
    adapty.profile(&user("012?012")).await.unwrap();
    let encoded = "GET /api/v1/sdk/profiles/MDEyPzAxMg==/?is_user_id_base64url_encoded=1";
    assert_eq!(server.calls(), ["GET /api/v1/sdk/profiles/abc/", encoded]);
    assert!(server.seen()[0].to_lowercase().contains("content-type: application/json"));
}

#[tokio::test]
async fn a_whole_profile_is_asked_for_with_its_fields() {
    let server = Server::start(vec![shown()]).await;
    let adapty = adapty(&server);
    adapty.whole(&user("abc")).await.unwrap().unwrap();
    adapty.whole(&user("012?012")).await.unwrap().unwrap();
    let encoded = "GET /api/v1/sdk/profiles/MDEyPzAxMg==/?is_user_id_base64url_encoded=1&extended=1";
    assert_eq!(server.calls(), ["GET /api/v1/sdk/profiles/abc/?extended=1", encoded]);
}

#[tokio::test]
async fn a_profile_that_adapty_does_not_know_is_absent() {
    let user = user("abc");
    for reply in [
        refused(404, "profile_does_not_exist"),
        refused(400, "profile_does_not_exist"),
        refused(404, "profile_not_found"),
        (404, r#"{"errors":["Profile not found"]}"#.to_owned()),
        (404, String::new()),
    ] {
        let server = Server::start(vec![reply]).await;
        assert_eq!(adapty(&server).profile(&user).await, Ok(Profile::absent(user.clone())));
    }
}

#[tokio::test]
async fn a_profile_that_cannot_be_read_is_not_absent() {
    let undated = json!({"data": {"paid_access_levels": {"premium": {"is_active": true, "expires_at": "x"}}}});
    let table = [
        (broken(), Class::Transient),
        ((200, undated.to_string()), Class::Transient),
        (refused(400, "base_error"), Class::Permanent),
        (refused(401, "not_authenticated"), Class::Credentials),
    ];
    for (reply, class) in table {
        let server = Server::start(vec![reply]).await;
        assert_eq!(adapty(&server).profile(&user("abc")).await.unwrap_err().class, class);
    }
}

#[tokio::test]
async fn a_profile_is_created_under_its_own_id() {
    let server = Server::start(vec![(201, json!({"data": {"paid_access_levels": null}}).to_string())]).await;
    let profile = adapty(&server).create(&user("123+456")).await.unwrap();
    assert!(profile.exists && profile.levels.is_empty());
    assert_eq!(server.calls(), [r#"POST /api/v1/sdk/profiles/ {"customer_user_id":"123+456"}"#]);
}

#[tokio::test]
async fn a_refused_creation_looks_whether_somebody_was_faster() {
    for reply in [refused(400, "already_exists"), refused(409, "conflict"), refused(404, "x"), broken()] {
        let server = Server::start(vec![reply, shown()]).await;
        assert_eq!(adapty(&server).create(&user("abc")).await.unwrap().levels.len(), 1);
        assert_eq!(server.calls()[1], "GET /api/v1/sdk/profiles/abc/");
    }
    let server = Server::start(vec![refused(404, "x"), refused(404, "profile_does_not_exist")]).await;
    let failure = adapty(&server).create(&user("abc")).await.unwrap_err();
    assert_eq!((failure.class, failure.code.as_deref()), (Class::Permanent, Some("x")));
}

#[tokio::test]
async fn a_creation_that_failed_on_the_way_is_left_to_the_next_look() {
    for (status, class) in [(500, Class::Transient), (401, Class::Credentials)] {
        let server = Server::start(vec![refused(status, "x"), shown()]).await;
        assert_eq!(adapty(&server).create(&user("abc")).await.unwrap_err().class, class);
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_write_for_a_missing_profile_says_so_and_any_other_refusal_is_final() {
    let table = [
        (refused(404, "profile_does_not_exist"), Class::Missing),
        (refused(400, "profile_does_not_exist"), Class::Missing),
        (refused(404, "profile_not_found"), Class::Missing),
        (refused(404, "access_level_not_found"), Class::Permanent),
        (refused(404, "profile_paid_access_level_does_not_exist"), Class::Permanent),
        ((404, "<html>".to_owned()), Class::Permanent),
        (refused(400, "expires_date_error"), Class::Permanent),
        (refused(422, "validation_error"), Class::Permanent),
        (refused(500, "profile_does_not_exist"), Class::Transient),
        (refused(403, "profile_does_not_exist"), Class::Credentials),
    ];
    for (reply, class) in table {
        let server = Server::start(vec![reply.clone()]).await;
        let failure = adapty(&server).carry_out(&user("abc"), &grant(), || true).await.unwrap_err();
        assert_eq!(failure.class, class, "{reply:?}");
        assert!(!format!("{failure} {failure:?}").contains("ann@"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_revoke_of_what_is_not_there_is_done() {
    let server = Server::start(vec![refused(400, "profile_paid_access_level_does_not_exist"), shown()]).await;
    assert!(adapty(&server).carry_out(&user("abc"), &revoke(), || true).await.unwrap().unwrap().exists);
    assert_eq!(server.calls()[1], "GET /api/v1/sdk/profiles/abc/");
}

#[tokio::test]
async fn a_write_whose_answer_cannot_be_read_is_read_back() {
    for body in ["", "<html>", r#"{"data": null}"#] {
        let server = Server::start(vec![(200, body.to_owned()), shown()]).await;
        assert_eq!(adapty(&server).carry_out(&user("abc"), &grant(), || true).await.unwrap().unwrap().levels.len(), 1);
        assert_eq!(server.calls().len(), 2);
    }
    for second in [broken(), refused(404, "profile_not_found"), refused(400, "x")] {
        let server = Server::start(vec![broken(), second]).await;
        assert_eq!(
            adapty(&server).carry_out(&user("abc"), &grant(), || true).await.unwrap_err().class,
            Class::Transient
        );
    }
}

#[tokio::test]
async fn a_level_that_no_path_can_hold_is_never_sent() {
    let server = Server::start(vec![shown()]).await;
    let step = Step::RevokeAccess(RevokeAccess {
        level: AccessLevel("..".into()),
        refund: Refund::No,
        refunded: None,
        ended: None,
    });
    assert_eq!(adapty(&server).carry_out(&user("abc"), &step, || true).await.unwrap_err().class, Class::Permanent);
    assert!(server.calls().is_empty());
}
