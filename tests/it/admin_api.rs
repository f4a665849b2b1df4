//! The admin API.

use serde_json::{Value, json};

use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

const TOKEN: &str = "a-token-for-the-tests";

async fn world() -> World {
    World::with(&[("SERVER__ADMIN_TOKEN", TOKEN)]).await
}

/// Status and JSON of a request with the token.
async fn ask(world: &World, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let request = reqwest::Client::new().request(method.parse().unwrap(), format!("{}{path}", world.daemon.back));
    let request = body.into_iter().fold(request.bearer_auth(TOKEN), |request, body| request.json(&body));
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
}

#[tokio::test]
async fn the_status_of_a_user_is_answered_from_memory() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let asked = world.simulator.journal.count(|_| true);
    let (status, answer) = ask(&world, "GET", "/v1/users/u-1/status", None).await;
    let end = world.period_end(&bought.subscription) + SLACK;
    assert_eq!(
        (status, &answer["user"], &answer["paywall"], &answer["stale"]),
        (200, &json!("u-1"), &json!(false), &json!(false))
    );
    let level = &answer["levels"][0];
    assert_eq!(
        level["until"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp(),
        end.timestamp()
    );
    let facts =
        ["level", "active", "lifetime", "will_renew", "in_grace", "billing_issue", "store"].map(|fact| &level[fact]);
    assert_eq!(
        facts,
        [&json!("premium"), &json!(true), &json!(false), &json!(true), &json!(false), &json!(false), &json!("stripe")]
    );
    assert_eq!(world.simulator.journal.count(|_| true), asked, "no upstream was asked");
    // and by asking, when that is wished for
    world.simulator.stripe.cancel_now(&bought.subscription);
    assert_eq!(ask(&world, "GET", "/v1/users/u-1/status?fresh=true", None).await.1["paywall"], true);
    assert_eq!(ask(&world, "GET", "/v1/users/nobody/status", None).await.0, 404);
    finish(world).await;
}

#[tokio::test]
async fn a_payer_is_not_locked_out_when_an_upstream_is_down() {
    let world = world().await;
    world.granted("u-1", "price_premium", "premium").await;
    world.simulator.stripe.faults.inject(simulator::fault::Fault::always(
        simulator::fault::Match::any(),
        simulator::fault::What::Status(500, Vec::new(), String::new()),
    ));
    let (status, answer) = ask(&world, "GET", "/v1/users/u-1/status?fresh=true", None).await;
    assert_eq!((status, &answer["stale"], &answer["paywall"]), (200, &json!(true), &json!(false)));
    world.simulator.stripe.faults.clear();
    finish(world).await;
}

#[tokio::test]
async fn a_user_is_synced_again_on_request() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.simulator.stripe.cancel_now(&bought.subscription);
    let (status, dry) = ask(&world, "POST", "/v1/resync", Some(json!({ "user": "u-1", "dry_run": true }))).await;
    assert_eq!((status, &dry["enqueued"]), (202, &json!(0)));
    assert!(dry["plans"][0]["plan"].as_str().unwrap().contains("revoke premium"), "{dry}");
    let (status, done) = ask(&world, "POST", "/v1/resync", Some(json!({ "user": "u-1" }))).await;
    assert_eq!((status, &done["enqueued"]), (202, &json!(1)));
    world.until_gone("u-1", "premium").await;
    world.buys("u-2", "price_gold");
    assert_eq!(ask(&world, "POST", "/v1/resync", Some(json!({ "all": true }))).await.0, 202);
    world.until_held("u-2", "gold", world.any_period_end() + SLACK).await;
    for wrong in [json!({}), json!({ "user": "u-1", "all": true }), json!({ "who": "u-1" }), json!([])] {
        let (status, body) = ask(&world, "POST", "/v1/resync", Some(wrong)).await;
        assert!((status == 422 || status == 400) && body["error"]["message"].is_string(), "{status} {body}");
    }
    finish(world).await;
}

#[tokio::test]
async fn a_reconciliation_is_made_on_request_and_listed() {
    let world = world().await;
    world.granted("u-1", "price_premium", "premium").await;
    assert_eq!(ask(&world, "GET", "/v1/reconciliations", None).await, (200, json!([])));
    assert_eq!(ask(&world, "POST", "/v1/reconciliations", None).await.0, 202);
    let listed = async {
        loop {
            let (_, reports) = ask(&world, "GET", "/v1/reconciliations", None).await;
            if reports[0]["accounts"] == 1 {
                return reports;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let reports = tokio::time::timeout(crate::harness::daemon::PATIENCE, listed).await.expect("it is made");
    assert_eq!((&reports[0]["differences"], &reports[0]["failed"]), (&json!([]), &json!(0)));
    finish(world).await;
}

#[tokio::test]
async fn what_is_parked_is_listed_linked_and_released() {
    let world = world().await;
    let prices = vec![("price_premium".to_owned(), 1)];
    let new = simulator::stripe::moves::NewSubscription { prices, ..Default::default() };
    let bought = world.subscribe(new);
    world.deliver_and_settle(&bought.events).await;
    let (_, parked) = ask(&world, "GET", "/v1/parked", None).await;
    let parked = &parked["items"];
    assert_eq!(parked[0]["kind"], "unknown_customer");
    let account = format!("stripe:{}", bought.customer);
    let (status, released) = ask(&world, "POST", "/v1/parked/release", Some(json!({ "ids": [parked[0]["id"]] }))).await;
    assert_eq!((status, &released["count"]), (200, &json!(1)));
    let link = json!({ "account": account, "user": "u-1" });
    assert_eq!(ask(&world, "POST", "/v1/links", Some(link)).await.0, 201);
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    assert_eq!(ask(&world, "GET", "/v1/parked", None).await.1, json!({ "items": [], "next": null }));
    let nothing = ask(&world, "POST", "/v1/parked/drop", Some(json!({ "kind": "zebra" }))).await;
    assert_eq!((nothing.0, &nothing.1["error"]["code"]), (422, &json!("wrong_request")));
    finish(world).await;
}

#[tokio::test]
async fn without_the_token_the_api_reveals_nothing() {
    let world = world().await;
    world.granted("u-1", "price_premium", "premium").await;
    for path in ["/v1/users/u-1/status", "/v1/users/u-2/status", "/v1/parked", "/v1/openapi.json", "/v1/nowhere"] {
        let (status, text) = world.daemon.get(path).await.unwrap();
        assert_eq!(status, 401, "{path}");
        assert!(text.contains("unauthorized") && !text.contains("u-1"), "{text}");
        assert_eq!(world.daemon.get_with(path, "another").await.unwrap().0, 401);
    }
    finish(world).await;
}

#[tokio::test]
async fn the_document_of_the_api_names_every_path_that_is_served() {
    let world = world().await;
    let (status, document) = ask(&world, "GET", "/v1/openapi.json", None).await;
    assert_eq!(status, 200);
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let known = ["/v1/users/{id}/status", "/v1/resync", "/v1/reconciliations", "/v1/parked", "/v1/links", "/v1/events"];
    for path in known.into_iter().chain(["/v1/ledger", "/v1/users/{id}/explain", "/v1/accounts/{id}/explain"]) {
        assert!(paths.iter().any(|known| *known == path), "{path} is not in {paths:?}");
    }
    // names are unique: what one schema or operation is called, no other is
    let wanted = &document["components"]["schemas"]["Resync"]["properties"];
    assert!(wanted["account"].is_object() && wanted["dry_run"].is_object(), "{wanted}");
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let mut ids: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
    let text = document.to_string();
    for reference in text.split("\"#/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(!document.pointer(&format!("/{reference}")).unwrap().is_null(), "{reference}");
    }
    for path in paths {
        for operation in document["paths"][path].as_object().unwrap().values() {
            let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{path}: {parameters:?}");
        }
        for (method, operation) in document["paths"][path].as_object().unwrap() {
            let (status, _) =
                ask(&world, &method.to_uppercase(), &path.replace("{id}", "u").replace("{key}", "u"), None).await;
            assert!(!operation["responses"][status.to_string()].is_null(), "{method} {path} answers {status}");
        }
    }
    finish(world).await;
}

/// All items of a list, page by page, two at a time.
async fn all(world: &World, list: &str) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = ask(world, "GET", &format!("{list}limit=2{after}"), None).await;
        assert_eq!(status, 200, "{page}");
        let some = page["items"].as_array().unwrap();
        assert!(some.len() <= 2 && (some.len() == 2 || page["next"].is_null()), "{page}");
        items.extend(some.clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return items,
        }
    }
}

#[tokio::test]
async fn events_and_steps_are_listed_page_by_page_and_shown_one_by_one() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.granted("u-2", "price_gold", "gold").await;
    let account = format!("stripe:{}", bought.customer);
    let events = all(&world, "/v1/events?").await;
    assert_eq!(events.len(), ask(&world, "GET", "/v1/events", None).await.1["items"].as_array().unwrap().len());
    let of_account = all(&world, &format!("/v1/events?account={account}&")).await;
    assert!(!of_account.is_empty() && of_account.len() < events.len());
    let subscriptions = all(&world, "/v1/events?type=customer.subscription.*&outcome=enqueued&since=1h&").await;
    assert!(subscriptions.iter().all(|event| event["type"].as_str().unwrap().starts_with("customer.subscription.")));
    let id = subscriptions[0]["id"].as_str().unwrap();
    let (status, event) = ask(&world, "GET", &format!("/v1/events/{id}"), None).await;
    assert_eq!(
        (status, &event["id"], &event["worklist"]["account"]),
        (200, &subscriptions[0]["id"], &event["account"])
    );
    assert_eq!(ask(&world, "GET", "/v1/events/evt_nowhere", None).await.0, 404);

    let steps = all(&world, "/v1/ledger?").await;
    assert_eq!(steps.iter().map(|step| &step["subject"]).collect::<Vec<_>>(), [&json!("gold"), &json!("premium")]);
    let key = steps[0]["key"].as_str().unwrap();
    let (status, step) = ask(&world, "GET", &format!("/v1/ledger/{}", &key[..8]), None).await;
    assert_eq!(
        (status, &step["key"], &step["state"], &step["next"]),
        (200, &json!(key), &json!("confirmed"), &json!([]))
    );
    assert_eq!(all(&world, "/v1/ledger?user=u-1&state=confirmed&").await.len(), 1);
    for wrong in ["/v1/ledger/zebra", "/v1/ledger?since=yesterday", "/v1/events?limit=0", "/v1/events?type=*x"] {
        let (status, body) = ask(&world, "GET", wrong, None).await;
        assert_eq!((status, &body["error"]["code"]), (422, &json!("wrong_request")), "{wrong}");
    }
    finish(world).await;
}

#[tokio::test]
async fn an_event_is_replayed_and_a_user_explained_over_the_api() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.simulator.adapty.forget("u-1", "premium");
    let events = all(&world, "/v1/events?outcome=enqueued&").await;
    let (of_account, of_nobody) = (&events[0]["id"], &all(&world, "/v1/events?outcome=no_account&").await[0]["id"]);
    let (status, body) =
        ask(&world, "POST", "/v1/events/replay", Some(json!({ "ids": [of_account, of_nobody] }))).await;
    assert_eq!((status, &body["accounts"]), (202, &json!([events[0]["account"]])));
    assert!(body["skipped"][0].as_str().unwrap().contains("concerns no account"), "{body}");
    assert_eq!(ask(&world, "POST", "/v1/events/replay", Some(json!({ "ids": ["evt_nowhere"] }))).await.0, 404);
    assert_eq!(ask(&world, "POST", "/v1/events/replay", Some(json!({ "ids": [] }))).await.0, 422);
    for path in ["/v1/users/u-1/explain".to_owned(), format!("/v1/accounts/stripe:{}/explain", bought.customer)] {
        let (status, body) = ask(&world, "GET", &path, None).await;
        assert_eq!(
            (status, &body["user"], &body["expected"]["entitlements"][0]["level"]),
            (200, &json!("u-1"), &json!("premium")),
            "{body}"
        );
        assert!(body["timeline"].as_array().unwrap().len() > 2, "{body}");
    }
    assert_eq!(ask(&world, "GET", "/v1/users/nobody/explain", None).await.0, 404);
    assert_eq!(ask(&world, "GET", "/v1/accounts/stripe:cus_nobody/explain", None).await.0, 404);
    finish(world).await;
}
