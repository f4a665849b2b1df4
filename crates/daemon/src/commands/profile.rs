//! `profile`: shows a user's whole profile in Adapty.

use std::collections::BTreeMap;

use adapty::objects::{AccessLevel, Attribute, NonSubscription, Profile, Subscription};
use destination::destination::Destination;
use entitlement::model::clock::Timestamp;
use operator::input;
use operator::time::absolute;
use sync::target::Target;

use crate::cli::user::Profile as Asked;
use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{output, wiring};

pub(crate) async fn run(settings: &Settings, asked: Asked) -> Result<(), CommandError> {
    let user = input::user(&asked.user)?;
    let operator = wiring::operator_with_keys(settings).await?;
    let mut found = Vec::new();
    for app in operator.synced_apps(asked.app.as_deref())? {
        let Destination::Adapty(adapty) = &app.destination else { continue };
        let profile = adapty.whole_profile(&user).await;
        let profile = profile.map_err(|error| CommandError::because("reading the profile", error))?;
        found.extend(profile.map(|profile| (app, profile)));
    }
    if found.is_empty() {
        return Err(CommandError::Sentence("Adapty has no profile of that user".into()));
    }
    match (asked.json, found.as_slice()) {
        (true, [(_, only)]) => output::json(only)?,
        (true, several) => output::json(&several.iter().map(|(_, profile)| profile).collect::<Vec<_>>())?,
        (false, several) => several.iter().for_each(|(app, profile)| print(app, profile)),
    }
    Ok(())
}

fn print(app: &Target, profile: &Profile) {
    let revenue = profile.total_revenue_usd.map_or_else(|| "-".to_owned(), |usd| format!("{usd:.2}"));
    output::fields(&[
        ("app", app.name().to_owned()),
        ("profile", cell(&profile.profile_id)),
        ("user", cell(&profile.customer_user_id)),
        ("revenue in USD", revenue),
    ]);
    output::say(&format!("attributes  {}", pairs(&profile.custom_attributes)));
    output::say(&format!("fields      {}", pairs(&profile.about)));
    output::say("");
    let levels: Vec<Vec<String>> = profile.access_levels.iter().map(level).collect();
    output::print(&["level", "expires", "store", "product", "transaction", "chain"], &levels);
    let subscriptions: Vec<Vec<String>> = profile.subscriptions.iter().map(subscription).collect();
    if !subscriptions.is_empty() {
        output::say("");
        output::print(&["subscription", "expires", "renewal stopped", "store", "transaction", "chain"], &subscriptions);
    }
    let once: Vec<Vec<String>> = profile.non_subscriptions.iter().map(non_subscription).collect();
    if !once.is_empty() {
        output::say("");
        output::print(&["bought once", "at", "refunded", "store", "transaction"], &once);
    }
}

fn pairs(of: &BTreeMap<String, Attribute>) -> String {
    let pairs: Vec<String> = of.iter().map(|(name, value)| format!("{name}={}", value.0.as_str())).collect();
    if pairs.is_empty() { "-".to_owned() } else { pairs.join(" ") }
}

fn cell(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".to_owned())
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), absolute)
}

fn level(of: &AccessLevel) -> Vec<String> {
    vec![
        cell(&of.access_level_id),
        time(of.renewal.expires_at),
        cell(&of.bought.store),
        cell(&of.bought.store_product_id),
        cell(&of.bought.store_transaction_id),
        cell(&of.bought.store_original_transaction_id),
    ]
}

fn subscription(of: &Subscription) -> Vec<String> {
    vec![
        cell(&of.bought.store_product_id),
        time(of.renewal.expires_at),
        time(of.renewal.renewal_cancelled_at),
        cell(&of.bought.store),
        cell(&of.bought.store_transaction_id),
        cell(&of.bought.store_original_transaction_id),
    ]
}

fn non_subscription(of: &NonSubscription) -> Vec<String> {
    let refunded = of.is_refund.map_or("-", |is| if is { "yes" } else { "no" });
    vec![
        cell(&of.bought.store_product_id),
        time(of.bought.purchased_at),
        refunded.to_owned(),
        cell(&of.bought.store),
        cell(&of.bought.store_transaction_id),
    ]
}
