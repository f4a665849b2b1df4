//! Where the user id is found, and what is asked for it.

use serde_json::json;

use super::{UID, one};
use crate::test_server::{Fake, START, changed, list, subscription};

const ORDER: &[&str] = &[
    "subscription.metadata.uid",
    "checkout_session.client_reference_id",
    "checkout_session.metadata.uid",
    "customer.metadata.uid",
    "customer.email",
];

async fn user(fake: &Fake, order: &[&str]) -> Option<(String, String)> {
    let identity = fake.look(order, false).await.identity?;
    Some((identity.user.as_str().to_owned(), identity.origin))
}

fn found(user: &str, origin: &str) -> Option<(String, String)> {
    Some((user.to_owned(), origin.to_owned()))
}

fn silent() -> serde_json::Value {
    changed(subscription(), json!({"metadata": {"uid": "  "}}))
}

#[tokio::test]
async fn the_first_source_that_answers_wins_and_later_ones_are_not_asked() {
    let session = json!({"id": "cs_1", "created": START, "status": "complete", "mode": "subscription",
        "client_reference_id": null, "metadata": {"uid": "user-2"}});
    let customer = json!({"id": "cus_1", "email": "ann@example.com", "metadata": {"uid": "user-3"}});
    let all = |subscription| {
        one(subscription)
            .with("/v1/checkout/sessions", list(std::slice::from_ref(&session)))
            .with("/v1/customers/cus_1", customer.clone())
    };
    let fake = all(subscription());
    assert_eq!(user(&fake, ORDER).await, found("user-1", "subscription.metadata.uid"));
    assert_eq!(fake.asked().len(), 2);

    let fake = all(silent());
    assert_eq!(user(&fake, ORDER).await, found("user-2", "checkout_session.metadata.uid"));
    let asked = "/v1/checkout/sessions?customer=cus_1&limit=100&status=complete";
    assert_eq!(fake.asked().iter().filter(|path| *path == asked).count(), 1);
    assert_eq!(fake.asked().len(), 3);

    assert_eq!(user(&all(silent()), &ORDER[3..]).await, found("user-3", "customer.metadata.uid"));
    assert_eq!(user(&all(silent()), &ORDER[4..]).await, found("ann@example.com", "customer.email"));
    assert_eq!(user(&all(silent()), &["customer.id"]).await, found("cus_1", "customer.id"));
    assert_eq!(user(&all(silent()), UID).await, None);
}

#[tokio::test]
async fn a_running_subscription_tells_before_a_newer_one_that_ended() {
    let with = |id: &str, status: &str, created: i64, uid: &str| {
        let change =
            json!({"id": id, "status": status, "created": created, "metadata": {"uid": uid}, "latest_invoice": null});
        changed(subscription(), change)
    };
    let running = [with("sub_1", "past_due", 1, "running"), with("sub_2", "incomplete", 2, "unpaid")];
    let ended = [with("sub_3", "canceled", 3, "ended"), with("sub_4", "active", 4, "")];
    let all = [running, ended].concat();
    let fake = |list_of: &[serde_json::Value]| Fake::new().with("/v1/subscriptions", list(list_of));
    assert_eq!(user(&fake(&all), UID).await.unwrap().0, "running");
    assert_eq!(user(&fake(&all[2..]), UID).await.unwrap().0, "ended");
}

#[tokio::test]
async fn running_subscriptions_of_different_users_name_nobody_and_say_so() {
    let with = |id: &str, uid: &str| {
        changed(subscription(), json!({"id": id, "metadata": {"uid": uid}, "latest_invoice": null}))
    };
    let fake = |list_of: &[serde_json::Value]| Fake::new().with("/v1/subscriptions", list(list_of));
    let looked = fake(&[with("sub_1", "ann"), with("sub_2", "ben")]).look(UID, false).await;
    assert_eq!(looked.identity, None);
    assert!(looked.contradiction.unwrap().contains("subscription.metadata.uid"));
    let looked = fake(&[with("sub_1", "ann"), with("sub_2", "ann"), with("sub_3", "")]).look(UID, false).await;
    assert_eq!((looked.identity.is_some(), looked.contradiction), (true, None));
}

#[tokio::test]
async fn an_unfinished_session_tells_nothing_and_the_newest_finished_one_is_asked_first() {
    let session = |id: &str, status: &str, created: i64| json!({"id": id, "created": created, "status": status, "mode": "payment", "client_reference_id": id});
    let sessions = [session("cs_1", "complete", 1), session("cs_2", "complete", 2), session("cs_3", "open", 3)];
    let fake = one(silent()).with("/v1/checkout/sessions", list(&sessions));
    assert_eq!(user(&fake, ORDER).await, found("cs_2", "checkout_session.client_reference_id"));
    assert!(fake.look(ORDER, false).await.billing.purchases.is_empty());
}

#[tokio::test]
async fn a_deleted_customer_is_said_to_be_and_its_billing_is_read() {
    let fake = one(silent()).with("/v1/customers/cus_1", json!({"id": "cus_1", "object": "customer", "deleted": true}));
    let looked = fake.look(&["customer.metadata.uid", "customer.email"], false).await;
    assert!(looked.deleted && looked.identity.is_none());
    assert_eq!(looked.billing.subscriptions.len(), 1);
    assert_eq!(fake.asked().len(), 3);
}
