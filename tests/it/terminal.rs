//! What commands print and leave behind: nothing that a terminal acts on, and files of their user alone.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::daemon::run;
use crate::harness::final_checks::finish;
use crate::harness::world::World;

/// A name that clears the screen, renames the window, and turns the text around.
const NAME: &str = "zoë\u{1b}[2J\u{1b}]0;mine\u{7}\u{9b}31m\u{202e}\u{7f}";
const USER: &str = "u-\u{1b}[31mred\u{9b}2J";

fn is_plain(text: &str) -> bool {
    !text.contains(|sign: char| (sign.is_control() && sign != '\n') || sign == '\u{202e}')
}

#[tokio::test]
async fn escape_sequences_of_others_are_shown_and_never_sent_to_the_terminal() {
    let world = World::start().await;
    let bought = world.granted(USER, "price_premium", "premium").await;
    let nobody = world.buys("", "price_premium");
    world.deliver_and_settle(&nobody.events).await;
    world.simulator.adapty.put_level(USER, "gold\u{1b}[1m", "app\u{1b}[5m_store", None);
    world.simulator.adapty.edit(USER, |facts| {
        facts.attributes.insert("first_name".into(), json!(NAME));
        facts.attributes.insert("custom_attributes".into(), json!([{ "key": "nick", "value": NAME }]));
    });
    let by = format!("by\u{1b}[7m{NAME}");
    let granted = world.daemon.command(&["grant", USER, "gold", "--days", "7", "--why", &by]).await;
    assert!(granted.status.success(), "{}", granted.stderr);
    world.daemon.until_idle().await;
    let commands: [&[&str]; 14] = [
        &["profile", USER],
        &["profile", USER, "--json"],
        &["status", USER],
        &["status", USER, "--json"],
        &["explain", "--user", USER],
        &["explain", "--user", USER, "--json"],
        &["ledger", "list"],
        &["ledger", "list", "--json"],
        &["parked", "list"],
        &["events", "list"],
        &["promotions", USER],
        &["audit"],
        &["resync", "--user", "\u{1b}[31mnobody"],
        &["link", "stripe:\u{1b}[31mcus", "u"],
    ];
    let mut shown = String::new();
    for command in commands {
        let output = world.daemon.command(command).await;
        assert!(is_plain(&output.stdout), "{command:?}: {:?}", output.stdout);
        assert!(is_plain(&output.stderr), "{command:?}: {:?}", output.stderr);
        shown.push_str(&output.stdout);
    }
    for piece in [r"u-\u{1b}[31mred", r"zoë\u{1b}[2J", r"by\u{1b}[7m", "u-\\u001b[31mred"] {
        assert!(shown.contains(piece), "{piece} is not shown: {shown}");
    }
    let profile = world.daemon.command(&["profile", USER, "--json"]).await.stdout;
    assert!(serde_json::from_str::<Value>(&profile).unwrap().to_string().contains("zoë"), "{profile}");
    assert!(is_plain(&world.daemon.log()), "{}", world.daemon.log());
    assert!(world.holds(USER, "premium"), "{}", bought.subscription);
    finish(world).await;
}

/// The files below a folder that others than their owner may do something with.
fn open_files(folder: &Path) -> Vec<(String, u32)> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let modes =
        files.map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().permissions().mode()));
    modes.filter(|(_, mode)| mode & 0o077 != 0).collect()
}

#[tokio::test]
async fn the_files_of_a_command_are_its_users_alone() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(directory.path(), &BTreeMap::new(), &["migrate"]).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(directory.path().join("grantsync.db").exists());
    assert_eq!(open_files(directory.path()), []);
}

#[tokio::test]
async fn the_files_of_a_daemon_and_a_saved_case_are_its_users_alone() {
    let world = World::start().await;
    world.granted("u-1", "price_premium", "premium").await;
    std::fs::write(world.directory.path().join("old.json"), "{}").unwrap();
    for case in ["case.json", "old.json"] {
        let saved = world.daemon.command(&["explain", "--user", "u-1", "--save", case]).await;
        assert!(saved.status.success(), "{}", saved.stderr);
    }
    let open: Vec<String> = open_files(world.directory.path()).into_iter().map(|(name, _)| name).collect();
    let by_the_test = ["grantsync.toml", "daemon.log"];
    assert!(open.iter().all(|name| by_the_test.contains(&name.as_str())), "{open:?}");
    assert!(world.directory.path().join("grantsync.db-wal").exists());
    finish(world).await;
}
