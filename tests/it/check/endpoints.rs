//! Webhook endpoints, and other bridges behind them.

use stripe::events::TYPES;

use super::{Bench, OURS};

#[tokio::test]
async fn event_types_that_an_endpoint_does_not_send_are_named() {
    let mut bench = Bench::without_endpoint().await;
    let some: Vec<&str> = TYPES.into_iter().filter(|kind| !kind.contains("dispute")).collect();
    bench.endpoint = bench.simulator.stripe.add_webhook_endpoint(OURS, &some);
    let missing = "does not send charge.dispute.created, charge.dispute.closed";
    bench.finds("error", "webhooks", &["pay.example.com", missing, "Developers → Webhooks"]).await;
    let rest = bench.simulator.stripe.add_webhook_endpoint(OURS, &TYPES[18..]);
    assert_eq!(bench.findings().await.1, Some(0), "two endpoints may share the types between them");
    bench.simulator.stripe.edit(&rest, |endpoint| endpoint["url"] = "https://b.example.com/webhooks/stripe".into());
    assert_eq!(bench.findings().await.1, Some(1), "but not two addresses");
    bench.simulator.stripe.add_webhook_endpoint("https://c.example.com/webhooks/stripe?x=hush", &["*"]);
    let (findings, status) = bench.findings().await;
    let warned = findings.iter().filter(|found| found.area == "webhooks" && found.level == "warning").count();
    assert_eq!((warned, status), (2, Some(0)), "one address gets everything: {findings:#?}");
    assert!(!format!("{findings:?}").contains("hush"), "{findings:#?}");
}

#[tokio::test]
async fn a_disabled_endpoint_is_an_error_unless_another_one_works() {
    let bench = Bench::good().await;
    bench.simulator.stripe.edit(&bench.endpoint, |endpoint| endpoint["status"] = "disabled".into());
    bench.finds("error", "webhooks", &[&bench.endpoint, "is disabled"]).await;
    bench.simulator.stripe.add_webhook_endpoint(OURS, &["*"]);
    bench.finds("warning", "webhooks", &[&bench.endpoint, "is disabled"]).await;
}

#[tokio::test]
async fn an_endpoint_of_the_other_mode_is_an_error() {
    let bench = Bench::good().await;
    bench.simulator.stripe.edit(&bench.endpoint, |endpoint| endpoint["livemode"] = true.into());
    bench.finds("error", "webhooks", &["is of live mode, and the key of test"]).await;
}

#[tokio::test]
async fn where_no_endpoint_leads_to_us_the_hosts_are_named() {
    let bench = Bench::without_endpoint().await;
    bench.finds("warning", "webhooks", &["there is no webhook endpoint", "/webhooks/stripe"]).await;
    bench.simulator.stripe.add_webhook_endpoint("https://hooks.example.com/hush?hush", &["invoice.paid"]);
    bench.simulator.stripe.add_webhook_endpoint("https://a.example.com:8443/", &["invoice.paid"]);
    let found = bench.finds("warning", "webhooks", &["there are some to a.example.com, hooks.example.com"]).await;
    assert!(!found.message.contains("hush"));
    bench.simulator.stripe.add_webhook_endpoint("https://pay.example.com/stripe/webhooks", &["*"]);
    bench.finds("warning", "webhooks", &["pay.example.com", "but not to a path that ends in `/webhooks/stripe`"]).await;
}

#[tokio::test]
async fn another_bridge_on_the_same_account_is_warned_of() {
    let bench = Bench::good().await;
    let add = |url: &str| bench.simulator.stripe.add_webhook_endpoint(url, &["*"]);
    let off = add("https://api.adapty.io/api/v1/sdk/webhooks/stripe/hush");
    bench
        .finds("warning", "bridge", &["api.adapty.io", "count revenue twice", "switch off Adapty's Stripe integration"])
        .await;
    bench.simulator.stripe.edit(&off, |endpoint| endpoint["status"] = "disabled".into());
    assert_eq!(bench.findings().await.1, Some(0));
    let hosts = [
        ("api.revenuecat.com", "RevenueCat"),
        ("stripe.qonversion.io", "Qonversion"),
        ("hooks.superwall.me", "Superwall"),
        ("s2s.purchasely.io", "Purchasely"),
        ("webhooks.apphud.com", "Apphud"),
    ];
    for (host, name) in hosts {
        let id = add(&format!("https://{host}/hush"));
        let found = bench.finds("warning", "bridge", &[host, name]).await;
        assert!(!found.message.contains("hush"));
        bench.simulator.stripe.edit(&id, |endpoint| endpoint["url"] = "https://adapty.example.com/".into());
    }
}
