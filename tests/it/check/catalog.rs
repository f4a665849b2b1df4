//! The catalog against what is sold, and what is sold and ignored.

use chrono::TimeDelta;
use simulator::stripe::moves::{NewPrice, NewSubscription, metadata};

use super::{Bench, CATALOG};
use crate::harness::final_checks::finish;
use crate::harness::world::World;

#[tokio::test]
async fn a_catalog_that_opens_nothing_is_an_error() {
    let bench = Bench::good().await;
    bench.catalog(
        "[[catalog]]\nproduct = \"prod_premium\"\nignore = true\n[[catalog]]\nprice = \"price_gold\"\nignore = true",
    );
    bench.finds("error", "settings", &["has an access level"]).await;
}

#[tokio::test]
async fn an_active_price_that_opens_nothing_is_an_error_until_it_is_in_the_catalog() {
    let bench = Bench::good().await;
    let month = TimeDelta::days(30);
    bench.simulator.stripe.add_price(NewPrice::recurring("price_seat", "prod_seat", 500, month));
    let pieces = ["price `price_seat` of product `prod_seat` sells and opens nothing", "parked", "ignore = true"];
    bench.finds("error", "catalog", &pieces).await;
    for entry in ["price = \"price_seat\"", "product = \"prod_seat\""] {
        bench.catalog(&format!("{CATALOG}[[catalog]]\n{entry}\nignore = true\n"));
        let (findings, status) = bench.findings().await;
        assert_eq!(status, Some(0), "{findings:#?}");
        assert!(findings.iter().any(|found| found.message.contains("3 active recurring prices in the catalog, 1 of")));
    }
    bench.catalog(CATALOG);
    bench.simulator.stripe.edit("price_seat", |price| price["active"] = false.into());
    assert_eq!(bench.findings().await.1, Some(0), "it cannot be bought any more");
}

#[tokio::test]
async fn what_the_catalog_names_and_stripe_does_not_sell_is_a_warning() {
    let bench = Bench::good().await;
    let month = TimeDelta::days(30);
    bench.simulator.stripe.add_price(NewPrice::recurring("price_old", "prod_old", 500, month));
    bench.simulator.stripe.edit("price_old", |price| price["active"] = false.into());
    for (entry, says) in [
        ("price = \"price_none\"", "price `price_none`, which Stripe does not have"),
        ("product = \"prod_none\"", "product `prod_none`, which Stripe does not have"),
        ("price = \"price_old\"", "price `price_old`, which is archived"),
    ] {
        bench.catalog(&format!("{CATALOG}[[catalog]]\n{entry}\naccess_level = \"old\"\n"));
        bench.finds("warning", "catalog", &[says]).await;
    }
    bench.simulator.stripe.edit("prod_old", |product| product["active"] = false.into());
    bench.catalog(&format!("{CATALOG}[[catalog]]\nproduct = \"prod_old\"\naccess_level = \"old\"\n"));
    bench.finds("warning", "catalog", &["product `prod_old`, which is archived"]).await;
}

#[tokio::test]
async fn a_duration_belongs_to_what_is_sold_once() {
    let bench = Bench::good().await;
    bench.simulator.stripe.add_price(NewPrice::one_time("price_pass", "prod_pass", 500));
    assert_eq!(bench.findings().await.1, Some(0), "payments are not read where nothing is sold once");
    let pass = "[[catalog]]\nprice = \"price_pass\"\naccess_level = \"premium\"\n";
    bench.catalog(&format!("{CATALOG}{pass}"));
    bench.finds("error", "catalog", &["`price_pass` is sold once", "duration = "]).await;
    bench.catalog(&format!("{CATALOG}{pass}duration = \"30d\"\n"));
    assert_eq!(bench.findings().await.1, Some(0));
    bench.catalog(&format!("{CATALOG}duration = \"30d\"\n{pass}duration = \"30d\"\n"));
    bench.finds("warning", "catalog", &["price `price_gold` is a subscription"]).await;
    bench.catalog(&format!("{CATALOG}{pass}duration = \"30d\"\n"));
    bench.simulator.stripe.add_price(NewPrice::one_time("price_life", "prod_premium", 500));
    bench.finds("error", "catalog", &["product `prod_premium` is sold once"]).await;
    bench.simulator.stripe.edit("price_life", |price| price["product"] = "prod_life".into());
    bench
        .finds("warning", "catalog", &["price `price_life` of product `prod_life` is sold once and opens nothing"])
        .await;
}

#[tokio::test]
async fn a_refund_beside_an_ignored_price_revokes_at_once_and_parks_nothing() {
    let mut world = World::start().await;
    world.catalog("price = \"price_unmapped\"\nignore = true");
    world.daemon.restart(&[]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let seat = world.subscribe(NewSubscription {
        customer: Some(bought.customer.clone()),
        prices: vec![("price_unmapped".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", "u-1")]),
        ..NewSubscription::default()
    });
    world.deliver_and_settle(&seat.events).await;
    assert!(world.holds("u-1", "premium"));
    world.deliver(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    assert_eq!((world.parked().await, world.written("/revoke/")), (vec![], 1));
    finish(world).await;
}

#[tokio::test]
async fn what_was_parked_for_want_of_an_entry_is_released_when_it_is_ignored() {
    let mut world = World::start().await;
    world.deliver_and_settle(&world.buys("u-1", "price_unmapped").events).await;
    let prices = vec![("price_unmapped".to_owned(), 1)];
    let unnamed = world.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    let account = format!("stripe:{}", unnamed.customer);
    world.deliver_and_settle(&unnamed.events).await;
    let parked = world.parked().await;
    assert!(parked.iter().any(|(kind, _)| kind == "unmapped_price"), "{parked:?}");
    assert!(parked.contains(&("unknown_customer".to_owned(), account.clone())), "{parked:?}");
    world.catalog("price = \"price_unmapped\"\nignore = true");
    world.daemon.restart(&[]).await;
    world.daemon.until_idle().await;
    let output = world.daemon.command(&["resync", &account, "--wait"]).await;
    assert!(output.status.success(), "{}", output.stderr);
    assert_eq!(world.parked().await, [], "no user id is needed for what opens nothing");
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (0, 0));
    finish(world).await;
}
