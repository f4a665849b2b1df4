//! Where the user id is found, and what is read for it.

use serde_json::json;

use super::{UID, one};
use crate::test_server::{START, TestServer, changed, list, subscription};

const ORDER: &[&str] = &[
    "subscription.metadata.uid",
    "checkout_session.client_reference_id",
    "checkout_session.metadata.uid",
    "customer.metadata.uid",
    "customer.email",
];

async fn user(server: &TestServer, order: &[&str]) -> Option<(String, String)> {
    let identity = server.read(order, false).await.identity?;
    Some((identity.user.as_str().to_owned(), identity.origin))
}

fn found(user: &str, origin: &str) -> Option<(String, String)> {
    Some((user.to_owned(), origin.to_owned()))
}

fn silent() -> serde_json::Value {
    changed(subscription(), json!({"metadata": {"uid": "  "}}))
}

#[tokio::test]
async fn the_first_place_that_names_a_user_wins_and_later_ones_are_not_read() {
    let session = json!({"id": "cs_1", "created": START, "status": "complete", "mode": "subscription",
        "client_reference_id": null, "metadata": {"uid": "user-2"}});
    let customer = json!({"id": "cus_1", "email": "ann@example.com", "metadata": {"uid": "user-3"}});
    let all = |subscription| {
        one(subscription)
            .with("/v1/checkout/sessions", list(std::slice::from_ref(&session)))
            .with("/v1/customers/cus_1", customer.clone())
    };
    let server = all(subscription());
    assert_eq!(user(&server, ORDER).await, found("user-1", "subscription.metadata.uid"));
    assert_eq!(server.requests().len(), 2);

    let server = all(silent());
    assert_eq!(user(&server, ORDER).await, found("user-2", "checkout_session.metadata.uid"));
    let asked = "/v1/checkout/sessions?customer=cus_1&limit=100&status=complete";
    assert_eq!(server.requests().iter().filter(|path| *path == asked).count(), 1);
    assert_eq!(server.requests().len(), 3);

    assert_eq!(user(&all(silent()), &ORDER[3..]).await, found("user-3", "customer.metadata.uid"));
    assert_eq!(user(&all(silent()), &ORDER[4..]).await, found("ann@example.com", "customer.email"));
    assert_eq!(user(&all(silent()), &["customer.id"]).await, found("cus_1", "customer.id"));
    assert_eq!(user(&all(silent()), UID).await, None);
}

#[tokio::test]
async fn a_running_subscription_counts_before_a_newer_one_that_ended() {
    let with = |id: &str, status: &str, created: i64, uid: &str| {
        let change =
            json!({"id": id, "status": status, "created": created, "metadata": {"uid": uid}, "latest_invoice": null});
        changed(subscription(), change)
    };
    let running = [with("sub_1", "past_due", 1, "running"), with("sub_2", "incomplete", 2, "unpaid")];
    let ended = [with("sub_3", "canceled", 3, "ended"), with("sub_4", "active", 4, "")];
    let all = [running, ended].concat();
    let server = |list_of: &[serde_json::Value]| TestServer::new().with("/v1/subscriptions", list(list_of));
    assert_eq!(user(&server(&all), UID).await.unwrap().0, "running");
    assert_eq!(user(&server(&all[2..]), UID).await.unwrap().0, "ended");
}

#[tokio::test]
async fn running_subscriptions_of_different_users_name_nobody_and_say_so() {
    let with = |id: &str, uid: &str| {
        changed(subscription(), json!({"id": id, "metadata": {"uid": uid}, "latest_invoice": null}))
    };
    let server = |list_of: &[serde_json::Value]| TestServer::new().with("/v1/subscriptions", list(list_of));
    let reading = server(&[with("sub_1", "ann"), with("sub_2", "ben")]).read(UID, false).await;
    assert_eq!(reading.identity, None);
    assert!(reading.contradiction.unwrap().contains("subscription.metadata.uid"));
    let reading = server(&[with("sub_1", "ann"), with("sub_2", "ann"), with("sub_3", "")]).read(UID, false).await;
    assert_eq!((reading.identity.is_some(), reading.contradiction), (true, None));
}

#[tokio::test]
async fn an_unfinished_session_names_nobody_and_the_newest_finished_one_counts_first() {
    let session = |id: &str, status: &str, created: i64| json!({"id": id, "created": created, "status": status, "mode": "payment", "client_reference_id": id});
    let sessions = [session("cs_1", "complete", 1), session("cs_2", "complete", 2), session("cs_3", "open", 3)];
    let server = one(silent()).with("/v1/checkout/sessions", list(&sessions));
    assert_eq!(user(&server, ORDER).await, found("cs_2", "checkout_session.client_reference_id"));
    assert!(server.read(ORDER, false).await.billing.purchases.is_empty());
}

#[tokio::test]
async fn a_deleted_customer_is_reported_as_such_and_its_billing_is_read() {
    let server =
        one(silent()).with("/v1/customers/cus_1", json!({"id": "cus_1", "object": "customer", "deleted": true}));
    let reading = server.read(&["customer.metadata.uid", "customer.email"], false).await;
    assert!(reading.deleted && reading.identity.is_none());
    assert_eq!(reading.billing.subscriptions.len(), 1);
    assert_eq!(server.requests().len(), 3);
}
