//! Events as Stripe sends them, and bodies that are none.

use super::*;
use crate::account;

fn snapshot(kind: &str, object: &str) -> Envelope {
    let body = format!(
        r#"{{"id":"evt_1","object":"event","api_version":"2024-06-20","created":1767225600,"livemode":false,
            "pending_webhooks":1,"request":{{"id":null}},"type":"{kind}","data":{{"object":{object}}}}}"#
    );
    read(body.as_bytes()).unwrap()
}

fn account(id: &str) -> Subject {
    Subject::Account(account::of(None, id))
}

fn via(id: &str) -> Subject {
    Subject::Via(Via { object: id.to_owned() })
}

#[test]
fn a_snapshot_names_its_object_and_its_customer() {
    let envelope = snapshot("invoice.paid", r#"{"id":"in_1","object":"invoice","customer":"cus_1"}"#);
    let expected = Envelope {
        id: "evt_1".into(),
        kind: "invoice.paid".into(),
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        mode: Some(Mode::Test),
        connect: None,
        object: Some("in_1".into()),
        subject: account("cus_1"),
    };
    assert_eq!(envelope, expected);
    assert_eq!(envelope.account().unwrap().as_str(), "stripe:cus_1");
}

#[test]
fn a_thin_event_names_an_object_that_leads_to_the_customer() {
    let body = br#"{"id":"evt_1","object":"v2.core.event","type":"v1.customer.subscription.updated",
        "created":"2026-01-01T00:00:00.250Z","context":"acct_1","reason":null,
        "related_object":{"id":"sub_1","type":"subscription","url":"/v1/subscriptions/sub_1"}}"#;
    let envelope = read(body).unwrap();
    assert_eq!((envelope.mode, envelope.connect.as_deref()), (None, Some("acct_1")));
    assert_eq!(envelope.created.timestamp_millis(), 1_767_225_600_250);
    assert_eq!((envelope.object.as_deref(), &envelope.subject), (Some("sub_1"), &via("sub_1")));
    assert_eq!(envelope.account().unwrap().as_str(), "stripe:acct_1/sub_1");
}

#[test]
fn a_thin_event_of_a_customer_is_that_customer_and_one_of_a_price_is_nobody() {
    let of = |related: &str| {
        let body = format!(
            r#"{{"id":"evt_1","object":"v2.core.event","type":"v1.x.y","livemode":true,
                "created":"2026-01-01T00:00:00Z","related_object":{related}}}"#
        );
        read(body.as_bytes()).unwrap().subject
    };
    assert_eq!(of(r#"{"id":"cus_1","type":"customer"}"#), account("cus_1"));
    assert_eq!(of(r#"{"id":"cs_1","type":"checkout.session"}"#), via("cs_1"));
    assert_eq!(of(r#"{"id":"in_1"}"#), via("in_1"));
    assert_eq!(of(r#"{"id":"price_1","type":"price"}"#), Subject::Nobody);
    assert_eq!(of("null"), Subject::Nobody);
}

#[test]
fn every_event_that_concerns_a_customer_leads_to_them() {
    let customer = |object: &str, id: &str| format!(r#"{{"id":"{id}","object":"{object}","customer":"cus_1"}}"#);
    let kinds = [
        ("checkout.session.completed", "checkout.session", "cs_1"),
        ("checkout.session.async_payment_succeeded", "checkout.session", "cs_1"),
        ("checkout.session.async_payment_failed", "checkout.session", "cs_1"),
        ("customer.subscription.created", "subscription", "sub_1"),
        ("customer.subscription.updated", "subscription", "sub_1"),
        ("customer.subscription.deleted", "subscription", "sub_1"),
        ("customer.subscription.paused", "subscription", "sub_1"),
        ("customer.subscription.resumed", "subscription", "sub_1"),
        ("customer.subscription.trial_will_end", "subscription", "sub_1"),
        ("customer.subscription.pending_update_applied", "subscription", "sub_1"),
        ("customer.subscription.pending_update_expired", "subscription", "sub_1"),
        ("invoice.paid", "invoice", "in_1"),
        ("invoice.payment_succeeded", "invoice", "in_1"),
        ("invoice.payment_failed", "invoice", "in_1"),
        ("invoice.payment_action_required", "invoice", "in_1"),
        ("invoice.voided", "invoice", "in_1"),
        ("invoice.marked_uncollectible", "invoice", "in_1"),
        ("invoice.overdue", "invoice", "in_1"),
        ("charge.refunded", "charge", "ch_1"),
        ("credit_note.created", "credit_note", "cn_1"),
        ("entitlements.active_entitlement_summary.updated", "entitlements.active_entitlement_summary", "x"),
        ("subscription_schedule.updated", "subscription_schedule", "sub_sched_1"),
        ("something.newer_than.us", "thing", "th_1"),
    ];
    for (kind, object, id) in kinds {
        let envelope = snapshot(kind, &customer(object, id));
        assert_eq!(envelope.subject, account("cus_1"), "{kind}");
        assert!(changes_access(kind) && changes_access(&format!("v1.{kind}")), "{kind}");
    }
    for kind in ["customer.updated", "customer.deleted"] {
        assert_eq!(snapshot(kind, r#"{"id":"cus_1","object":"customer"}"#).subject, account("cus_1"), "{kind}");
        assert!(changes_access(kind), "{kind}");
    }
}

#[test]
fn an_object_without_a_customer_is_followed_from_the_nearest_known() {
    for (object, expected) in [
        (r#"{"id":"re_1","object":"refund","charge":"ch_1","payment_intent":"pi_1"}"#, via("ch_1")),
        (r#"{"id":"re_1","object":"refund","charge":null,"payment_intent":"pi_1"}"#, via("pi_1")),
        (r#"{"id":"pyr_1","object":"refund"}"#, via("pyr_1")),
        (r#"{"id":"du_1","object":"dispute","charge":{"id":"ch_1","object":"charge"}}"#, via("ch_1")),
        (r#"{"id":"inpay_1","object":"invoice_payment","invoice":"in_1"}"#, via("in_1")),
        (r#"{"id":"ch_1","object":"charge","customer":null}"#, via("ch_1")),
        (r#"{"id":"pi_1","object":"payment_intent"}"#, via("pi_1")),
        (r#"{"id":"in_1","object":"invoice"}"#, via("in_1")),
        (r#"{"id":"si_1","object":"subscription_item","subscription":"sub_1"}"#, via("sub_1")),
        (r#"{"id":"price_1","object":"price","product":"prod_1"}"#, Subject::Nobody),
        (r#"{"id":"prod_1","object":"product"}"#, Subject::Nobody),
        (r#"{"object":"invoice"}"#, Subject::Nobody),
        ("{}", Subject::Nobody),
        ("null", Subject::Nobody),
    ] {
        assert_eq!(snapshot("a.b", object).subject, expected, "{object}");
    }
}

#[test]
fn an_expanded_customer_counts_like_its_id() {
    let object = r#"{"id":"sub_1","object":"subscription","customer":{"object":"customer","id":"cus_1","email":"x"}}"#;
    assert_eq!(snapshot("customer.subscription.updated", object).subject, account("cus_1"));
    let gone = r#"{"id":"sub_1","object":"subscription","customer":{"id":"cus_1","deleted":true}}"#;
    assert_eq!(snapshot("customer.subscription.deleted", gone).subject, account("cus_1"));
}

#[test]
fn a_guest_who_bought_something_is_their_session() {
    let session = |rest: &str| {
        let object = format!(r#"{{"id":"cs_1","object":"checkout.session","customer":null,{rest}}}"#);
        snapshot("checkout.session.completed", &object).subject
    };
    assert_eq!(session(r#""mode":"payment","payment_intent":"pi_1""#), account("cs_1"));
    assert_eq!(session(r#""mode":"setup""#), Subject::Nobody);
    assert_eq!(session(r#""mode":"subscription","subscription":"sub_1""#), via("sub_1"));
}

#[test]
fn a_connected_account_goes_with_the_account() {
    let body = br#"{"id":"evt_1","object":"event","type":"invoice.paid","created":1,"livemode":true,"account":"acct_9",
        "data":{"object":{"id":"in_1","object":"invoice","customer":"cus_1"}}}"#;
    let envelope = read(body).unwrap();
    assert_eq!(envelope.connect.as_deref(), Some("acct_9"));
    assert_eq!(envelope.account().unwrap().as_str(), "stripe:acct_9/cus_1");
    assert_eq!(envelope.mode, Some(Mode::Live));
}

#[test]
fn only_events_after_which_nothing_new_can_be_expected_are_left_out() {
    for kind in ["customer.created", "v1.customer.created", "checkout.session.expired"] {
        assert!(!changes_access(kind), "{kind}");
    }
}

#[test]
fn text_with_escapes_is_read_too() {
    let body = br#"{"\u0069d":"evt_\u0031","object":"event","type":"invoice\u002epaid","created":1,
        "data":{"object":{"id":"in_1","object":"invoice","customer":"cus_\u0031"}}}"#;
    let envelope = read(body).unwrap();
    assert_eq!((envelope.id.as_str(), envelope.kind.as_str()), ("evt_1", "invoice.paid"));
    assert_eq!(envelope.subject, account("cus_1"));
}

#[test]
fn what_is_no_json_object_is_refused() {
    for body in [
        &b""[..],
        b"   ",
        b"nonsense",
        b"[]",
        b"\"text\"",
        b"12",
        b"{",
        b"{\"id\":\"evt_1\"} trailing",
        b"{\"id\":5,\"livemode\":\"x\",",
        b"{\"id\":\"\xff\"}",
    ] {
        assert_eq!(read(body), Err(NoEvent::NotJsonObject), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn json_that_is_no_event_is_unreadable_and_not_quoted() {
    for body in [
        r#"{}"#,
        r#"{"id":"evt_1","object":"event","type":"a.b"}"#,
        r#"{"id":"evt_1","object":"event","created":1}"#,
        r#"{"id":"evt_1","object":"event","created":"yesterday","type":"a.b"}"#,
        r#"{"id":"","object":"event","created":1,"type":"a.b"}"#,
        r#"{"id":{"secret":"x"},"object":"event","created":1,"type":"a.b"}"#,
        r#"{"id":"cus_1","object":"customer","created":1,"type":"a.b"}"#,
        r#"{"id":"evt_1","object":"event","created":1,"type":"a.b","livemode":"ann@example.com"}"#,
        r#"{"id":"evt_1","object":"event","created":1,"type":"a.b","data":"ann@example.com"}"#,
    ] {
        let error = read(body.as_bytes()).unwrap_err();
        assert!(matches!(error, NoEvent::Unreadable(_)), "{body}");
        assert!(!error.to_string().contains("ann@"), "{error}");
    }
}
