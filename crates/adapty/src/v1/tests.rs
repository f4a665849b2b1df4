//! What goes over the wire to v1, and what its answers mean.

use entitlement::model::access_level::AccessLevel;
use entitlement::model::expected::Refund;
use entitlement::model::failure::Class;
use entitlement::model::money::Money;
use entitlement::model::profile::Profile;
use entitlement::model::sale::{Offer, Sale};
use entitlement::model::step::{GrantAccess, RevokeAccess, SaleEvent, Step};
use serde_json::json;

use crate::adapty::{Adapty, Api};
use crate::sample::{attributes, end, grant, report, revoke, user};
use crate::test_server::{Reply, Server, refused, unreadable};

/// [`end`] as v1 writes it.
const END: &str = "2026-03-01T00:00:00.000000+0000";

const READ: &str = "GET /api/v1/sdk/profiles/abc/";

fn adapty(server: &Server) -> Adapty {
    server.adapty(Api::V1)
}

/// A profile that has `premium` until [`END`].
fn with_premium() -> Reply {
    let level = json!({"id": "premium", "is_active": true, "is_lifetime": false, "expires_at": END});
    (200, json!({"data": {"paid_access_levels": {"premium": level}}}).to_string())
}

/// A trial in test mode.
fn granting() -> Step {
    let sale = Sale {
        id: "sub_1".into(),
        price: Some(Money { minor: 0, currency: "eur".into() }),
        offer: Some(Offer::FreeTrial),
        ..grant().sale
    };
    Step::GrantAccess(GrantAccess { sale, sandbox: true, ..grant() })
}

fn revoking() -> Step {
    Step::RevokeAccess(revoke(Refund::Yes))
}

#[tokio::test]
async fn a_grant_is_one_request_to_the_letter() {
    let server = Server::start(vec![with_premium()]).await;
    let profile = adapty(&server).send(&user("123"), &granting()).await.unwrap();
    assert!(profile.exists);
    assert_eq!(profile.levels[0].until, end());
    let expected = r#"POST /api/v1/sdk/profiles/123/paid-access-levels/premium/grant/ {"base_plan_id":"price_1","expires_at":"2026-03-01T00:00:00.000000+0000","introductory_offer_type":"free_trial","is_sandbox":true,"price":0.0,"price_locale":"EUR","store":"stripe","vendor_original_transaction_id":"sub_1","vendor_product_id":"prod_1","vendor_transaction_id":"sub_1"}"#;
    assert_eq!(server.calls(), [expected]);
    let request = server.requests().remove(0).to_lowercase();
    assert!(request.contains("\r\nauthorization: api-key secret_live_abc.def\r\n"), "{request}");
    assert_eq!(request.matches("content-type: application/json\r\n").count(), 1);
}

#[tokio::test]
async fn a_revoke_for_an_encoded_id_is_one_request_to_the_letter() {
    let server = Server::start(vec![with_premium()]).await;
    let step = Step::RevokeAccess(RevokeAccess { level: AccessLevel("pro plus".into()), refund: Refund::Yes });
    let profile = adapty(&server).send(&user("123+456"), &step).await.unwrap();
    assert_eq!(profile.levels.len(), 1, "what the answer lists is not read again");
    let path = "/api/v1/sdk/profiles/MTIzKzQ1Ng==/paid-access-levels/pro%20plus/revoke/?is_user_id_base64url_encoded=1";
    assert_eq!(server.calls(), [format!(r#"POST {path} {{"is_refund":true}}"#)]);
}

#[tokio::test]
async fn attributes_are_one_patch_of_the_profile() {
    let server = Server::start(vec![with_premium()]).await;
    let step = Step::SetAttributes(attributes());
    assert!(adapty(&server).send(&user("abc"), &step).await.unwrap().exists);
    assert_eq!(server.calls(), [r#"PATCH /api/v1/sdk/profiles/abc/ {"custom_attributes":{"plan":"team"}}"#]);
}

#[tokio::test]
async fn a_sale_alone_is_refused_and_never_sent() {
    let server = Server::start(vec![with_premium()]).await;
    let step = Step::ReportSale(report(SaleEvent::Sold));
    let failure = adapty(&server).send(&user("abc"), &step).await.unwrap_err();
    let expected = "reporting the sale: Adapty's API `v1` takes no sale by itself";
    assert_eq!((failure.class, failure.to_string().as_str()), (Class::Permanent, expected));
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn a_profile_is_read_under_its_plain_or_encoded_id() {
    let server = Server::start(vec![with_premium()]).await;
    let adapty = adapty(&server);
    adapty.profile(&user("abc")).await.unwrap();
    adapty.profile(&user("012?012")).await.unwrap();
    let encoded = "GET /api/v1/sdk/profiles/MDEyPzAxMg==/?is_user_id_base64url_encoded=1";
    assert_eq!(server.calls(), [READ, encoded]);
    assert!(server.requests()[0].to_lowercase().contains("content-type: application/json"));
}

#[tokio::test]
async fn a_whole_profile_is_asked_for_with_its_fields() {
    let server = Server::start(vec![with_premium()]).await;
    let adapty = adapty(&server);
    adapty.whole_profile(&user("abc")).await.unwrap().unwrap();
    adapty.whole_profile(&user("012?012")).await.unwrap().unwrap();
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
        assert_eq!(adapty(&server).whole_profile(&user).await, Ok(None));
    }
}

#[tokio::test]
async fn a_profile_that_cannot_be_read_is_not_absent() {
    let undated = json!({"data": {"paid_access_levels": {"premium": {"is_active": true, "expires_at": "x"}}}});
    let table = [
        (unreadable(), Class::Transient),
        ((200, undated.to_string()), Class::Transient),
        (refused(400, "base_error"), Class::Permanent),
        (refused(401, "not_authenticated"), Class::Credentials),
    ];
    for (reply, class) in table {
        let server = Server::start(vec![reply]).await;
        assert_eq!(adapty(&server).profile(&user("abc")).await.unwrap_err().class, class);
    }
    let server = Server::start(vec![unreadable()]).await;
    assert_eq!(adapty(&server).whole_profile(&user("abc")).await.unwrap_err().class, Class::Transient);
}

#[tokio::test]
async fn a_profile_is_created_under_its_own_id() {
    let server = Server::start(vec![(201, json!({"data": {"paid_access_levels": null}}).to_string())]).await;
    let profile = adapty(&server).create_profile(&user("123+456")).await.unwrap();
    assert!(profile.exists && profile.levels.is_empty());
    assert_eq!(server.calls(), [r#"POST /api/v1/sdk/profiles/ {"customer_user_id":"123+456"}"#]);
}

#[tokio::test]
async fn a_refused_creation_succeeds_when_the_profile_is_there() {
    for reply in [refused(400, "already_exists"), refused(409, "conflict"), refused(404, "x"), unreadable()] {
        let server = Server::start(vec![reply, with_premium()]).await;
        assert_eq!(adapty(&server).create_profile(&user("abc")).await.unwrap().levels.len(), 1);
        assert_eq!(server.calls()[1..], [READ]);
    }
    let server = Server::start(vec![refused(404, "x"), refused(404, "profile_does_not_exist")]).await;
    let failure = adapty(&server).create_profile(&user("abc")).await.unwrap_err();
    assert_eq!((failure.class, failure.code.as_deref()), (Class::Permanent, Some("x")));
}

#[tokio::test]
async fn a_creation_that_failed_on_the_way_reads_nothing() {
    for (status, class) in [(500, Class::Transient), (401, Class::Credentials)] {
        let server = Server::start(vec![refused(status, "x"), with_premium()]).await;
        assert_eq!(adapty(&server).create_profile(&user("abc")).await.unwrap_err().class, class);
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_write_for_a_missing_profile_says_so_and_any_other_refusal_is_final() {
    let table = [
        (refused(404, "profile_does_not_exist"), Class::Missing),
        (refused(400, "profile_does_not_exist"), Class::Missing),
        (refused(404, "profile_not_found"), Class::Missing),
        ((404, json_api("profile_does_not_exist")), Class::Missing),
        ((400, json_api("profile_not_found")), Class::Missing),
        (refused(400, "expires_date_error"), Class::Permanent),
        (refused(422, "validation_error"), Class::Permanent),
        (refused(500, "profile_does_not_exist"), Class::Transient),
        (refused(403, "profile_does_not_exist"), Class::Forbidden),
    ];
    for (reply, class) in table {
        let server = Server::start(vec![reply.clone()]).await;
        let failure = adapty(&server).send(&user("abc"), &granting()).await.unwrap_err();
        assert_eq!(failure.class, class, "{reply:?}");
        assert!(!format!("{failure} {failure:?}").contains("ann@"), "{failure:?}");
        assert_eq!(server.calls().len(), 1);
    }
}

/// An error in the form of JSON:API, which some of the endpoints use.
fn json_api(code: &str) -> String {
    json!({"errors": [{"status": "404", "code": code, "detail": "ann@example.com is not known"}]}).to_string()
}

#[tokio::test]
async fn a_404_that_does_not_say_what_is_missing_is_answered_by_the_profile() {
    let unclear = [
        refused(404, "access_level_not_found"),
        (404, json_api("not_found")),
        (404, r#"{"errors":["Profile not found"]}"#.to_owned()),
        (404, "<html>".to_owned()),
        (404, String::new()),
    ];
    let profiles = [
        (refused(404, "profile_not_found"), Class::Missing),
        (with_premium(), Class::Permanent),
        (refused(500, "x"), Class::Transient),
        (refused(401, "x"), Class::Credentials),
    ];
    for reply in unclear {
        for (profile, class) in &profiles {
            let server = Server::start(vec![reply.clone(), profile.clone()]).await;
            let failure = adapty(&server).send(&user("abc"), &granting()).await.unwrap_err();
            assert_eq!(failure.class, *class, "{reply:?}, then {profile:?}");
            assert!(!format!("{failure} {failure:?}").contains("ann@"), "{failure:?}");
            assert_eq!(server.calls()[1], READ);
        }
    }
}

#[tokio::test]
async fn attributes_that_are_answered_404_miss_their_profile() {
    let table = [
        ((404, String::new()), Class::Missing),
        (refused(404, "not_found"), Class::Missing),
        (refused(400, "profile_does_not_exist"), Class::Missing),
        (refused(400, "value_error"), Class::Permanent),
        (refused(500, "x"), Class::Transient),
    ];
    for (reply, class) in table {
        let server = Server::start(vec![reply.clone()]).await;
        let step = Step::SetAttributes(attributes());
        assert_eq!(adapty(&server).send(&user("abc"), &step).await.unwrap_err().class, class, "{reply:?}");
    }
}

#[tokio::test]
async fn a_revoke_of_what_is_revoked_already_succeeds() {
    for code in ["profile_paid_access_level_does_not_exist", "revocation_date_more_than_expiration_date"] {
        for status in [400, 404] {
            let server = Server::start(vec![refused(status, code), with_premium()]).await;
            assert!(adapty(&server).send(&user("abc"), &revoking()).await.unwrap().exists);
            assert_eq!(server.calls()[1..], [READ]);
        }
        let server = Server::start(vec![refused(500, code), with_premium()]).await;
        assert_eq!(adapty(&server).send(&user("abc"), &revoking()).await.unwrap_err().class, Class::Transient);
    }
    let gone = refused(400, "profile_paid_access_level_does_not_exist");
    let server = Server::start(vec![gone, refused(400, "x")]).await;
    assert_eq!(adapty(&server).send(&user("abc"), &revoking()).await.unwrap_err().class, Class::Transient);
}

#[tokio::test]
async fn after_a_write_whose_answer_cannot_be_read_the_profile_is_read() {
    for body in ["", "<html>", r#"{"data": null}"#] {
        let server = Server::start(vec![(200, body.to_owned()), with_premium()]).await;
        assert_eq!(adapty(&server).send(&user("abc"), &granting()).await.unwrap().levels.len(), 1);
        assert_eq!(server.calls()[1..], [READ]);
    }
    for second in [unreadable(), refused(404, "profile_not_found"), refused(400, "x")] {
        let server = Server::start(vec![unreadable(), second]).await;
        let failure = adapty(&server).send(&user("abc"), &granting()).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient);
    }
}

#[tokio::test]
async fn a_level_that_no_path_can_hold_is_never_sent() {
    let server = Server::start(vec![with_premium()]).await;
    let level = AccessLevel("..".into());
    for step in [
        Step::RevokeAccess(RevokeAccess { level: level.clone(), refund: Refund::No }),
        Step::GrantAccess(GrantAccess { level, ..grant() }),
    ] {
        assert_eq!(adapty(&server).send(&user("abc"), &step).await.unwrap_err().class, Class::Permanent);
    }
    assert!(server.calls().is_empty());
}
