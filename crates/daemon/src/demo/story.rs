//! The story: what happens to three customers. Each line is checked.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use simulator::adapty::world::Level;
use simulator::stripe::event::Event;
use simulator::stripe::moves::{NewPrice, NewSession, NewSubscription, metadata};

use super::environment::{Environment, GRACE, MONTH, SLACK};
use crate::command_error::CommandError;
use crate::{clock, output};

/// Plays every chapter. Answers how many lines were wrong.
pub(super) async fn play(demo: &mut Environment) -> Result<usize, CommandError> {
    let price = NewPrice::recurring("price_premium", "prod_premium", 999, TimeDelta::seconds(MONTH));
    demo.simulator.stripe.add_price(price);
    let mut checked = Checked { wrong: 0 };
    let anna = buys(demo, &mut checked).await?;
    duplicates(demo, &mut checked, &anna).await?;
    renewal(demo, &mut checked, &anna).await?;
    failed_card(demo, &mut checked, &anna).await?;
    cancellation(demo, &mut checked, &anna).await?;
    refund(demo, &mut checked, &anna).await?;
    out_of_order(demo, &mut checked).await?;
    unknown(demo, &mut checked).await?;
    Ok(checked.wrong)
}

/// Prints the lines, and counts those that are wrong.
struct Checked {
    wrong: usize,
}

impl Checked {
    fn line(&mut self, is_right: bool, text: &str) {
        self.wrong += usize::from(!is_right);
        output::say(&format!("{} {text}", if is_right { "  ok  " } else { "WRONG " }));
    }
}

struct Subscriber {
    user: &'static str,
    subscription: String,
    events: Vec<Event>,
}

fn subscribe(demo: &mut Environment, user: &'static str) -> Subscriber {
    demo.users.push(user);
    let session = NewSession { client_reference_id: Some(user.to_owned()), ..NewSession::default() };
    let bought = demo.simulator.stripe.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", user)]),
        session: Some(session),
        ..NewSubscription::default()
    });
    Subscriber { user, subscription: bought.subscription, events: bought.events }
}

async fn buys(demo: &mut Environment, checked: &mut Checked) -> Result<Subscriber, CommandError> {
    let anna = subscribe(demo, "anna");
    let began = Instant::now();
    demo.deliver(&anna.events).await?;
    let granted = demo.shows(anna.user, runs_to(period_end(demo, &anna) + TimeDelta::seconds(SLACK))).await;
    let took = began.elapsed();
    let text = format!("Anna buys Premium in Checkout ($9.99 a month): Adapty shows the level after {}", ms(took));
    checked.line(granted, &text);
    let first = demo.simulator.adapty.transactions(anna.user);
    let right = first.len() == 1 && first[0].id == anna.subscription && first[0].original == anna.subscription;
    checked.line(right, &format!("her first transaction is `{}` for $9.99", anna.subscription));
    Ok(anna)
}

async fn duplicates(demo: &Environment, checked: &mut Checked, anna: &Subscriber) -> Result<(), CommandError> {
    demo.until_nothing_is_due().await?;
    let before = grants(demo);
    for _ in 0..10 {
        demo.deliver(&anna.events).await?;
    }
    demo.until_nothing_is_due().await?;
    let once = grants(demo) == before && demo.simulator.adapty.transactions(anna.user).len() == 1;
    checked.line(once, "Stripe delivers each of these webhooks ten times more: nothing is written twice");
    Ok(())
}

async fn renewal(demo: &Environment, checked: &mut Checked, anna: &Subscriber) -> Result<(), CommandError> {
    let paid_end = period_end(demo, anna);
    until(paid_end).await;
    demo.deliver(&demo.simulator.stripe.start_renewal(&anna.subscription)).await?;
    demo.until_nothing_is_due().await?;
    let held = runs_to(paid_end + TimeDelta::seconds(SLACK))(level(demo, anna).as_ref());
    checked.line(
        held,
        "A month is over: Stripe starts the new period before it is paid; access lasts a little longer, not a month",
    );
    let began = Instant::now();
    demo.deliver(&demo.simulator.stripe.pay_renewal(&anna.subscription)).await?;
    let renewed = demo.shows(anna.user, runs_to(period_end(demo, anna) + TimeDelta::seconds(SLACK))).await;
    checked.line(renewed, &format!("the renewal is paid: access lasts to its end after {}", ms(began.elapsed())));
    let transactions = demo.simulator.adapty.transactions(anna.user);
    let invoice = demo.simulator.stripe.latest_invoice(&anna.subscription).unwrap_or_default();
    let chained =
        transactions.len() == 2 && transactions[1].id == invoice && transactions[1].original == anna.subscription;
    checked.line(chained, &format!("reported as a renewal of the same chain, with its own id `{invoice}`"));
    Ok(())
}

async fn failed_card(demo: &Environment, checked: &mut Checked, anna: &Subscriber) -> Result<(), CommandError> {
    let unpaid_from = period_end(demo, anna);
    until(unpaid_from).await;
    demo.deliver(&demo.simulator.stripe.start_renewal(&anna.subscription)).await?;
    let began = Instant::now();
    demo.deliver(&demo.simulator.stripe.fail_renewal(&anna.subscription)).await?;
    let grace = demo.shows(anna.user, runs_to(unpaid_from + TimeDelta::seconds(GRACE))).await;
    checked
        .line(grace, &format!("Her card fails: she keeps access for the grace, written after {}", ms(began.elapsed())));
    until(unpaid_from + TimeDelta::seconds(GRACE)).await;
    let over = level(demo, anna).is_none_or(|level| level.expires_at <= Some(clock::now()));
    checked.line(over, "grace is over: access ends by itself, without an event");
    let began = Instant::now();
    demo.deliver(&demo.simulator.stripe.recover(&anna.subscription)).await?;
    let back = demo.shows(anna.user, runs_to(period_end(demo, anna) + TimeDelta::seconds(SLACK))).await;
    checked.line(back, &format!("she enters a new card: access is back after {}", ms(began.elapsed())));
    Ok(())
}

async fn cancellation(demo: &Environment, checked: &mut Checked, anna: &Subscriber) -> Result<(), CommandError> {
    let began = Instant::now();
    demo.deliver(&demo.simulator.stripe.cancel_at_period_end(&anna.subscription, true)).await?;
    let exact = demo.shows(anna.user, runs_to(period_end(demo, anna))).await;
    let text =
        format!("She cancels: access now ends exactly with what she paid for, written after {}", ms(began.elapsed()));
    checked.line(exact, &text);
    Ok(())
}

async fn refund(demo: &Environment, checked: &mut Checked, anna: &Subscriber) -> Result<(), CommandError> {
    let invoice = demo.simulator.stripe.latest_invoice(&anna.subscription).unwrap_or_default();
    let refund = demo.simulator.stripe.refund(&invoice, None, "succeeded");
    let began = Instant::now();
    demo.deliver(&refund.events).await?;
    let gone = demo.shows(anna.user, |level| level.is_none_or(|level| level.expires_at <= Some(clock::now()))).await;
    checked.line(gone, &format!("Her last payment is refunded: access is revoked after {}", ms(began.elapsed())));
    let transactions = demo.simulator.adapty.transactions(anna.user);
    let refunded = transactions.iter().filter(|transaction| transaction.refunded).count() == 1;
    checked.line(refunded, "and its revenue is gone; that of the payments before stays");
    Ok(())
}

async fn out_of_order(demo: &mut Environment, checked: &mut Checked) -> Result<(), CommandError> {
    let ben = subscribe(demo, "ben");
    let mut events = ben.events.clone();
    events.extend(demo.simulator.stripe.cancel_now(&ben.subscription));
    let again = subscribe_again(demo, &ben);
    events.extend(again.events.clone());
    events.reverse();
    let doubled: Vec<Event> = events.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
    demo.deliver(&doubled).await?;
    let right = demo.shows(ben.user, runs_to(period_end(demo, &again) + TimeDelta::seconds(SLACK))).await;
    checked
        .line(right, "Ben buys, cancels at once and buys again; all webhooks come in reverse and twice: he has access");
    Ok(())
}

fn subscribe_again(demo: &Environment, who: &Subscriber) -> Subscriber {
    let bought = demo.simulator.stripe.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", who.user)]),
        ..NewSubscription::default()
    });
    Subscriber { user: who.user, subscription: bought.subscription, events: bought.events }
}

async fn unknown(demo: &mut Environment, checked: &mut Checked) -> Result<(), CommandError> {
    demo.users.push("carla");
    let prices = vec![("price_premium".to_owned(), 1)];
    let bought = demo.simulator.stripe.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    demo.deliver(&bought.events).await?;
    demo.until_nothing_is_due().await?;
    let account = format!("stripe:{}", bought.customer);
    let listed = demo.operator(&["parked", "list"]).await?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let waits = listed.contains(&account) && listed.contains("grantsync link");
    checked.line(waits, "Someone buys without a user id: no user is guessed, it is parked with what to do");
    let linked = demo.operator(&["link", &account, "carla"]).await?.status.success();
    let granted = demo.shows("carla", |level| level.is_some_and(|level| level.expires_at > Some(clock::now()))).await;
    demo.until_nothing_is_due().await?;
    let listed = demo.operator(&["parked", "list"]).await?;
    let released = String::from_utf8_lossy(&listed.stdout).contains("nothing is parked");
    let text = "the operator links it to Carla (`grantsync link`): she has access, and nothing is parked any more";
    checked.line(linked && granted && released, text);
    Ok(())
}

fn level(demo: &Environment, of: &Subscriber) -> Option<Level> {
    demo.simulator.adapty.level(of.user, "premium")
}

fn runs_to(end: DateTime<Utc>) -> impl Fn(Option<&Level>) -> bool {
    move |level| level.and_then(|level| level.expires_at).is_some_and(|at| at.timestamp() == end.timestamp())
}

fn period_end(demo: &Environment, of: &Subscriber) -> DateTime<Utc> {
    let subscription = demo.simulator.stripe.object(&of.subscription).unwrap_or_default();
    let end = subscription.pointer("/items/data/0/current_period_end").and_then(serde_json::Value::as_i64);
    end.and_then(|end| DateTime::from_timestamp(end, 0)).unwrap_or_default()
}

fn grants(demo: &Environment) -> usize {
    demo.simulator.journal.count(|request| request.path.ends_with("/grant/"))
}

async fn until(moment: DateTime<Utc>) {
    tokio::time::sleep((moment - clock::now()).to_std().unwrap_or(Duration::ZERO)).await;
}

fn ms(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1000.0)
}
