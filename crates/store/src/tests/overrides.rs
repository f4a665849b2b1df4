//! Overrides: each is written once, enqueues its user, and counts for as long as it should.

use entitlement::model::attributes::{AttributeName, AttributeValue};
use entitlement::model::access_level::AccessLevel;
use entitlement::model::plan::PlannedStep;
use entitlement::model::reason::Reason;
use entitlement::model::until::Until;

use super::make::{Memory, account, at, claimed, intent, leased, memory, now, pass, planned, user};
use crate::audit::Filter;
use crate::link::{Link, OPERATOR};
use crate::open::Store;
use crate::override_request::{OverrideAction, OverrideOutcome, OverrideRequest};
use crate::record::Intent;

fn level(name: &str) -> AccessLevel {
    AccessLevel(name.into())
}

async fn apply(store: &Store, what: OverrideAction) -> OverrideOutcome {
    let (by, why) = ("ops".to_owned(), "since they asked".to_owned());
    store
        .apply_override(OverrideRequest { user: user("u-1"), destination: "adapty".into(), action: what, by, why })
        .await
        .unwrap()
}

async fn grant(store: &Store, until: Until, request: Option<&str>) -> OverrideOutcome {
    apply(store, OverrideAction::Grant { level: level("premium"), until, request: request.map(Into::into) }).await
}

/// Each promotional grant that is read, and whether it was ended.
async fn grants(store: &Store) -> Vec<(String, bool)> {
    let overrides = store.overrides(&user("u-1"), "adapty").await.unwrap();
    overrides.promotions.into_iter().map(|grant| (grant.id, grant.ended)).collect()
}

fn week() -> Until {
    Until::At(now() + chrono::Duration::days(7))
}

#[tokio::test]
async fn a_promotional_grant_to_a_user_without_an_account_makes_one_due_whose_name_tells_nothing() {
    let store = memory().await;
    let OverrideOutcome::Granted(id) = grant(&store, week(), None).await else { panic!("it was not granted") };
    assert_eq!(grants(&store).await, [(format!("promo_{id}"), false)]);
    let accounts = store.accounts_of(&user("u-1")).await.unwrap();
    let account = accounts[0].clone();
    assert!(accounts.len() == 1 && account.is_of_user() && !account.as_str().contains("u-1"), "{accounts:?}");
    assert_eq!(claimed(&store, "a", 10).await, [account.id()]);
    assert_eq!(store.overrides(&user("u-2"), "adapty").await.unwrap(), Default::default());
    assert_eq!(store.overrides(&user("u-1"), "other").await.unwrap(), Default::default());
}

#[tokio::test]
async fn an_override_syncs_a_user_with_accounts_through_one_that_needs_none_of_them() {
    let store = memory().await;
    let link = |id| Link { account: account(id), user: user("u-1"), origin: OPERATOR.into() };
    store.link(link("2"), None).await.unwrap();
    store.link(link("1"), None).await.unwrap();
    grant(&store, week(), None).await;
    grant(&store, week(), None).await;
    let accounts = store.accounts_of(&user("u-1")).await.unwrap();
    assert_eq!(accounts[..2], [account("1"), account("2")]);
    assert!(accounts.len() == 3 && accounts[2].is_of_user(), "one for all overrides: {accounts:?}");
    assert!(store.account_state(&accounts[2]).await.unwrap().unwrap().due_at.is_some());
}

#[tokio::test]
async fn an_override_that_changes_nothing_makes_no_account() {
    let store = memory().await;
    let premium = || level("premium");
    assert_eq!(apply(&store, OverrideAction::EndGrants { level: premium() }).await, OverrideOutcome::Done(0));
    assert_eq!(apply(&store, OverrideAction::Unblock { level: premium() }).await, OverrideOutcome::Done(0));
    assert_eq!(apply(&store, OverrideAction::ForgetAttributes { names: vec![] }).await, OverrideOutcome::Done(0));
    assert_eq!(store.accounts_of(&user("u-1")).await.unwrap(), []);
}

#[tokio::test]
async fn whoever_asks_twice_under_one_request_is_granted_once() {
    let store = memory().await;
    let OverrideOutcome::Granted(id) = grant(&store, week(), Some("r-1")).await else { panic!("it was not granted") };
    let later = Until::At(now() + chrono::Duration::days(30));
    let before = OverrideOutcome::GrantedBefore { id, until: week(), ended: false };
    assert_eq!(grant(&store, later, Some("r-1")).await, before, "as it was granted");
    assert_eq!(grants(&store).await.len(), 1);
    let other = OverrideAction::Grant { level: level("gold"), until: week(), request: Some("r-1".into()) };
    assert_eq!(apply(&store, other).await, OverrideOutcome::OtherRequest(id));
    assert!(matches!(grant(&store, week(), Some("r-2")).await, OverrideOutcome::Granted(_)));
    assert!(matches!(grant(&store, week(), None).await, OverrideOutcome::Granted(_)));
    assert!(
        matches!(grant(&store, week(), None).await, OverrideOutcome::Granted(_)),
        "without a request id nothing is repeated"
    );
}

#[tokio::test]
async fn an_ended_grant_is_read_until_its_time_and_one_that_is_over_is_not() {
    let store = memory().await;
    grant(&store, week(), None).await;
    grant(&store, Until::Lifetime, None).await;
    assert_eq!(apply(&store, OverrideAction::EndGrants { level: level("gold") }).await, OverrideOutcome::Done(0));
    assert_eq!(apply(&store, OverrideAction::EndGrants { level: level("premium") }).await, OverrideOutcome::Done(2));
    assert_eq!(grants(&store).await.iter().filter(|(_, ended)| *ended).count(), 2);
    assert_eq!(
        apply(&store, OverrideAction::EndGrants { level: level("premium") }).await,
        OverrideOutcome::Done(0),
        "it is ended once"
    );
    pass(8 * 86_400);
    assert_eq!(grants(&store).await.len(), 1, "the one for life");
    let all = store.promotional_grants(&user("u-1")).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].until, all[0].by.as_str(), all[0].ended_by.as_deref()), (None, "ops", Some("ops")));
    assert!(all[1].until.is_some_and(|until| until < now()) && all[1].given_at >= at(0));
}

#[tokio::test]
async fn a_block_ends_promotional_grants_and_counts_until_it_is_lifted() {
    let store = memory().await;
    grant(&store, week(), None).await;
    let block = || OverrideAction::Block { level: level("premium") };
    assert_eq!(apply(&store, block()).await, OverrideOutcome::Done(2), "the grant ended, and the block");
    assert_eq!(apply(&store, block()).await, OverrideOutcome::Done(0), "it counted already");
    let overrides = store.overrides(&user("u-1"), "adapty").await.unwrap();
    assert_eq!((overrides.blocks[0].level.clone(), overrides.blocks[0].by.as_str()), (level("premium"), "ops"));
    assert!(overrides.promotions[0].ended);
    assert_eq!(apply(&store, OverrideAction::Unblock { level: level("premium") }).await, OverrideOutcome::Done(1));
    assert_eq!(apply(&store, OverrideAction::Unblock { level: level("premium") }).await, OverrideOutcome::Done(0));
    assert_eq!(store.overrides(&user("u-1"), "adapty").await.unwrap().blocks, []);
}

/// The audit log, newest first: kind, subject, and the grant.
async fn audit_log(store: &Store) -> Vec<(String, String, Option<String>)> {
    let rows = store.audit_entries(&Filter::default(), 100).await.unwrap();
    rows.into_iter().map(|row| (row.kind, row.subject, row.promotion)).collect()
}

#[tokio::test]
async fn the_audit_log_has_each_override_that_changed_something_with_who_and_why() {
    let store = memory().await;
    grant(&store, week(), Some("r-1")).await;
    grant(&store, week(), Some("r-1")).await;
    let premium = || level("premium");
    for what in [
        OverrideAction::Block { level: premium() },
        OverrideAction::Unblock { level: premium() },
        OverrideAction::Unblock { level: premium() },
    ] {
        apply(&store, what).await;
    }
    let name = |text: &str| AttributeName::parse(text).unwrap();
    let attributes = vec![(name("plan"), Some(AttributeValue::read("gold"))), (name("profile:email"), None)];
    apply(&store, OverrideAction::SetAttributes { attributes }).await;
    apply(&store, OverrideAction::ForgetAttributes { names: vec![name("plan")] }).await;
    apply(&store, OverrideAction::ForgetAttributes { names: vec![name("plan")] }).await;
    let row = |kind: &str, subject: &str, promotion: Option<&str>| {
        (kind.to_owned(), subject.to_owned(), promotion.map(str::to_owned))
    };
    let expected = [
        row("forget_attributes", "plan", None),
        row("set_attributes", "plan, profile:email", None),
        row("unblock", "premium", None),
        row("block", "premium", None),
        row("grant", "premium", Some("promo_1")),
    ];
    assert_eq!(audit_log(&store).await, expected);
    let all = store.audit_entries(&Filter { user: Some(user("u-1")), after: None }, 2).await.unwrap();
    assert_eq!((all.len(), all[0].by.as_str(), all[0].why.as_str(), all[0].at), (2, "ops", "since they asked", now()));
    let earlier = Filter { after: Some(all[1].id), ..Filter::default() };
    assert_eq!(store.audit_entries(&earlier, 100).await.unwrap().len(), 3);
    let other = Filter { user: Some(user("u-2")), after: None };
    assert_eq!(store.audit_entries(&other, 100).await.unwrap(), []);
}

#[tokio::test]
async fn a_step_is_listed_with_the_override_because_of_which_it_was_intended() {
    let store = memory().await;
    grant(&store, week(), None).await;
    grant(&store, week(), None).await;
    let claim = leased(&store, "1").await;
    let given = Reason::Promotion { promotion: "promo_1".into(), until: week() };
    let paid = Reason::Paid { chain: "sub_1".into(), end: at(9) };
    for (key, because) in [("a", given), ("b", Reason::Blocked), ("c", paid)] {
        let planned = PlannedStep { because, ..planned(key, "premium") };
        store.intend(Intent { user: user("u-1"), ..intent(&claim, vec![planned]) }).await.unwrap();
    }
    let override_of = async |key: &str| {
        let row = store.ledger_rows_with_prefix(key, 1).await.unwrap().remove(0);
        store.audit_entry_of(&row).await.unwrap().map(|entry| (entry.kind, entry.promotion))
    };
    assert_eq!(override_of("a").await, Some(("grant".to_owned(), Some("promo_1".to_owned()))));
    assert_eq!(override_of("b").await, None, "nobody blocked it before");
    assert_eq!(override_of("c").await, None, "no override is behind it");
    apply(&store, OverrideAction::Block { level: level("premium") }).await;
    assert_eq!(override_of("b").await, Some(("block".to_owned(), None)));
}

#[tokio::test]
async fn blocks_are_listed_with_who_and_why_of_one_user_and_of_all() {
    let store = memory().await;
    apply(&store, OverrideAction::Block { level: level("premium") }).await;
    apply(&store, OverrideAction::Block { level: level("gold") }).await;
    let listed = async |of: Option<&str>| {
        let of = of.map(user);
        let blocks = store.blocks(of.as_ref(), 100).await.unwrap();
        blocks.into_iter().map(|block| (block.user, block.level, block.by, block.why)).collect::<Vec<_>>()
    };
    let row = |level: &str| ("u-1".to_owned(), level.to_owned(), "ops".to_owned(), "since they asked".to_owned());
    assert_eq!(listed(None).await, [row("gold"), row("premium")]);
    assert_eq!(listed(Some("u-1")).await.len(), 2);
    assert_eq!(listed(Some("u-2")).await, []);
}

#[tokio::test]
async fn the_last_override_of_an_attribute_counts_also_its_deletion() {
    let store = memory().await;
    let name = |text: &str| AttributeName::parse(text).unwrap();
    let set = |attributes: Vec<(&str, Option<&str>)>| {
        let attributes = attributes
            .into_iter()
            .map(|(name, value)| (AttributeName::parse(name).unwrap(), value.map(AttributeValue::read)));
        OverrideAction::SetAttributes { attributes: attributes.collect() }
    };
    apply(&store, set(vec![("plan", Some("gold")), ("plan", Some("silver")), ("seats", Some("5"))])).await;
    apply(&store, set(vec![("seats", None), ("profile:email", Some("ann@example.com"))])).await;
    let attributes = store.overrides(&user("u-1"), "adapty").await.unwrap().attributes;
    assert_eq!(attributes.len(), 3);
    assert_eq!(attributes[&name("plan")], Some(AttributeValue::Text("silver".into())));
    assert_eq!(attributes[&name("seats")], None);
    assert_eq!(attributes[&name("profile:email")], Some(AttributeValue::Text("ann@example.com".into())));
    assert_eq!(
        apply(&store, OverrideAction::ForgetAttributes { names: vec![name("seats"), name("never")] }).await,
        OverrideOutcome::Done(1)
    );
    assert_eq!(store.attribute_overrides(&user("u-1")).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_program_never_wrote_is_an_error_and_no_override() {
    let memory: Memory = memory().await;
    apply(&memory, OverrideAction::SetAttributes { attributes: vec![(AttributeName::parse("plan").unwrap(), None)] })
        .await;
    memory.tamper("UPDATE attribute_overrides SET value = '{'").await;
    let error = memory.overrides(&user("u-1"), "adapty").await.unwrap_err();
    assert!(error.to_string().contains("attribute_overrides"), "{error}");
}
