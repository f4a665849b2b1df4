//! Saved cases: each decides as the text beside it says.

use std::fs;
use std::path::{Path, PathBuf};

use bolero::check;
use mangle::{Corpus, Damage, span};

use super::saved::saved;
use super::*;
use crate::render::render;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

fn updating() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch of this test, no setting of the program")]
    std::env::var("UPDATE_CASES").is_ok()
}

/// Lines that differ, those wanted with `-` and those found with `+`.
fn difference(wanted: &str, found: &str) -> String {
    let lines = |of: &str, other: &str, sign: char| {
        let other: Vec<_> = other.lines().map(str::to_owned).collect();
        let differing = of.lines().filter(|line| !other.iter().any(|known| known == line));
        differing.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    lines(wanted, found, '-') + &lines(found, wanted, '+')
}

/// Names of the cases in the folder, in order.
fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let cases = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let mut names: Vec<_> = cases.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn each_saved_case_decides_as_the_plan_beside_it_says() {
    if updating() {
        for (name, case) in saved() {
            let text = serde_json::to_string_pretty(&case).unwrap() + "\n";
            fs::write(folder().join(name).with_extension("json"), text).unwrap();
        }
    }
    assert!(names().len() >= 15, "{:?}", names());
    let mut wrong = String::new();
    for name in names() {
        let path = folder().join(&name);
        let case: Case = serde_json::from_str(&fs::read_to_string(path.with_extension("json")).unwrap()).unwrap();
        let found = render(&case, &decide(&case));
        if updating() {
            fs::write(path.with_extension("plan"), &found).unwrap();
        }
        let wanted = fs::read_to_string(path.with_extension("plan")).unwrap_or_default();
        if wanted != found {
            wrong += &format!("{name}.plan\n{}", difference(&wanted, &found));
        }
    }
    assert!(wrong.is_empty(), "set UPDATE_CASES=1 when this is what you mean\n{wrong}");
}

#[test]
fn what_is_rendered_names_no_user() {
    for (name, case) in saved() {
        let text = render(&case, &decide(&case));
        assert!(!text.contains(case.profile.user.as_str()), "{name}");
        assert!(text.ends_with('\n') && text.contains("next sync: "), "{name}");
    }
}

#[test]
fn a_damaged_case_is_refused_or_decided_and_rendered() {
    let corpus = Corpus::of("cases");
    check!().with_test_time(span()).with_type::<Damage>().for_each(|damage| {
        match serde_json::from_slice::<Case>(&corpus.json(damage)) {
            Ok(case) => {
                let plan = decide(&case);
                assert_eq!(decide(&case), plan);
                assert!(!render(&case, &plan).is_empty());
            }
            Err(refused) => assert!(!refused.to_string().is_empty()),
        }
    });
}
