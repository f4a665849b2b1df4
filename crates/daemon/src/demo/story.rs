//! The story: what happens to three customers, told in lines that must come true.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use simulator::adapty::world::Level;
use simulator::stripe::event::Event;
use simulator::stripe::moves::{NewPrice, NewSession, NewSubscription, metadata};

use super::stage::{GRACE, MONTH, SLACK, Stage};
use crate::command_error::CommandError;
use crate::{clock, output};

/// Tells every chapter; answers how many lines did not come true.
pub(super) async fn tell(stage: &mut Stage) -> Result<usize, CommandError> {
    let price = NewPrice::recurring("price_premium", "prod_premium", 999, TimeDelta::seconds(MONTH));
    stage.simulator.stripe.add_price(price);
    let mut told = Told { wrong: 0 };
    let anna = buys(stage, &mut told).await?;
    duplicates(stage, &mut told, &anna).await?;
    renewal(stage, &mut told, &anna).await?;
    failed_card(stage, &mut told, &anna).await?;
    cancellation(stage, &mut told, &anna).await?;
    refund(stage, &mut told, &anna).await?;
    out_of_order(stage, &mut told).await?;
    unknown(stage, &mut told).await?;
    Ok(told.wrong)
}

/// Counts what did not come true.
struct Told {
    wrong: usize,
}

impl Told {
    fn line(&mut self, came_true: bool, text: &str) {
        self.wrong += usize::from(!came_true);
        output::say(&format!("{} {text}", if came_true { "  ok  " } else { "WRONG " }));
    }
}

struct Subscriber {
    user: &'static str,
    subscription: String,
    events: Vec<Event>,
}

fn subscribe(stage: &mut Stage, user: &'static str) -> Subscriber {
    stage.people.push(user);
    let session = NewSession { client_reference_id: Some(user.to_owned()), ..NewSession::default() };
    let bought = stage.simulator.stripe.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", user)]),
        session: Some(session),
        ..NewSubscription::default()
    });
    Subscriber { user, subscription: bought.subscription, events: bought.events }
}

async fn buys(stage: &mut Stage, told: &mut Told) -> Result<Subscriber, CommandError> {
    let anna = subscribe(stage, "anna");
    let began = Instant::now();
    stage.deliver(&anna.events).await?;
    let granted = stage.shows(anna.user, runs_to(period_end(stage, &anna) + TimeDelta::seconds(SLACK))).await;
    let took = began.elapsed();
    let text = format!("Anna buys Premium in Checkout ($9.99 a month): access stands in Adapty after {}", ms(took));
    told.line(granted, &text);
    let first = stage.simulator.adapty.transactions(anna.user);
    let right = first.len() == 1 && first[0].id == anna.subscription && first[0].original == anna.subscription;
    told.line(right, &format!("her first transaction is `{}` for $9.99", anna.subscription));
    Ok(anna)
}

async fn duplicates(stage: &Stage, told: &mut Told, anna: &Subscriber) -> Result<(), CommandError> {
    stage.calm().await?;
    let before = grants(stage);
    for _ in 0..10 {
        stage.deliver(&anna.events).await?;
    }
    stage.calm().await?;
    let once = grants(stage) == before && stage.simulator.adapty.transactions(anna.user).len() == 1;
    told.line(once, "Stripe delivers each of these webhooks ten times more: nothing is written twice");
    Ok(())
}

async fn renewal(stage: &Stage, told: &mut Told, anna: &Subscriber) -> Result<(), CommandError> {
    let paid_end = period_end(stage, anna);
    until(paid_end).await;
    stage.deliver(&stage.simulator.stripe.start_renewal(&anna.subscription)).await?;
    stage.calm().await?;
    let held = runs_to(paid_end + TimeDelta::seconds(SLACK))(level(stage, anna).as_ref());
    told.line(
        held,
        "A month is over: Stripe moves the period before it has the money; access is held a little, not a month",
    );
    let began = Instant::now();
    stage.deliver(&stage.simulator.stripe.pay_renewal(&anna.subscription)).await?;
    let renewed = stage.shows(anna.user, runs_to(period_end(stage, anna) + TimeDelta::seconds(SLACK))).await;
    told.line(renewed, &format!("the renewal is paid: access to the new end after {}", ms(began.elapsed())));
    let transactions = stage.simulator.adapty.transactions(anna.user);
    let invoice = stage.simulator.stripe.latest_invoice(&anna.subscription).unwrap_or_default();
    let chained =
        transactions.len() == 2 && transactions[1].id == invoice && transactions[1].original == anna.subscription;
    told.line(chained, &format!("told as a renewal of the same chain, with its own id `{invoice}`"));
    Ok(())
}

async fn failed_card(stage: &Stage, told: &mut Told, anna: &Subscriber) -> Result<(), CommandError> {
    let unpaid_from = period_end(stage, anna);
    until(unpaid_from).await;
    stage.deliver(&stage.simulator.stripe.start_renewal(&anna.subscription)).await?;
    let began = Instant::now();
    stage.deliver(&stage.simulator.stripe.fail_renewal(&anna.subscription)).await?;
    let grace = stage.shows(anna.user, runs_to(unpaid_from + TimeDelta::seconds(GRACE))).await;
    told.line(grace, &format!("Her card fails: she keeps access for the grace, told after {}", ms(began.elapsed())));
    until(unpaid_from + TimeDelta::seconds(GRACE)).await;
    let over = level(stage, anna).is_none_or(|level| level.expires_at <= Some(clock::now()));
    told.line(over, "grace is over: access ended by itself, with no event");
    let began = Instant::now();
    stage.deliver(&stage.simulator.stripe.recover(&anna.subscription)).await?;
    let back = stage.shows(anna.user, runs_to(period_end(stage, anna) + TimeDelta::seconds(SLACK))).await;
    told.line(back, &format!("she enters a new card: access is back after {}", ms(began.elapsed())));
    Ok(())
}

async fn cancellation(stage: &Stage, told: &mut Told, anna: &Subscriber) -> Result<(), CommandError> {
    let began = Instant::now();
    stage.deliver(&stage.simulator.stripe.cancel_at_period_end(&anna.subscription, true)).await?;
    let exact = stage.shows(anna.user, runs_to(period_end(stage, anna))).await;
    let text =
        format!("She cancels: access now ends exactly with what she paid for, told after {}", ms(began.elapsed()));
    told.line(exact, &text);
    Ok(())
}

async fn refund(stage: &Stage, told: &mut Told, anna: &Subscriber) -> Result<(), CommandError> {
    let invoice = stage.simulator.stripe.latest_invoice(&anna.subscription).unwrap_or_default();
    let refund = stage.simulator.stripe.refund(&invoice, None, "succeeded");
    let began = Instant::now();
    stage.deliver(&refund.events).await?;
    let gone = stage.shows(anna.user, |level| level.is_none_or(|level| level.expires_at <= Some(clock::now()))).await;
    told.line(gone, &format!("Her last payment is refunded: access is taken back after {}", ms(began.elapsed())));
    let transactions = stage.simulator.adapty.transactions(anna.user);
    let refunded = transactions.iter().filter(|transaction| transaction.refunded).count() == 1;
    told.line(refunded, "and its revenue with it; the payments before stay");
    Ok(())
}

async fn out_of_order(stage: &mut Stage, told: &mut Told) -> Result<(), CommandError> {
    let ben = subscribe(stage, "ben");
    let mut events = ben.events.clone();
    events.extend(stage.simulator.stripe.cancel_now(&ben.subscription));
    let again = subscribe_again(stage, &ben);
    events.extend(again.events.clone());
    events.reverse();
    let doubled: Vec<Event> = events.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
    stage.deliver(&doubled).await?;
    let right = stage.shows(ben.user, runs_to(period_end(stage, &again) + TimeDelta::seconds(SLACK))).await;
    told.line(right, "Ben buys, cancels at once and buys again; all webhooks come backwards and twice: he has access");
    Ok(())
}

fn subscribe_again(stage: &Stage, who: &Subscriber) -> Subscriber {
    let bought = stage.simulator.stripe.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", who.user)]),
        ..NewSubscription::default()
    });
    Subscriber { user: who.user, subscription: bought.subscription, events: bought.events }
}

async fn unknown(stage: &mut Stage, told: &mut Told) -> Result<(), CommandError> {
    stage.people.push("carla");
    let prices = vec![("price_premium".to_owned(), 1)];
    let bought = stage.simulator.stripe.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    stage.deliver(&bought.events).await?;
    stage.calm().await?;
    let account = format!("stripe:{}", bought.customer);
    let listed = stage.operator(&["parked", "list"]).await?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let waits = listed.contains(&account) && listed.contains("grantsync link");
    told.line(waits, "Someone buys without a user id: nothing is guessed, it is parked with what to do");
    let linked = stage.operator(&["link", &account, "carla"]).await?.status.success();
    let granted = stage.shows("carla", |level| level.is_some_and(|level| level.expires_at > Some(clock::now()))).await;
    stage.calm().await?;
    let listed = stage.operator(&["parked", "list"]).await?;
    let released = String::from_utf8_lossy(&listed.stdout).contains("nothing is parked");
    let text = "the operator links it to Carla (`grantsync link`): she has access, and nothing is parked any more";
    told.line(linked && granted && released, text);
    Ok(())
}

fn level(stage: &Stage, of: &Subscriber) -> Option<Level> {
    stage.simulator.adapty.level(of.user, "premium")
}

fn runs_to(end: DateTime<Utc>) -> impl Fn(Option<&Level>) -> bool {
    move |level| level.and_then(|level| level.expires_at).is_some_and(|at| at.timestamp() == end.timestamp())
}

fn period_end(stage: &Stage, of: &Subscriber) -> DateTime<Utc> {
    let subscription = stage.simulator.stripe.object(&of.subscription).unwrap_or_default();
    let end = subscription.pointer("/items/data/0/current_period_end").and_then(serde_json::Value::as_i64);
    end.and_then(|end| DateTime::from_timestamp(end, 0)).unwrap_or_default()
}

fn grants(stage: &Stage) -> usize {
    stage.simulator.journal.count(|request| request.path.ends_with("/grant/"))
}

async fn until(moment: DateTime<Utc>) {
    tokio::time::sleep((moment - clock::now()).to_std().unwrap_or(Duration::ZERO)).await;
}

fn ms(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1000.0)
}
