//! Keys that are wrong, or may not read something; vendors that do not answer; clocks.

use simulator::fault::{Fault, Match, What};
use simulator::stripe::moves::NewCustomer;

use super::{Bench, CATALOG, Found};

#[tokio::test]
async fn a_wrong_stripe_key_is_named_once_and_the_rest_is_checked() {
    let mut bench = Bench::good().await;
    bench.set("STRIPE__SECRET_KEY", "sk_test_wrong");
    let (findings, status) = bench.findings().await;
    let errors: Vec<&Found> = findings.iter().filter(|found| found.level == "error").collect();
    assert!(errors.len() == 1 && errors[0].area == "stripe", "{findings:#?}");
    assert!(errors[0].message.contains("refuses the key") && errors[0].message.contains("401"), "{findings:#?}");
    assert!(findings.iter().any(|found| found.area == "adapty" && found.level == "ok"), "{findings:#?}");
    assert!(findings.iter().any(|found| found.area == "webhooks" && found.message.contains("not checked")));
    assert_eq!(status, Some(1));
    assert_eq!(bench.simulator.journal.count(|request| request.path.starts_with("/v1/")), 1, "asked once");
}

#[tokio::test]
async fn a_wrong_adapty_key_is_named_and_the_rest_is_checked() {
    let mut bench = Bench::good().await;
    bench.set("ADAPTY__SECRET_KEY", "secret_live_wrong");
    bench.finds("error", "adapty", &["refuses the key", "secret key again"]).await;
}

#[tokio::test]
async fn each_api_of_adapty_is_checked_alike() {
    for api in ["v1", "v2", "v2-access"] {
        let mut bench = Bench::good().await;
        bench.set("ADAPTY__API", api);
        let (findings, status) = bench.findings().await;
        let wrong: Vec<_> = findings.iter().filter(|found| found.level != "ok").collect();
        assert_eq!((wrong.len(), status), (0, Some(0)), "{api}: {wrong:#?}");
        let key = "secret_live_sandbox.key";
        bench.simulator.adapty.remove_key(key);
        bench.finds("error", "adapty", &["refuses the key"]).await;
    }
}

#[tokio::test]
async fn vendors_that_do_not_answer_are_named() {
    let bench = Bench::good().await;
    bench.simulator.stripe.faults.inject(Fault::always(Match::any(), What::Status(500, vec![], String::new())));
    bench.simulator.adapty.faults.inject(Fault::always(Match::any(), What::Html502));
    let (findings, status) = bench.findings().await;
    for (what, answered) in [("stripe", "answered 500"), ("adapty", "answered 502")] {
        let output = findings.iter().any(|found| {
            let asked = found.message.contains("does not answer as it should") && found.message.contains(answered);
            found.area == what && found.level == "error" && asked
        });
        assert!(output, "{what}: {findings:#?}");
    }
    assert_eq!(status, Some(1));
}

#[tokio::test]
async fn each_permission_that_a_restricted_key_lacks_is_named_once() {
    let mut bench = Bench::good().await;
    let permissions = [
        (vec!["events"], "Events"),
        (vec!["customers"], "Customers"),
        (vec!["subscriptions"], "Subscriptions"),
        (vec!["invoices"], "Invoices"),
        (vec!["invoice_payments"], "Invoice payments"),
        (vec!["checkout/sessions"], "Checkout Sessions"),
        (vec!["payment_intents"], "Payment Intents"),
        (vec!["charges"], "Charges and refunds"),
        (vec!["charges", "refunds"], "Charges and refunds"),
        (vec!["disputes"], "Disputes"),
    ];
    bench.set("STRIPE__SECRET_KEY", "rk_test_closed");
    for (closed, name) in permissions {
        bench.simulator.stripe.add_restricted_key("rk_test_closed", &closed);
        let message = format!("the key may not read {name}");
        let found = bench.finds("error", "stripe", &["read access to"]).await;
        assert_eq!(found.message, message);
    }
}

#[tokio::test]
async fn permissions_that_only_a_check_needs_are_warnings() {
    let mut bench = Bench::good().await;
    bench.set("STRIPE__SECRET_KEY", "rk_test_closed");
    bench.simulator.stripe.add_restricted_key("rk_test_closed", &["prices"]);
    bench.finds("warning", "catalog", &["may not read Prices", "only this command"]).await;
    bench.simulator.stripe.add_restricted_key("rk_test_closed", &["webhook_endpoints"]);
    let (findings, status) = bench.findings().await;
    let wrong: Vec<_> = findings.iter().filter(|found| found.level != "ok").collect();
    let output: Vec<_> = wrong.iter().map(|found| (found.level.as_str(), found.area.as_str())).collect();
    assert_eq!((output, status), (vec![("warning", "webhooks"), ("warning", "bridge")], Some(0)), "{wrong:#?}");
    bench.catalog(&format!("{CATALOG}[[catalog]]\nproduct = \"prod_old\"\naccess_level = \"old\""));
    bench.simulator.stripe.add_restricted_key("rk_test_closed", &["products"]);
    bench.finds("warning", "catalog", &["may not read Products"]).await;
}

#[tokio::test]
async fn checkout_sessions_need_not_be_read_where_nothing_asks_for_them() {
    let mut bench = Bench::good().await;
    bench.set("STRIPE__SECRET_KEY", "rk_test_closed");
    bench.set("IDENTITY__USER_ID", "subscription.metadata.uid");
    bench.simulator.stripe.add_restricted_key("rk_test_closed", &["checkout/sessions"]);
    let (findings, status) = bench.findings().await;
    assert_eq!(status, Some(0), "{findings:#?}");
}

#[tokio::test]
async fn what_is_of_the_other_mode_than_the_key_is_named() {
    let bench = Bench::good().await;
    bench.simulator.stripe.set_livemode(true);
    bench.simulator.stripe.add_customer(NewCustomer::default());
    bench.finds("error", "stripe", &["key is of test mode", "of live mode"]).await;
}

#[tokio::test]
async fn clocks_that_are_a_minute_apart_are_warned_of_and_four_minutes_are_wrong() {
    for (seconds, level, says) in [
        (30, "ok", "agrees"),
        (120, "warning", "our clock is about 120 s behind Stripe's"),
        (-120, "warning", "our clock is about 120 s ahead of Stripe's"),
        (300, "error", "webhooks are refused"),
        (-300, "error", "webhooks are refused"),
    ] {
        let bench = Bench::good().await;
        bench.simulator.stripe.faults.inject(Fault::always(Match::any(), What::DatedOff(seconds)));
        let (findings, status) = bench.findings().await;
        let clock = findings.iter().find(|found| found.area == "clock").unwrap();
        assert_eq!((clock.level.as_str(), clock.message.contains(says)), (level, true), "{seconds}: {clock:#?}");
        assert_eq!(status, Some(i32::from(level == "error")));
    }
}
