//! Damaged answers: read, or refused in words that name nobody.

use bolero::check;
use entitlement::names::{AccessLevel, Customer};
use mangle::{Corpus, Damage, span};
use wire::classify;

use crate::read;

#[test]
fn a_damaged_profile_is_read_or_refused_in_a_sentence() {
    let (corpus, customer) = (Corpus::of("fuzz/adapty"), Customer::new("u-1").unwrap());
    check!().with_test_time(span()).with_type::<Damage>().for_each(|damage| {
        match read::profile(&customer, &corpus.json(damage)) {
            Ok(profile) => {
                let now = "2026-02-15T00:00:00Z".parse().unwrap();
                let runs = profile.level(&AccessLevel("premium".into())).is_some_and(|shown| shown.runs(now));
                assert!(!runs || profile.exists);
                serde_json::to_string(&profile).unwrap();
            }
            Err(refused) => {
                let said = refused.to_string();
                assert!(said.len() < 300 && !said.contains(['\n', '\r', '@']), "{said:?}");
            }
        }
    });
}

#[test]
fn a_damaged_refusal_gives_a_code_or_none_and_never_its_message() {
    let corpus = Corpus::of("fuzz/adapty");
    check!().with_test_time(span()).with_type::<Damage>().for_each(|damage| {
        let code = classify::code(&corpus.json(damage));
        assert!(code.is_none_or(|code| code.len() <= 64 && !code.contains([' ', '@', '\n'])));
    });
}
