//! Who may use whom: the manifests against ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

type Graph = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Which crate of ours names which others, outside its tests.
fn manifests() -> Graph {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let uses = |package: &serde_json::Value| {
        let named = package["dependencies"].as_array().unwrap().iter().filter(|used| used["kind"].is_null());
        named.map(name).filter(|used| ours.contains(used)).collect()
    };
    packages.iter().map(|package| (name(package), uses(package))).collect()
}

/// The table of ARCHITECTURE.md.
fn written() -> Graph {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].trim_matches('`').to_owned();
        let used = cells[2].split(", ").filter(|used| !used.is_empty());
        let used = used.map(|used| used.trim_matches('`').to_owned()).collect();
        (name, used)
    })
    .collect()
}

#[test]
fn the_crates_use_each_other_as_written() {
    let manifests = manifests();
    assert_eq!(manifests, written());
}

/// `source` names the sources; the program puts them together from the settings.
#[test]
fn a_source_is_met_by_none_but_the_room_of_sources_and_the_program() {
    const SOURCES: [&str; 1] = ["stripe"];
    for (room, uses) in manifests() {
        let named: Vec<&String> = uses.iter().filter(|used| SOURCES.contains(&used.as_str())).collect();
        assert!(named.is_empty() || room == "source" || room == "daemon", "`{room}` uses {named:?}");
    }
}

#[test]
fn the_core_and_the_simulator_use_none_of_ours() {
    let manifests = manifests();
    assert!(manifests["entitlement"].is_empty());
    assert!(manifests["simulator"].is_empty());
}

/// All Rust files below a folder of the repository.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

#[test]
fn api_and_command_line_do_not_use_each_other() {
    let daemon = root().join("crates/daemon/src");
    for (folder, others) in [("api", ["crate::commands", "crate::cli"]), ("commands", ["crate::api", "super::api"])] {
        let files = sources(&daemon.join(folder));
        assert!(files.len() > 5, "{folder}");
        for (path, text) in files {
            let used = others.iter().find(|other| text.contains(*other));
            assert_eq!(used, None, "{}", path.display());
        }
    }
}

#[test]
fn what_operators_ask_for_names_no_vendor() {
    const VENDORS: [&str; 3] = ["stripe", "adapty", "iaphub"];
    for (path, text) in sources(&root().join("crates/operator/src")) {
        let text = text.to_lowercase();
        let named = VENDORS.iter().find(|vendor| text.contains(*vendor));
        assert_eq!(named, None, "{}", path.display());
    }
}
