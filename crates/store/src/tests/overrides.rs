//! What operators order: it is written once, rings for its user, and counts as long as it is said to.

use entitlement::attributes::{AttributeName, AttributeValue};
use entitlement::names::AccessLevel;
use entitlement::plan::PlannedStep;
use entitlement::until::Until;
use entitlement::reason::Reason;

use super::make::{Memory, account, at, claimed, held, intent, memory, now, pass, planned, user};
use crate::open::Store;
use crate::audit::Filter;
use crate::override_request::{OverrideAction, OverrideOutcome, OverrideRequest};
use crate::link::{Link, OPERATOR};
use crate::record::Intent;

fn level(name: &str) -> AccessLevel {
    AccessLevel(name.into())
}

async fn order(store: &Store, what: OverrideAction) -> OverrideOutcome {
    let (by, why) = ("ops".to_owned(), "since they asked".to_owned());
    store.apply_override(OverrideRequest { user: user("u-1"), destination: "adapty".into(), action: what, by, why }).await.unwrap()
}

async fn promote(store: &Store, until: Until, request: Option<&str>) -> OverrideOutcome {
    order(store, OverrideAction::Grant { level: level("premium"), until, request: request.map(Into::into) }).await
}

/// Each promotion that counts, and whether it was ended.
async fn promotions(store: &Store) -> Vec<(String, bool)> {
    let overrides = store.overrides(&user("u-1"), "adapty").await.unwrap();
    overrides.promotions.into_iter().map(|promotion| (promotion.id, promotion.ended)).collect()
}

fn week() -> Until {
    Until::At(now() + chrono::Duration::days(7))
}

#[tokio::test]
async fn a_promotion_of_a_user_without_an_account_makes_one_due_that_names_nobody() {
    let store = memory().await;
    let OverrideOutcome::Granted(id) = promote(&store, week(), None).await else { panic!("it was not given") };
    assert_eq!(promotions(&store).await, [(format!("promo_{id}"), false)]);
    let accounts = store.accounts_of(&user("u-1")).await.unwrap();
    let account = accounts[0].clone();
    assert!(accounts.len() == 1 && account.is_of_user() && !account.as_str().contains("u-1"), "{accounts:?}");
    assert_eq!(claimed(&store, "a", 10).await, [account.id()]);
    assert_eq!(store.overrides(&user("u-2"), "adapty").await.unwrap(), Default::default());
    assert_eq!(store.overrides(&user("u-1"), "other").await.unwrap(), Default::default());
}

#[tokio::test]
async fn a_user_with_accounts_is_looked_at_through_one_that_needs_none_of_them() {
    let store = memory().await;
    let link = |id| Link { account: account(id), user: user("u-1"), origin: OPERATOR.into() };
    store.link(link("2"), None).await.unwrap();
    store.link(link("1"), None).await.unwrap();
    promote(&store, week(), None).await;
    promote(&store, week(), None).await;
    let accounts = store.accounts_of(&user("u-1")).await.unwrap();
    assert_eq!(accounts[..2], [account("1"), account("2")]);
    assert!(accounts.len() == 3 && accounts[2].is_of_user(), "one for all orders: {accounts:?}");
    assert!(store.account_state(&accounts[2]).await.unwrap().unwrap().due_at.is_some());
}

#[tokio::test]
async fn an_order_that_changes_nothing_makes_nobody_known() {
    let store = memory().await;
    let premium = || level("premium");
    assert_eq!(order(&store, OverrideAction::EndGrants { level: premium() }).await, OverrideOutcome::Done(0));
    assert_eq!(order(&store, OverrideAction::Unblock { level: premium() }).await, OverrideOutcome::Done(0));
    assert_eq!(order(&store, OverrideAction::ForgetAttributes { names: vec![] }).await, OverrideOutcome::Done(0));
    assert_eq!(store.accounts_of(&user("u-1")).await.unwrap(), []);
}

#[tokio::test]
async fn whoever_asks_twice_under_one_request_is_given_once() {
    let store = memory().await;
    let OverrideOutcome::Granted(id) = promote(&store, week(), Some("r-1")).await else { panic!("it was not given") };
    let later = Until::At(now() + chrono::Duration::days(30));
    let before = OverrideOutcome::GrantedBefore { id, until: week(), ended: false };
    assert_eq!(promote(&store, later, Some("r-1")).await, before, "as it was given");
    assert_eq!(promotions(&store).await.len(), 1);
    let other = OverrideAction::Grant { level: level("gold"), until: week(), request: Some("r-1".into()) };
    assert_eq!(order(&store, other).await, OverrideOutcome::OtherRequest(id));
    assert!(matches!(promote(&store, week(), Some("r-2")).await, OverrideOutcome::Granted(_)));
    assert!(matches!(promote(&store, week(), None).await, OverrideOutcome::Granted(_)));
    assert!(matches!(promote(&store, week(), None).await, OverrideOutcome::Granted(_)), "nothing said is nothing repeated");
}

#[tokio::test]
async fn an_ended_promotion_is_told_until_its_time_and_one_that_is_over_is_not() {
    let store = memory().await;
    promote(&store, week(), None).await;
    promote(&store, Until::Lifetime, None).await;
    assert_eq!(order(&store, OverrideAction::EndGrants { level: level("gold") }).await, OverrideOutcome::Done(0));
    assert_eq!(order(&store, OverrideAction::EndGrants { level: level("premium") }).await, OverrideOutcome::Done(2));
    assert_eq!(promotions(&store).await.iter().filter(|(_, ended)| *ended).count(), 2);
    assert_eq!(order(&store, OverrideAction::EndGrants { level: level("premium") }).await, OverrideOutcome::Done(0), "it is ended once");
    pass(8 * 86_400);
    assert_eq!(promotions(&store).await.len(), 1, "the one for life");
    let all = store.promotional_grants(&user("u-1")).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].until, all[0].by.as_str(), all[0].ended_by.as_deref()), (None, "ops", Some("ops")));
    assert!(all[1].until.is_some_and(|until| until < now()) && all[1].given_at >= at(0));
}

#[tokio::test]
async fn a_block_ends_promotions_and_stands_until_it_is_lifted() {
    let store = memory().await;
    promote(&store, week(), None).await;
    let block = || OverrideAction::Block { level: level("premium") };
    assert_eq!(order(&store, block()).await, OverrideOutcome::Done(2), "the promotion ended, and the block");
    assert_eq!(order(&store, block()).await, OverrideOutcome::Done(0), "it stood already");
    let overrides = store.overrides(&user("u-1"), "adapty").await.unwrap();
    assert_eq!((overrides.blocks[0].level.clone(), overrides.blocks[0].by.as_str()), (level("premium"), "ops"));
    assert!(overrides.promotions[0].ended);
    assert_eq!(order(&store, OverrideAction::Unblock { level: level("premium") }).await, OverrideOutcome::Done(1));
    assert_eq!(order(&store, OverrideAction::Unblock { level: level("premium") }).await, OverrideOutcome::Done(0));
    assert_eq!(store.overrides(&user("u-1"), "adapty").await.unwrap().blocks, []);
}

/// The book of orders, newest first: what, of what, and the promotion.
async fn book(store: &Store) -> Vec<(String, String, Option<String>)> {
    let lines = store.audit_entries(&Filter::default(), 100).await.unwrap();
    lines.into_iter().map(|line| (line.kind, line.subject, line.promotion)).collect()
}

#[tokio::test]
async fn the_book_of_orders_keeps_each_that_changed_something_with_who_and_why() {
    let store = memory().await;
    promote(&store, week(), Some("r-1")).await;
    promote(&store, week(), Some("r-1")).await;
    let premium = || level("premium");
    for what in [OverrideAction::Block { level: premium() }, OverrideAction::Unblock { level: premium() }, OverrideAction::Unblock { level: premium() }] {
        order(&store, what).await;
    }
    let name = |text: &str| AttributeName::parse(text).unwrap();
    let details = vec![(name("plan"), Some(AttributeValue::read("gold"))), (name("profile:email"), None)];
    order(&store, OverrideAction::SetAttributes { attributes: details }).await;
    order(&store, OverrideAction::ForgetAttributes { names: vec![name("plan")] }).await;
    order(&store, OverrideAction::ForgetAttributes { names: vec![name("plan")] }).await;
    let line = |kind: &str, subject: &str, promotion: Option<&str>| {
        (kind.to_owned(), subject.to_owned(), promotion.map(str::to_owned))
    };
    let expected = [
        line("forget", "plan", None),
        line("describe", "plan, profile:email", None),
        line("unblock", "premium", None),
        line("block", "premium", None),
        line("grant", "premium", Some("promo_1")),
    ];
    assert_eq!(book(&store).await, expected);
    let all = store.audit_entries(&Filter { user: Some(user("u-1")), after: None }, 2).await.unwrap();
    assert_eq!((all.len(), all[0].by.as_str(), all[0].why.as_str(), all[0].at), (2, "ops", "since they asked", now()));
    let earlier = Filter { after: Some(all[1].id), ..Filter::default() };
    assert_eq!(store.audit_entries(&earlier, 100).await.unwrap().len(), 3);
    let other = Filter { user: Some(user("u-2")), after: None };
    assert_eq!(store.audit_entries(&other, 100).await.unwrap(), []);
}

/// What the migration that made the book does with orders from before it.
fn filling() -> &'static str {
    let migration = match super::KIND {
        crate::tests::Kind::Sqlite => include_str!("../../../../migrations/sqlite/0006_ordered.sql"),
        crate::tests::Kind::Postgres => include_str!("../../../../migrations/postgres/0006_ordered.sql"),
    };
    &migration[migration.find("INSERT INTO orders").unwrap()..]
}

#[tokio::test]
async fn what_was_ordered_before_there_was_a_book_is_entered_as_far_as_it_is_known() {
    let store = memory().await;
    promote(&store, week(), None).await;
    promote(&store, Until::Lifetime, None).await;
    pass(1);
    order(&store, OverrideAction::Block { level: level("premium") }).await;
    pass(1);
    order(&store, OverrideAction::SetAttributes { attributes: vec![(AttributeName::parse("plan").unwrap(), None)] }).await;
    store.tamper("DELETE FROM orders").await;
    store.tamper(filling()).await;
    let lines = store.audit_entries(&Filter::default(), 100).await.unwrap();
    let mut told: Vec<_> = lines.iter().rev().map(|line| (line.kind.as_str(), line.at)).collect();
    told[2..4].sort();
    let at = |seconds| at(0) + chrono::Duration::seconds(seconds);
    let expected = [("grant", at(0)), ("grant", at(0)), ("block", at(1)), ("revoke", at(1)), ("describe", at(2))];
    assert_eq!(told, expected);
    assert!(lines.iter().all(|line| line.user == "u-1" && line.app == "adapty" && line.by == "ops"));
    assert!(lines.iter().all(|line| line.promotion.is_some() == (line.kind == "grant")));
}

#[tokio::test]
async fn a_step_is_told_with_the_order_behind_it() {
    let store = memory().await;
    promote(&store, week(), None).await;
    promote(&store, week(), None).await;
    let claim = held(&store, "1").await;
    let given = Reason::Promotion { promotion: "promo_1".into(), until: week() };
    let paid = Reason::Paid { chain: "sub_1".into(), end: at(9) };
    for (key, because) in [("a", given), ("b", Reason::Blocked), ("c", paid)] {
        let planned = PlannedStep { because, ..planned(key, "premium") };
        store.intend(Intent { user: user("u-1"), ..intent(&claim, vec![planned]) }).await.unwrap();
    }
    let behind = async |key: &str| {
        let line = store.ledger_rows_with_prefix(key, 1).await.unwrap().remove(0);
        store.audit_entry_of(&line).await.unwrap().map(|order| (order.kind, order.promotion))
    };
    assert_eq!(behind("a").await, Some(("grant".to_owned(), Some("promo_1".to_owned()))));
    assert_eq!(behind("b").await, None, "nobody blocked it before");
    assert_eq!(behind("c").await, None, "nobody ordered it");
    order(&store, OverrideAction::Block { level: level("premium") }).await;
    assert_eq!(behind("b").await, Some(("block".to_owned(), None)));
}

#[tokio::test]
async fn blocks_are_listed_with_who_and_why_of_one_user_and_of_all() {
    let store = memory().await;
    order(&store, OverrideAction::Block { level: level("premium") }).await;
    order(&store, OverrideAction::Block { level: level("gold") }).await;
    let listed = async |of: Option<&str>| {
        let of = of.map(user);
        let blocks = store.blocks(of.as_ref(), 100).await.unwrap();
        blocks.into_iter().map(|block| (block.user, block.level, block.by, block.why)).collect::<Vec<_>>()
    };
    let line = |level: &str| ("u-1".to_owned(), level.to_owned(), "ops".to_owned(), "since they asked".to_owned());
    assert_eq!(listed(None).await, [line("gold"), line("premium")]);
    assert_eq!(listed(Some("u-1")).await.len(), 2);
    assert_eq!(listed(Some("u-2")).await, []);
}

#[tokio::test]
async fn the_last_word_on_a_detail_counts_also_that_it_is_to_be_gone() {
    let store = memory().await;
    let name = |text: &str| AttributeName::parse(text).unwrap();
    let tell = |details: Vec<(&str, Option<&str>)>| {
        let details = details.into_iter().map(|(name, value)| (AttributeName::parse(name).unwrap(), value.map(AttributeValue::read)));
        OverrideAction::SetAttributes { attributes: details.collect() }
    };
    order(&store, tell(vec![("plan", Some("gold")), ("plan", Some("silver")), ("seats", Some("5"))])).await;
    order(&store, tell(vec![("seats", None), ("profile:email", Some("ann@example.com"))])).await;
    let details = store.overrides(&user("u-1"), "adapty").await.unwrap().attributes;
    assert_eq!(details.len(), 3);
    assert_eq!(details[&name("plan")], Some(AttributeValue::Text("silver".into())));
    assert_eq!(details[&name("seats")], None);
    assert_eq!(details[&name("profile:email")], Some(AttributeValue::Text("ann@example.com".into())));
    assert_eq!(order(&store, OverrideAction::ForgetAttributes { names: vec![name("seats"), name("never")] }).await, OverrideOutcome::Done(1));
    assert_eq!(store.attribute_overrides(&user("u-1")).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_program_never_wrote_is_an_error_and_no_order() {
    let memory: Memory = memory().await;
    order(&memory, OverrideAction::SetAttributes { attributes: vec![(AttributeName::parse("plan").unwrap(), None)] }).await;
    memory.tamper("UPDATE details SET value = '{'").await;
    let error = memory.overrides(&user("u-1"), "adapty").await.unwrap_err();
    assert!(error.to_string().contains("details"), "{error}");
}
