//! `explain`: why this customer has what they have.

use std::path::Path;

use entitlement::decide::{Case, decide};
use entitlement::explain::explain;
use serde_json::json;
use store::open::Store;
use sync::inspect::Inspected;

use crate::cli::Explain;
use crate::commands::{account, customer};
use crate::failed::Failed;
use crate::settings::Settings;
use crate::{table, wiring};

pub(crate) async fn run(settings: &Settings, wanted: Explain) -> Result<(), Failed> {
    let store = wiring::store(settings).await?;
    let sync = wiring::sync(settings, &store, &wiring::upstreams(settings, &store)?)?;
    let inspected = match (&wanted.account, &wanted.user) {
        (Some(of), _) => sync.inspect(&account(of)?).await,
        (None, user) => sync.inspect_customer(&customer(user.as_deref().unwrap_or_default())?).await,
    };
    let inspected = inspected.map_err(|error| Failed::because("gathering the case", error))?;
    if let Some(file) = &wanted.save {
        save(file, inspected.case.clone())?;
    }
    if wanted.json { as_json(&store, &inspected).await } else { as_text(&store, &inspected).await }
}

async fn as_text(store: &Store, inspected: &Inspected) -> Result<(), Failed> {
    let plan = decide(&inspected.case);
    for account in &inspected.accounts {
        table::say(&format!("account {account}"));
    }
    table::say(explain(&inspected.case, &plan).trim_end());
    table::say("\nsteps so far");
    for line in store.ledger_lines(Some(&inspected.case.profile.customer), 50).await?.iter().rev() {
        let kind = line.step.as_object().and_then(|step| step.keys().next()).cloned().unwrap_or_default();
        let when = line.intended_at.format("%Y-%m-%d %H:%M:%SZ");
        let why = line.why.as_ref().unwrap_or(&line.because);
        table::say(&format!("  {when}  {kind} `{}`  {}  {why}", line.subject, line.state));
    }
    table::say("\nevents");
    for account in &inspected.accounts {
        for event in store.events(Some(account), 20).await?.iter().rev() {
            let when = event.received.format("%Y-%m-%d %H:%M:%SZ");
            table::say(&format!("  {when}  {}  {}", event.kind, event.id));
        }
    }
    Ok(())
}

async fn as_json(store: &Store, inspected: &Inspected) -> Result<(), Failed> {
    let plan = decide(&inspected.case);
    let customer = &inspected.case.profile.customer;
    let mut timeline = Vec::new();
    for account in &inspected.accounts {
        timeline.extend(store.events(Some(account), 50).await?);
    }
    table::json(&json!({
        "user": customer.as_str(),
        "accounts": inspected.accounts,
        "owed": plan.verdict.owed,
        "withheld": plan.verdict.withheld,
        "unsure": plan.verdict.unsure,
        "shown": inspected.case.profile.levels,
        "timeline": { "events": timeline, "ledger": store.ledger_lines(Some(customer), 100).await? },
        "steps": plan.steps,
        "look_again": plan.look_again,
    }))
}

/// Saves the case without personal data: nobody's user id, and the vendors' ids for the rest.
fn save(file: &Path, case: Case) -> Result<(), Failed> {
    let case = case.anonymous();
    let text = serde_json::to_string_pretty(&case).map_err(|error| Failed::because("writing the case", error))?;
    std::fs::write(file, text + "\n")
        .map_err(|error| Failed::Sentence(format!("writing the case `{}`: {error}", file.display())))
}
