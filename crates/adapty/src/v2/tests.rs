//! What goes over the wire to v2, and what its answers mean.

use entitlement::model::expected::Refund;
use entitlement::model::failure::Class;
use entitlement::model::profile::Profile;
use entitlement::model::step::{GrantAccess, ReportSale, SaleEvent, Step};
use entitlement::model::until::Until;
use serde_json::json;

use crate::adapty::{Adapty, Api};
use crate::sale_format::SaleFormat;
use crate::sample::{at, attributes, end, format, grant, report, revoke, user};
use crate::test_server::{Reply, Server, refused, unreadable};

const GRANT: &str = "POST /api/v2/server-side-api/purchase/profile/grant/access-level/";
const REVOKE: &str = "POST /api/v2/server-side-api/purchase/profile/revoke/access-level/";
const SET: &str = "POST /api/v2/server-side-api/purchase/set/transaction/";
const READ: &str = "GET /api/v2/server-side-api/profile/";

fn adapty(server: &Server) -> Adapty {
    server.adapty(Api::V2(format()))
}

/// A profile that has `premium` of a store, of this chain and to this end.
fn with_premium(store: &str, original: &str, end: &str) -> Reply {
    let level = json!({"access_level_id": "premium", "store": store, "store_product_id": "prod_1", "expires_at": end,
        "store_transaction_id": original, "store_original_transaction_id": original});
    (200, json!({"data": {"access_levels": [level]}}).to_string())
}

/// A profile that has `premium` by a grant.
fn with_granted() -> Reply {
    let level = json!({"access_level_id": "premium", "store": "adapty", "store_product_id": "adapty_server_side_product",
        "expires_at": "2026-03-01T00:00:00+00:00"});
    (200, json!({"data": {"access_levels": [level]}}).to_string())
}

fn without_levels() -> Reply {
    (200, json!({"data": {"access_levels": []}}).to_string())
}

fn granting(until: Until) -> Step {
    Step::GrantAccess(GrantAccess { until, ..grant() })
}

fn revoking() -> Step {
    Step::RevokeAccess(revoke(Refund::Yes))
}

fn reporting(event: SaleEvent) -> Step {
    Step::ReportSale(report(event))
}

fn refunded() -> SaleEvent {
    SaleEvent::Refunded(at("2026-02-10T00:00:00Z"))
}

#[tokio::test]
async fn a_grant_is_the_level_and_its_end_alone_and_names_the_user_in_a_header() {
    for api in [Api::V2(format()), Api::V2Access] {
        let server = Server::start(vec![with_granted()]).await;
        let profile = server.adapty(api).send(&user("a/b+c@d"), &granting(end())).await.unwrap();
        assert!(profile.exists && profile.levels[0].is_bare());
        let expected = format!(r#"{GRANT} {{"access_level_id":"premium","expires_at":"2026-03-01T00:00:00Z"}}"#);
        assert_eq!(server.calls(), [expected]);
        let request = server.requests().remove(0).to_lowercase();
        assert!(request.contains("\r\nadapty-customer-user-id: a/b+c@d\r\n"), "{request}");
        assert!(request.contains("\r\nauthorization: api-key secret_live_abc.def\r\n"), "{request}");
    }
}

#[tokio::test]
async fn a_grant_may_start_later_and_last_for_life_and_a_revoke_is_at_once() {
    let server = Server::start(vec![with_granted()]).await;
    let starts_at = Some(at("2026-02-01T00:00:00Z"));
    let later = Step::GrantAccess(GrantAccess { starts_at, until: Until::Lifetime, ..grant() });
    for step in [later, revoking()] {
        adapty(&server).send(&user("u-1"), &step).await.unwrap();
    }
    let expected = [
        format!(r#"{GRANT} {{"access_level_id":"premium","expires_at":null,"starts_at":"2026-02-01T00:00:00Z"}}"#),
        format!(r#"{REVOKE} {{"access_level_id":"premium"}}"#),
    ];
    assert_eq!(server.calls(), expected);
}

#[tokio::test]
async fn a_report_is_one_request_to_the_letter() {
    let server = Server::start(vec![without_levels()]).await;
    adapty(&server).send(&user("u-1"), &reporting(SaleEvent::Sold)).await.unwrap();
    let body = r#"{"environment":"Production","expires_at":"2026-03-01T00:00:00Z","originally_purchased_at":"2026-01-01T00:00:10Z","price":{"country":"US","currency":"EUR","value":9.99},"purchase_type":"subscription","purchased_at":"2026-02-01T00:00:10Z","renew_status":true,"store":"stripe","store_original_transaction_id":"sub_1","store_product_id":"prod_1","store_transaction_id":"in_2"}"#;
    assert_eq!(server.calls(), [format!("{SET} {body}")]);
    let with_price = SaleFormat { with_price: true, ..format() };
    let server = Server::start(vec![without_levels()]).await;
    server.adapty(Api::V2(with_price)).send(&user("u-1"), &reporting(SaleEvent::Sold)).await.unwrap();
    assert!(server.calls()[0].contains(r#""store_product_id":"prod_1:price_1""#));
}

#[tokio::test]
async fn a_report_is_one_request_whatever_its_answer_shows() {
    let answers = [
        without_levels(),
        with_granted(),
        with_premium("stripe", "sub_1", "2026-02-10T00:00:00Z"),
        with_premium("stripe", "sub_1", "2026-03-01T00:00:00Z"),
        with_premium("app_store", "2000", "2027-01-01T00:00:00Z"),
    ];
    for event in [SaleEvent::Sold, SaleEvent::Changed, refunded(), SaleEvent::Ended(at("2026-02-10T00:00:00Z"))] {
        for answer in &answers {
            // a second request would find an empty profile
            let server = Server::start(vec![answer.clone(), without_levels()]).await;
            let profile = adapty(&server).send(&user("u-1"), &reporting(event)).await.unwrap();
            let read = crate::read::profile(&user("u-1"), answer.1.as_bytes()).unwrap();
            assert_eq!(profile, read);
            let calls = server.calls();
            assert!(calls.len() == 1 && calls[0].starts_with(SET), "{calls:?}");
        }
    }
}

#[tokio::test]
async fn a_refund_is_reported_under_the_id_of_its_sale() {
    let server = Server::start(vec![without_levels()]).await;
    adapty(&server).send(&user("u-1"), &reporting(refunded())).await.unwrap();
    let call = server.calls().remove(0);
    let expected = [
        r#""cancellation_reason":"refund""#,
        r#""refunded_at":"2026-02-10T00:00:00Z""#,
        r#""renew_status":false"#,
        r#""store_transaction_id":"in_2""#,
    ];
    expected.iter().for_each(|field| assert!(call.contains(field), "{field} in {call}"));
}

#[tokio::test]
async fn a_sale_that_cannot_be_written_is_refused_and_never_sent() {
    let server = Server::start(vec![without_levels()]).await;
    let unpriced = |mut report: ReportSale| {
        report.sale.price = None;
        report
    };
    let without_status = Step::ReportSale(ReportSale::of(grant(), SaleEvent::Sold));
    let incomplete = "reporting the sale: its price or its status is not known, which Adapty requires";
    let table = [
        (Api::V2(format()), Step::ReportSale(unpriced(report(SaleEvent::Sold))), incomplete),
        (Api::V2(format()), Step::ReportSale(unpriced(report(refunded()))), incomplete),
        (Api::V2(format()), without_status, incomplete),
        (
            Api::V2Access,
            reporting(SaleEvent::Sold),
            "reporting the sale: Adapty's API `v2-access` takes no sale by itself",
        ),
    ];
    for (api, step, expected) in table {
        let failure = server.adapty(api).send(&user("u-1"), &step).await.unwrap_err();
        assert_eq!((failure.class, failure.to_string().as_str()), (Class::Permanent, expected));
    }
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn a_refused_report_is_one_request_and_classified() {
    let table = [
        (refused(404, "profile_does_not_exist"), Class::Missing),
        (refused(400, "profile_does_not_exist"), Class::Missing),
        (refused(400, "free_trial_price_error"), Class::Permanent),
        // this is success of a revoke alone
        (refused(400, "profile_paid_access_level_does_not_exist"), Class::Permanent),
        (refused(422, "validation_error"), Class::Permanent),
        (refused(401, "not_authenticated"), Class::Credentials),
        (refused(500, "x"), Class::Transient),
    ];
    for (reply, class) in table {
        let server = Server::start(vec![reply.clone()]).await;
        let failure = adapty(&server).send(&user("u-1"), &reporting(refunded())).await.unwrap_err();
        assert_eq!(failure.class, class, "{reply:?}");
        assert!(failure.to_string().starts_with("reporting the sale at adapty"), "{failure}");
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn after_a_report_whose_answer_cannot_be_read_the_profile_is_read() {
    let server = Server::start(vec![unreadable(), with_premium("stripe", "sub_1", "2026-03-01T00:00:00Z")]).await;
    let profile = adapty(&server).send(&user("u-1"), &reporting(SaleEvent::Sold)).await.unwrap();
    assert_eq!(profile.levels[0].until, end());
    assert_eq!(server.calls()[1..], [READ]);
    let server = Server::start(vec![unreadable(), refused(404, "profile_does_not_exist")]).await;
    let failure = adapty(&server).send(&user("u-1"), &reporting(SaleEvent::Sold)).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
}

#[tokio::test]
async fn a_profile_is_made_with_the_same_device_each_time() {
    let server = Server::start(vec![with_granted()]).await;
    for id in ["u-1", "u-1", "u-2"] {
        adapty(&server).create_profile(&user(id)).await.unwrap();
    }
    let calls = server.calls();
    assert!(calls[0].starts_with(r#"POST /api/v2/server-side-api/profile/ {"installation_meta":{"device_id":""#));
    assert!(calls[0] == calls[1] && calls[1] != calls[2] && calls[0].contains(r#""platform":"web""#), "{calls:?}");
}

#[tokio::test]
async fn attributes_are_one_patch_from_the_device_that_the_profile_was_made_with() {
    let server = Server::start(vec![with_granted()]).await;
    adapty(&server).create_profile(&user("u-1")).await.unwrap();
    adapty(&server).send(&user("u-1"), &Step::SetAttributes(attributes())).await.unwrap();
    let calls = server.calls();
    let device = calls[0].split_once(r#""installation_meta":"#).unwrap().1.trim_end_matches('}');
    let attributes = r#"{"custom_attributes":[{"key":"plan","value":"team"}],"#;
    let expected = format!(r#"PATCH /api/v2/server-side-api/profile/ {attributes}"installation_meta":{device}}}}}"#);
    assert_eq!(calls[1..], [expected]);
}

#[tokio::test]
async fn a_profile_that_v2_does_not_know_is_absent_and_a_write_to_it_says_so() {
    let stranger = user("abc");
    for reply in [refused(404, "profile_does_not_exist"), refused(400, "profile_does_not_exist")] {
        let server = Server::start(vec![reply]).await;
        assert_eq!(adapty(&server).profile(&stranger).await, Ok(Profile::absent(stranger.clone())));
        assert_eq!(adapty(&server).whole_profile(&stranger).await, Ok(None));
        for step in [granting(end()), revoking(), reporting(SaleEvent::Sold), Step::SetAttributes(attributes())] {
            let failure = adapty(&server).send(&stranger, &step).await.unwrap_err();
            assert_eq!(failure.class, Class::Missing, "{}", step.kind());
        }
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_a_revoke_of_what_is_revoked_already_succeeds() {
    for (status, code) in [(404, "paid_access_level_does_not_exist"), (400, "value_error"), (422, "validation_error")] {
        let server = Server::start(vec![refused(status, code), with_granted()]).await;
        let failure = adapty(&server).send(&user("abc"), &revoking()).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_deref()), (Class::Permanent, Some(code)));
    }
    let server = Server::start(vec![refused(400, "profile_paid_access_level_does_not_exist"), with_granted()]).await;
    assert!(adapty(&server).send(&user("abc"), &revoking()).await.unwrap().exists);
    assert_eq!(server.calls()[1..], [READ]);
}

#[tokio::test]
async fn a_user_whom_no_header_can_name_is_never_sent() {
    let server = Server::start(vec![with_granted()]).await;
    for id in ["zoë", "two words", "a\u{7f}b"] {
        let failure = adapty(&server).profile(&user(id)).await.unwrap_err();
        assert_eq!(failure.class, Class::Permanent);
        assert!(!failure.to_string().contains(id), "{failure}");
        for step in [granting(end()), revoking(), reporting(SaleEvent::Sold), Step::SetAttributes(attributes())] {
            let failure = adapty(&server).send(&user(id), &step).await.unwrap_err();
            assert_eq!(failure.class, Class::Permanent);
        }
    }
    assert!(server.calls().is_empty());
}
