//! What every command prints, word for word, for one small story: times and ids are masked, the rest is in
//! `tests/it/golden`. `UPDATE_GOLDEN=1` writes it anew; read the difference before you commit it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use simulator::stripe::event::Event;
use simulator::stripe::moves::NewSubscription;

use crate::harness::daemon::{CommandOutput, run};
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, World};

/// Commands and their answers, masked.
#[derive(Default)]
struct Transcript {
    text: String,
    masks: Masks,
}

impl Transcript {
    async fn json_of(&mut self, world: &World, arguments: &[&str]) {
        // the log is another matter
        let output = world.daemon.command(&[arguments, &["--log-filter", "off"]].concat()).await;
        self.note(arguments, &output);
    }

    fn note(&mut self, arguments: &[&str], output: &CommandOutput) {
        // progress of long work is printed as often as time allows
        let errors = if output.status.success() { "" } else { output.stderr.as_str() };
        let errors: String = errors.lines().map(|line| format!("! {line}\n")).collect();
        let code = output.status.code().unwrap();
        let whole = format!("$ grantsync {}\n{}{errors}= {code}\n\n", arguments.join(" "), output.stdout);
        self.text.push_str(&self.masks.mask(&whole));
    }
}

/// Names for what differs from run to run, in the order in which it is first met.
#[derive(Default)]
struct Masks {
    names: BTreeMap<String, String>,
    counts: BTreeMap<String, usize>,
}

impl Masks {
    fn mask(&mut self, text: &str) -> String {
        text.lines().map(|line| narrow(&self.line(line)) + "\n").collect()
    }

    fn line(&mut self, line: &str) -> String {
        let mut masked = String::new();
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let word = &rest[..rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len())];
            if let Some(length) = moment(rest) {
                masked.push_str("<time>");
                rest = &rest[length..];
            } else if let Some(length) = age(rest) {
                masked.push_str("<age>");
                rest = &rest[length..];
            } else if word.is_empty() {
                masked.push(first);
                rest = &rest[first.len_utf8()..];
            } else {
                masked.push_str(&self.word(word));
                rest = &rest[word.len()..];
            }
        }
        masked
    }

    fn word(&mut self, word: &str) -> String {
        let kind = match word.rsplit_once('_') {
            Some((kind, body)) if body.len() >= 14 && body.contains(|c: char| c.is_ascii_digit()) => kind,
            None if is_key(word) => "key",
            _ => return word.to_owned(),
        };
        // a key may be shortened
        let id = if kind == "key" { word[..12].to_owned() } else { word.to_owned() };
        let (names, counts) = (&mut self.names, &mut self.counts);
        let name = names.entry(id).or_insert_with(|| {
            let count = counts.entry(kind.to_owned()).or_default();
            *count += 1;
            format!("<{kind} {count}>")
        });
        name.clone()
    }
}

/// A step's key is 32 hexadecimal digits, shown as 12.
fn is_key(word: &str) -> bool {
    matches!(word.len(), 12 | 32) && word.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

/// The length of `2026-11-20T10:00:00.123Z`, or with a blank in the middle.
fn moment(text: &str) -> Option<usize> {
    let shape = "0000-00-00_00:00:00";
    let fits = |(shape, byte): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'_' => byte == b'T' || byte == b' ',
        other => byte == other,
    };
    let head = text.as_bytes().get(..shape.len())?;
    let end = shape.len() + text[shape.len()..].find('Z')?;
    let fraction = text[shape.len()..end].bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (fraction && shape.bytes().zip(head.iter().copied()).all(fits)).then_some(end + 1)
}

/// The length of `3h ago`, `in 29d`, or `now` where an age is printed.
fn age(text: &str) -> Option<usize> {
    let span = |text: &str| {
        let digits = text.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        text[digits..].starts_with(['s', 'm', 'h', 'd']).then_some(digits + 1)
    };
    if let Some(length) = text.strip_prefix("in ").and_then(span) {
        return Some("in ".len() + length);
    }
    if text == "now" || text.starts_with("now)") {
        return Some("now".len());
    }
    let length = span(text)?;
    text[length..].starts_with(" ago").then_some(length + " ago".len())
}

/// Columns are as wide as what is masked was.
fn narrow(line: &str) -> String {
    let words = line.trim_start();
    let indent = &line[..line.len() - words.len()];
    let mut narrowed = words.to_owned();
    while narrowed.contains("   ") {
        narrowed = narrowed.replace("   ", "  ");
    }
    format!("{indent}{narrowed}")
}

fn updating() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch of this test, no setting of the program")]
    std::env::var("UPDATE_GOLDEN").is_ok()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/golden").join(format!("{name}.txt"))
}

/// Compares with what is kept.
fn compare(name: &str, found: &str) {
    let file = golden(name);
    if updating() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        return fs::write(file, found).unwrap();
    }
    let wanted = fs::read_to_string(&file).unwrap_or_default();
    let lines = |of: &str, other: &str, sign: char| {
        let other: Vec<&str> = other.lines().collect();
        let gone = of.lines().filter(|line| !other.contains(line));
        gone.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    let difference = lines(&wanted, found, '-') + &lines(found, &wanted, '+');
    assert!(wanted == found, "{name}.txt; set UPDATE_GOLDEN=1 when this is what you mean\n{difference}");
}

/// One at a time, so that events, syncs and their order are always the same.
async fn deliver(world: &World, events: &[Event]) {
    for event in events {
        world.deliver_and_settle(std::slice::from_ref(event)).await;
    }
}

/// One user buys, one without a user id buys, and an event of the other mode comes in.
async fn story(world: &World) -> (Bought, Bought) {
    let bought = world.buys("u-1", "price_premium");
    deliver(world, &bought.events).await;
    let prices = vec![("price_gold".to_owned(), 1)];
    let nameless = world.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    deliver(world, &nameless.events).await;
    world.simulator.stripe.set_livemode(true);
    let other = world.simulator.stripe.event("price.updated", "price_gold");
    world.simulator.stripe.set_livemode(false);
    deliver(world, &[other]).await;
    (bought, nameless)
}

#[tokio::test]
async fn every_command_prints_what_it_printed() {
    let world = World::start().await;
    let (bought, nameless) = story(&world).await;
    let (known, unknown) = (format!("stripe:{}", bought.customer), format!("stripe:{}", nameless.customer));
    let created = bought.events.iter().find(|event| event.kind == "customer.subscription.created").unwrap();
    let key = world.daemon.listed(&["ledger"]).await[0]["key"].as_str().unwrap().to_owned();

    let scripts: [(&str, &[&[&str]]); 5] = [
        (
            "explain",
            &[
                &["explain", "--user", "u-1"],
                &["explain", &known, "--json"],
                &["explain", &unknown],
                &["explain", "--user", "u-2"],
            ],
        ),
        (
            "events",
            &[
                &["events", "list"],
                &["events", "list", "--outcome", "other_mode", "--json"],
                &["events", "show", &created.id],
                &["events", "show", &created.id, "--json"],
                &["events", "show", "evt_nowhere"],
                &["events", "catch-up", "--since", "1h"],
                &["events", "replay", &created.id],
            ],
        ),
        (
            "ledger",
            &[
                &["ledger", "list"],
                &["ledger", "list", "--json"],
                &["ledger", "show", &key[..12]],
                &["ledger", "show", &key, "--json"],
                &["ledger", "show", "000000"],
            ],
        ),
        (
            "parked",
            &[
                &["parked", "list"],
                &["parked", "list", "--json"],
                &["parked", "show", "1"],
                &["parked", "show", "1", "--json"],
                &["parked", "show", "99"],
                &["parked", "release", "99"],
                &["parked", "drop", "1"],
                &["parked", "list"],
            ],
        ),
        (
            "accounts",
            &[
                &["migrate"],
                &["status", "u-1"],
                &["status", "u-1", "--json"],
                &["reconcile", "--report-only"],
                &["reconcile", "--report-only", "--json"],
                &["resync", "--user", "u-1", "--wait"],
                &["resync", &known, "--dry-run"],
                &["resync", "--user", "u-2"],
                &["link", &unknown, "u-2"],
                &["nonsense"],
            ],
        ),
    ];
    for (name, commands) in scripts {
        let mut transcript = Transcript::default();
        for command in commands {
            transcript.json_of(&world, command).await;
            world.daemon.until_idle().await;
        }
        compare(name, &transcript.text);
    }
    finish(world).await;
}

/// The names of the commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    // a description may go on in the next line
    let named = lines.filter(|line| !line.starts_with("   "));
    named.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[tokio::test]
async fn every_help_text_reads_as_it_did() {
    let directory = tempfile::tempdir().unwrap();
    let environment = BTreeMap::from([("COLUMNS".to_owned(), "100".to_owned())]);
    let mut waiting = VecDeque::from([Vec::<String>::new()]);
    let mut text = String::new();
    while let Some(command) = waiting.pop_front() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let output = run(directory.path(), &environment, &arguments).await;
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", output.stderr);
        assert!(output.stdout.contains("\nExample"), "{command:?} has no example: {}", output.stdout);
        text.push_str(&format!("$ grantsync {}\n{}\n", arguments.join(" "), output.stdout));
        let inner = commands(&output.stdout).into_iter();
        waiting.extend(inner.map(|name| [command.as_slice(), &[name]].concat()));
    }
    compare("help", &text);
}
