//! Which file of a crate uses which: never in a circle, so that each can be read from the bottom up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Each module of a crate, and the modules of the crate that it uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Crates whose files are still in a circle.
const CIRCULAR: [&str; 1] = ["simulator"];

#[test]
fn the_files_of_no_crate_use_each_other_in_a_circle() {
    let crates = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut checked = 0;
    for entry in std::fs::read_dir(crates).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if CIRCULAR.contains(&name.as_str()) {
            continue;
        }
        let circle = circle(&graph(&sources(&folder.join("src"), "")));
        assert_eq!(circle, [""; 0], "files of `{name}` use each other in a circle");
        checked += 1;
    }
    assert!(checked > 10, "{checked} crates were read");
}

#[test]
fn a_circle_is_found_however_long_it_is() {
    let uses = |uses: &[&str]| uses.iter().map(|path| format!("use crate::{path};")).collect::<String>();
    let straight = [("a", uses(&["b::B", "c::{C, D}"])), ("b", uses(&["c::C"])), ("c", "// crate::a".to_owned())];
    assert_eq!(circle(&graph(&named(&straight))), [""; 0]);
    let circular =
        [("a", uses(&["b::B"])), ("b", uses(&["{x, c::{d::{E}, f}}"])), ("c", "fn g() { crate::a::h() }".to_owned())];
    assert_eq!(circle(&graph(&named(&circular))), ["a", "b", "c"]);
    let tests_use_all = [("a", uses(&["b::B"])), ("b", "#[cfg(test)]\nmod tests { use crate::a; }".to_owned())];
    assert_eq!(circle(&graph(&named(&tests_use_all))), [""; 0]);
}

fn named(files: &[(&str, String)]) -> BTreeMap<String, String> {
    files.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect()
}

/// The text of each module below `folder`, by its path in the crate. Tests may use whatever they like.
fn sources(folder: &Path, parent: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let module = if parent.is_empty() { stem.to_owned() } else { format!("{parent}::{stem}") };
        match stem {
            "lib" | "main" | "tests" | "bin" => {}
            "mod" => drop(found.insert(parent.to_owned(), std::fs::read_to_string(&path).unwrap())),
            _ if path.is_dir() => found.extend(sources(&path, &module)),
            _ => drop(found.insert(module, std::fs::read_to_string(&path).unwrap())),
        }
    }
    found
}

fn graph(sources: &BTreeMap<String, String>) -> Graph {
    let uses = |(module, text): (&String, &String)| {
        let mut used: BTreeSet<String> = paths(text).iter().filter_map(|path| module_of(path, sources)).collect();
        used.remove(module);
        (module.clone(), used)
    };
    sources.iter().map(uses).collect()
}

/// The longest beginning of `path` that is a module.
fn module_of(path: &str, sources: &BTreeMap<String, String>) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    (1..=parts.len()).rev().map(|length| parts[..length].join("::")).find(|module| sources.contains_key(module))
}

/// Every path below `crate::` that the product code of a file names.
fn paths(text: &str) -> Vec<String> {
    let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: String = product.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let mut found = Vec::new();
    for behind in code.split("crate::").skip(1) {
        let end = behind.find(|character: char| !is_of_path(character)).unwrap_or(behind.len());
        let tree =
            if behind[end..].starts_with('{') { behind.split(';').next().unwrap_or_default() } else { &behind[..end] };
        expand("", tree, &mut found);
    }
    found
}

fn is_of_path(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == ':'
}

/// Adds the paths of a tree such as `a::{b, c::{d, e}}`.
fn expand(parent: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((beginning, rest)) = tree.split_once('{') else {
        found.push(format!("{parent}{tree}"));
        return;
    };
    let parent = format!("{parent}{beginning}");
    let mut depth = 0;
    let mut branch = String::new();
    for character in rest.strip_suffix('}').unwrap_or(rest).chars().chain([',']) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if character == ',' && depth == 0 {
            expand(&parent, &branch, found);
            branch.clear();
        } else {
            branch.push(character);
        }
    }
}

/// Modules that can be reached from themselves: those of every circle, in order.
fn circle(graph: &Graph) -> Vec<String> {
    graph.keys().filter(|module| reaches(graph, module)).cloned().collect()
}

fn reaches(graph: &Graph, module: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&String> = graph[module].iter().collect();
    while let Some(used) = next.pop() {
        if used == module {
            return true;
        }
        if seen.insert(used) {
            next.extend(&graph[used]);
        }
    }
    false
}
