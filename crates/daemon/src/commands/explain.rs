//! `explain`: why a user has what they have.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use entitlement::case::Case;
use entitlement::model::clock::Timestamp;
use entitlement::model::profile::{ActualLevel, Profile};
use entitlement::render::{render, render_expected};
use operator::explain::Subject;
use operator::explanation::{Cause, Explanation};
use operator::input;
use operator::sentence;
use operator::time::both;
use store::link::OPERATOR;
use sync::collect::LinkedAccount;
use sync::controller::PolicyMode;

use crate::cli::explain::Explain;
use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{output, wiring};

/// Lines of the timeline that fit on a screen beside the rest.
const SCREEN: usize = 20;

pub(crate) async fn run(settings: &Settings, asked: Explain) -> Result<(), CommandError> {
    let of = match (&asked.account, &asked.user) {
        (Some(account), _) => Subject::Account(input::account(account)?),
        (None, user) => Subject::User(input::user(user.as_deref().unwrap_or_default())?),
    };
    let operator = wiring::operator_with_keys(settings).await?;
    let all = operator.explain(&of, asked.app.as_deref()).await?;
    match (asked.json, all.as_slice()) {
        (true, [only]) => output::json(&only.document())?,
        (true, several) => output::json(&several.iter().map(Explanation::document).collect::<Vec<_>>())?,
        (false, several) => several.iter().for_each(|explanation| print(explanation, asked.all)),
    }
    if let Some(file) = &asked.save {
        save(file, &all)?;
    }
    // whose account it is was the question
    match all.iter().find(|explanation| explanation.is_of_no_user()) {
        Some(nobody) => Err(CommandError::Sentence(nobody.unknown())),
        None => Ok(()),
    }
}

fn print(of: &Explanation, whole: bool) {
    print_cause(of);
    print_user(of);
    print_accounts(of);
    for line in of.unread() {
        output::say(&format!("{line}; what the last sync saw is shown"));
    }
    output::say("");
    print_expected(of);
    if let Some(profile) = of.profile() {
        print_actual(profile, of.collected.now);
    }
    print_timeline(of, whole);
    print_next(of);
}

fn print_cause(of: &Explanation) {
    let Some(Cause { cause, remedy }) = of.cause() else { return };
    output::say(&format!("cause: {cause}"));
    remedy.iter().for_each(|remedy| output::say(&format!("  -> {remedy}")));
    output::say("");
}

fn print_user(of: &Explanation) {
    match &of.collected.user {
        Ok(user) => {
            let profile = match of.profile() {
                Some(profile) if profile.exists => ", with a profile at Adapty",
                Some(_) => ", who has no profile at Adapty yet",
                None => "",
            };
            output::say(&format!("user {}{profile}", user.as_str()));
        }
        Err(why) => output::say(&format!("user unknown: {why}")),
    }
}

fn print_accounts(of: &Explanation) {
    for LinkedAccount { account, origin } in &of.collected.accounts {
        let origin = match origin.as_deref() {
            Some(OPERATOR) => ", linked by an operator".to_owned(),
            Some(origin) => format!(", linked by `{origin}`"),
            None => String::new(),
        };
        output::say(&format!("account {account}{origin}"));
    }
    if of.collected.accounts.is_empty() {
        output::say("no account is linked any more");
    }
    if of.collected.deleted {
        output::say("deleted at Stripe");
    }
}

fn print_expected(of: &Explanation) {
    if let Some((case, plan)) = &of.decision {
        return output::text(render(case, plan).trim_end());
    }
    if let Some(expected) = of.expected() {
        return output::text(render_expected(expected).trim_end());
    }
    let Some(remembered) = &of.memory.status else {
        return output::say("expected: not known, since no sync has succeeded so far");
    };
    output::say(&format!("access as the last sync saw it, {}:", both(remembered.as_of, of.collected.now)));
    for level in &remembered.status.levels {
        let until = level.until.map_or_else(|| "withheld".to_owned(), sentence::until);
        output::say(&format!("  {} {until}: {}", level.level, level.because));
    }
}

fn print_actual(profile: &Profile, now: Timestamp) {
    output::text(if profile.levels.is_empty() { "\nactual: nothing" } else { "\nactual:" });
    profile.levels.iter().for_each(|level| output::say(&format!("  {}", actual(level, now))));
}

fn actual(level: &ActualLevel, now: Timestamp) -> String {
    let over = if level.runs(now) { "" } else { ", which is over" };
    let store = level.store.as_ref().map(|store| format!(", from {store}")).unwrap_or_default();
    let transaction = level.transaction_id.as_ref().map(|id| format!(", transaction {id}")).unwrap_or_default();
    format!("{} {}{over}{store}{transaction}", level.level, sentence::until(level.until))
}

fn print_timeline(of: &Explanation, whole: bool) {
    let timeline = &of.memory.timeline;
    let earlier = if whole { 0 } else { timeline.len().saturating_sub(SCREEN) };
    output::text("\ntimeline");
    match (timeline.len(), earlier) {
        (0, _) => output::say("  nothing so far"),
        (_, 0) => {}
        (_, earlier) => output::say(&format!("  ({earlier} earlier lines; `--all` shows them)")),
    }
    timeline.iter().skip(earlier).for_each(|entry| output::say(&format!("  {}", entry.line())));
}

fn print_next(of: &Explanation) {
    output::text("\nwhat happens next");
    if of.policy_mode == PolicyMode::Observe {
        output::say("  `policy.mode` is `observe`: nothing is written to Adapty");
    }
    let lines = of.memory.worklist.iter().flat_map(|entry| sentence::worklist(entry, of.collected.now));
    lines.for_each(|line| output::say(&format!("  {line}")));
    for parked in &of.memory.parked {
        output::say(&format!("  parked as {}: {}", parked.id, parked.reason));
        output::say(&format!("    -> {}", parked.hint));
    }
}

fn save(file: &Path, all: &[Explanation]) -> Result<(), CommandError> {
    let [only] = all else { return Err(CommandError::Usage("a case is of one app: add `--app NAME`".into())) };
    let Some((case, _)) = &only.decision else {
        let why = only.unread().join("; ");
        return Err(CommandError::Sentence(format!("the case was not saved, since {why}")));
    };
    write(file, case.clone().anonymous())
}

/// Writes a case that holds no personal data: no user id, and the vendors' ids for the rest.
fn write(file: &Path, anonymous: Case) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(&anonymous);
    let text = text.map_err(|error| CommandError::because("writing the case", error))?;
    let written = private(file).and_then(|mut file| file.write_all((text + "\n").as_bytes()));
    written.map_err(|error| CommandError::Sentence(format!("writing the case `{}`: {error}", file.display())))
}

/// An empty file that its owner alone may read, also where there was another.
fn private(file: &Path) -> std::io::Result<File> {
    let file = File::create(file)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}
