//! A change of `adapty.api`: what was sent through one API is not sent again through another.

use simulator::stripe::moves::{NewSubscription, metadata};

use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};
use crate::second_api::{finish_unrefused, reporting};

const GRANT: &str = "/purchase/profile/grant/access-level/";
const SET: &str = "/purchase/set/transaction/";

#[tokio::test]
async fn a_change_of_the_api_sends_nothing_again_and_goes_on_with_what_is_there() {
    let mut world = World::with(&[("POLICY__PROFILE_LAG", "0s")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    for (api, grants) in [("v2-access", [1, 0]), ("v1", [1, 0])] {
        world.daemon.restart(&[("ADAPTY__API", api)]).await;
        let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
        assert!(output.status.success(), "{}", output.stderr);
        assert_eq!([world.written("/grant/"), world.written(GRANT)], grants, "{api}");
    }
    world.daemon.restart(&[("ADAPTY__API", "v2-access")]).await;
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!([world.written("/grant/"), world.written(GRANT)], [1, 1]);
    // the first period is there with its money, the second is granted by its level
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    world.daemon.restart(&[("ADAPTY__API", "v1")]).await;
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    finish(world).await;
}

#[tokio::test]
async fn two_products_that_the_second_api_reported_are_not_reported_again_by_the_first() {
    let mut world = reporting().await;
    let bought = world.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1), ("price_gold".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", "u-1")]),
        ..NewSubscription::default()
    });
    world.deliver_and_settle(&bought.events).await;
    world.daemon.restart(&[("ADAPTY__API", "v1")]).await;
    let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
    assert!(output.status.success(), "{}", output.stderr);
    assert_eq!((world.written("/grant/"), world.written(SET)), (0, 2));
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 29.98);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn what_the_first_api_reported_is_not_reported_again_by_the_second() {
    let mut world = World::with(&[("POLICY__PROFILE_LAG", "0s")]).await;
    world.simulator.adapty.set_product("prod_premium", Some("premium"));
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.daemon.restart(&[("ADAPTY__API", "v2")]).await;
    let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
    assert!(output.status.success(), "{}", output.stderr);
    assert_eq!(world.written(SET), 0);
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!((world.written(SET), world.transaction_ids("u-1").len()), (1, 2));
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 19.98);
    finish_unrefused(world).await;
}
