//! `profile`: what Adapty shows of an app user, whole.

use std::collections::BTreeMap;

use adapty::objects::{AccessLevel, Attribute, NonSubscription, Profile, Subscription};
use entitlement::clock::Timestamp;
use sync::controller::App;

use crate::cli::Profile as Filter;
use crate::command_error::CommandError;
use crate::commands::{explain, parse_user};
use crate::moments::absolute;
use crate::settings::Settings;
use crate::{output, wiring};

pub(crate) async fn run(settings: &Settings, wanted: Filter) -> Result<(), CommandError> {
    let user = parse_user(&wanted.user)?;
    let store = wiring::store(settings).await?;
    let sync = wiring::sync(settings, &store, &wiring::upstreams(settings, &store)?)?;
    let mut found = Vec::new();
    for app in explain::chosen(&sync, wanted.app.as_deref()).map_err(CommandError::Usage)? {
        let profile =
            app.adapty.whole(&user).await.map_err(|error| CommandError::because("reading the profile", error))?;
        found.extend(profile.map(|profile| (app, profile)));
    }
    if found.is_empty() {
        return Err(CommandError::Sentence("Adapty has no profile of that user".into()));
    }
    match (wanted.json, found.as_slice()) {
        (true, [(_, only)]) => output::json(only)?,
        (true, several) => output::json(&several.iter().map(|(_, profile)| profile).collect::<Vec<_>>())?,
        (false, several) => several.iter().for_each(|(app, profile)| tell(app, profile)),
    }
    Ok(())
}

fn tell(app: &App, profile: &Profile) {
    let known = |of: &Option<String>| of.clone().unwrap_or_else(|| "-".to_owned());
    let revenue = profile.total_revenue_usd.map_or_else(|| "-".to_owned(), |usd| format!("{usd:.2}"));
    output::fields(&[
        ("app", app.name().to_owned()),
        ("profile", known(&profile.profile_id)),
        ("user", known(&profile.customer_user_id)),
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

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), absolute)
}

fn level(of: &AccessLevel) -> Vec<String> {
    vec![
        cell(&of.access_level_id),
        moment(of.renewal.expires_at),
        cell(&of.bought.store),
        cell(&of.bought.store_product_id),
        cell(&of.bought.store_transaction_id),
        cell(&of.bought.store_original_transaction_id),
    ]
}

fn subscription(of: &Subscription) -> Vec<String> {
    vec![
        cell(&of.bought.store_product_id),
        moment(of.renewal.expires_at),
        moment(of.renewal.renewal_cancelled_at),
        cell(&of.bought.store),
        cell(&of.bought.store_transaction_id),
        cell(&of.bought.store_original_transaction_id),
    ]
}

fn non_subscription(of: &NonSubscription) -> Vec<String> {
    let refunded = of.is_refund.map_or("-", |is| if is { "yes" } else { "no" });
    vec![
        cell(&of.bought.store_product_id),
        moment(of.bought.purchased_at),
        refunded.to_owned(),
        cell(&of.bought.store),
        cell(&of.bought.store_transaction_id),
    ]
}
