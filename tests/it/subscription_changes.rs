//! Plans that change, several at once, and first payments that wait.

use chrono::TimeDelta;
use simulator::stripe::moves::{Collection, FirstPayment, NewSubscription, metadata};

use crate::harness::final_checks::finish;
use crate::harness::world::{Api, Bought, Refund, SLACK, World};

/// A subscription of `u-1` to these prices.
fn of(prices: &[&str]) -> NewSubscription {
    NewSubscription {
        prices: prices.iter().map(|price| ((*price).to_owned(), 1)).collect(),
        metadata: metadata(&[("customer_user_id", "u-1")]),
        ..NewSubscription::default()
    }
}

/// Waits until `u-1` holds `level` to the end of the running period, with slack.
async fn until_held_through(world: &World, level: &str, bought: &Bought) {
    world.until_held("u-1", level, world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
}

#[tokio::test]
async fn an_upgrade_moves_the_level_in_the_same_chain() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let stripe = &world.simulator.stripe;
    world.deliver(&stripe.change_price(&bought.subscription, &bought.item, "price_gold", true)).await;
    until_held_through(&world, "gold", &bought).await;
    world.until_gone("u-1", "premium").await;
    let rows = world.simulator.adapty.transactions("u-1");
    let [first, second] = rows.as_slice() else { panic!("two transactions: {rows:?}") };
    assert_eq!((first.level.as_str(), second.level.as_str()), ("premium", "gold"));
    assert_eq!((&first.original, &second.original), (&bought.subscription, &bought.subscription));
    assert_eq!(second.id, stripe.latest_invoice(&bought.subscription).unwrap());
    // of a whole month a few seconds may be gone
    assert!((19.97..=19.99).contains(&second.price), "{second:?}");
    assert_eq!((first.refunded, world.revokes()), (false, vec![Refund::No]));
    finish(world).await;
}

#[tokio::test]
async fn a_price_changed_without_an_invoice_keeps_the_sale_and_costs_nothing() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let events = world.simulator.stripe.change_price(&bought.subscription, &bought.item, "price_gold", false);
    world.deliver(&events).await;
    until_held_through(&world, "gold", &bought).await;
    world.until_gone("u-1", "premium").await;
    let rows = world.simulator.adapty.transactions("u-1");
    let recorded: Vec<_> = rows.iter().map(|row| (row.id.as_str(), row.product.as_str(), row.price)).collect();
    let chain = bought.subscription.as_str();
    let (month, change) = ((chain, "prod_premium", 9.99), (chain, "prod_gold", 0.0));
    // the second API knows a transaction by its id, and keeps what was charged for it
    let expected = if crate::API == Api::V2 { vec![month] } else { vec![month, change] };
    assert_eq!(recorded, expected);
    finish(world).await;
}

#[tokio::test]
async fn a_month_changed_into_a_year_is_held_for_the_year() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let events = world.simulator.stripe.change_price(&bought.subscription, &bought.item, "price_yearly", true);
    world.deliver(&events).await;
    until_held_through(&world, "premium", &bought).await;
    let invoice = world.simulator.stripe.latest_invoice(&bought.subscription).unwrap();
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription, invoice]);
    assert_eq!(world.revokes().len(), 0);
    finish(world).await;
}

#[tokio::test]
async fn a_quantity_of_zero_gives_nothing_until_it_is_raised_again() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.set_quantity(&bought.subscription, &bought.item, 0)).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    world.deliver(&world.simulator.stripe.set_quantity(&bought.subscription, &bought.item, 2)).await;
    until_held_through(&world, "premium", &bought).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription]);
    finish(world).await;
}

#[tokio::test]
async fn two_items_of_one_subscription_give_two_levels() {
    let world = World::start().await;
    let bought = world.subscribe(of(&["price_premium", "price_gold"]));
    world.deliver(&bought.events).await;
    until_held_through(&world, "premium", &bought).await;
    until_held_through(&world, "gold", &bought).await;
    let rows = world.simulator.adapty.transactions("u-1");
    let mut recorded: Vec<_> = rows.iter().map(|row| (row.product.as_str(), row.price)).collect();
    recorded.sort_by(|a, b| a.0.cmp(b.0));
    assert_eq!(recorded, [("prod_gold", 19.99), ("prod_premium", 9.99)]);
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    world.until_gone("u-1", "gold").await;
    finish(world).await;
}

#[tokio::test]
async fn items_and_lines_beyond_the_first_page_count() {
    let world = World::start().await;
    world.simulator.stripe.set_embedded_page(1);
    let bought = world.subscribe(of(&["price_gold", "price_unmapped", "price_premium"]));
    world.deliver(&bought.events).await;
    until_held_through(&world, "premium", &bought).await;
    until_held_through(&world, "gold", &bought).await;
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 29.98);
    assert_eq!(world.parked().await.len(), 1);
    finish(world).await;
}

#[tokio::test]
async fn ending_one_subscription_keeps_the_level_that_another_covers() {
    let world = World::start().await;
    let monthly = world.granted("u-1", "price_premium", "premium").await;
    let customer = Some(monthly.customer.clone());
    let yearly = world.subscribe(NewSubscription { customer, ..of(&["price_yearly"]) });
    world.deliver(&yearly.events).await;
    until_held_through(&world, "premium", &yearly).await;
    world.deliver(&world.simulator.stripe.cancel_now(&yearly.subscription)).await;
    until_held_through(&world, "premium", &monthly).await;
    assert_eq!(world.revokes().len(), 0);
    world.deliver(&world.simulator.stripe.cancel_now(&monthly.subscription)).await;
    world.until_gone("u-1", "premium").await;
    finish(world).await;
}

#[tokio::test]
async fn ending_the_shorter_of_two_changes_nothing() {
    let world = World::start().await;
    let monthly = world.granted("u-1", "price_premium", "premium").await;
    let customer = Some(monthly.customer.clone());
    let yearly = world.subscribe(NewSubscription { customer, ..of(&["price_yearly"]) });
    world.deliver(&yearly.events).await;
    until_held_through(&world, "premium", &yearly).await;
    let written = world.grants().len();
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&monthly.subscription)).await;
    until_held_through(&world, "premium", &yearly).await;
    // through the second API it is reported that the shorter one renews no more
    let reported = usize::from(crate::API == Api::V2);
    assert_eq!((world.grants().len(), world.revokes().len()), (written + reported, 0));
    finish(world).await;
}

#[tokio::test]
async fn a_first_payment_that_fails_gives_nothing_until_it_is_paid() {
    let world = World::start().await;
    let bought = world.subscribe(NewSubscription { first_payment: FirstPayment::Failed, ..of(&["price_premium"]) });
    world.deliver_and_settle(&bought.events).await;
    assert_eq!(world.simulator.stripe.object(&bought.subscription).unwrap()["status"], "incomplete");
    assert_eq!(world.written("/"), 0, "not even a profile is made");
    world.deliver(&world.simulator.stripe.recover(&bought.subscription)).await;
    until_held_through(&world, "premium", &bought).await;
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 9.99);
    finish(world).await;
}

#[tokio::test]
async fn a_sent_invoice_waits_for_its_payment() {
    let world = World::start().await;
    let (collection, first_payment) = (Collection::SendInvoice, FirstPayment::Pending);
    let bought = world.subscribe(NewSubscription { collection, first_payment, ..of(&["price_premium"]) });
    world.deliver_and_settle(&bought.events).await;
    assert_eq!(world.simulator.stripe.object(&bought.subscription).unwrap()["status"], "active");
    assert_eq!(world.grants().len(), 0);
    world.deliver(&world.simulator.stripe.pay_renewal(&bought.subscription)).await;
    until_held_through(&world, "premium", &bought).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription]);
    finish(world).await;
}

#[tokio::test]
async fn a_sent_invoice_is_trusted_where_the_policy_says_so() {
    let world = World::with(&[("POLICY__UNPAID_INVOICE_SUBSCRIPTION", "grant")]).await;
    let (collection, first_payment) = (Collection::SendInvoice, FirstPayment::Pending);
    let bought = world.subscribe(NewSubscription { collection, first_payment, ..of(&["price_premium"]) });
    world.deliver(&bought.events).await;
    until_held_through(&world, "premium", &bought).await;
    finish(world).await;
}

#[tokio::test]
async fn access_ends_by_itself_when_nothing_more_is_heard() {
    let world = World::with(&[("POLICY__RENEWAL_SLACK", "0s")]).await;
    let short = simulator::stripe::moves::NewPrice::recurring("price_short", "prod_premium", 99, TimeDelta::seconds(2));
    world.simulator.stripe.add_price(short);
    let bought = world.buys("u-1", "price_short");
    world.deliver(&bought.events).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription)).await;
    let over = TimeDelta::seconds(3).to_std().unwrap();
    tokio::time::sleep(over).await;
    assert!(!world.holds("u-1", "premium"));
    assert_eq!((world.grants().len(), world.revokes().len()), (1, 0));
    finish(world).await;
}
