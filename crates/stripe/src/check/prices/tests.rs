//! Prices and products as Stripe writes them.

use serde_json::{Value, json};

use super::*;
use crate::test_server::{TestServer, list, page};

fn written(id: &str, kind: &str, active: bool) -> Value {
    json!({"id": id, "object": "price", "active": active, "product": {"id": "prod_1"}, "type": kind, "recurring": null})
}

#[tokio::test]
async fn active_prices_are_read_page_by_page() {
    let server = TestServer::new()
        .with("/v1/prices?active=true&type=recurring&limit=100", page(&[written("price_1", "recurring", true)]))
        .with(
            "/v1/prices?active=true&type=recurring&limit=100&starting_after=price_1",
            list(&[json!({"id": 7}), written("price_2", "recurring", true)]),
        );
    let found = server.stripe(&[]).await.active_prices(Billed::Recurring).await.unwrap();
    let ids: Vec<&str> = found.prices.iter().map(|price| price.id.as_str()).collect();
    assert_eq!((ids, found.cut_off), (vec!["price_1", "price_2"], false));
    assert_eq!((found.prices[0].product.as_str(), found.prices[0].billed), ("prod_1", Billed::Recurring));
}

#[tokio::test]
async fn a_list_that_does_not_end_is_cut_off_and_says_so() {
    let server = TestServer::new().with("/v1/prices", page(&[written("price_1", "one_time", true)]));
    let found = server.stripe(&[]).await.active_prices(Billed::Once).await.unwrap();
    assert_eq!((found.prices.len(), found.cut_off, server.requests().len()), (20, true, 20));
}

#[tokio::test]
async fn what_stripe_does_not_have_is_none_and_a_refusal_is_an_error() {
    let server = TestServer::new()
        .with("/v1/prices/price_1", written("price_1", "one_time", false))
        .with("/v1/products/prod_1", json!({"id": "prod_1", "object": "product", "active": false}))
        .status("/v1/products/prod_2", 403, json!({"error": {"type": "invalid_request_error"}}));
    let stripe = server.stripe(&[]).await;
    let price = stripe.price("price_1").await.unwrap().unwrap();
    assert_eq!((price.billed, price.active), (Billed::Once, false));
    assert_eq!(stripe.price("price_2").await, Ok(None));
    assert_eq!(stripe.product_is_active("prod_1").await, Ok(Some(false)));
    assert_eq!(stripe.product_is_active("prod_3").await, Ok(None));
    assert_eq!(stripe.product_is_active("prod_2").await.unwrap_err().status, Some(403));
    let asked = server.requests().len();
    for odd in ["", "../customers/cus_1", "a b", "prod_1?expand[]=x"] {
        assert_eq!(stripe.product_is_active(odd).await, Ok(None), "{odd}");
    }
    assert_eq!(server.requests().len(), asked, "nothing was asked for what is no id");
}
