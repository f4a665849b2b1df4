//! Damaged answers: read, or refused in words that name nobody.

use bolero::check;
use entitlement::case::Case;
use entitlement::decide::decide;
use entitlement::model::attributes::AttributeLimits;
use entitlement::model::billing::Billing;
use entitlement::model::catalog::Catalog;
use entitlement::model::ledger::Ledger;
use entitlement::model::mode::Mode;
use entitlement::model::overrides::Overrides;
use entitlement::model::profile::Profile;
use entitlement::model::rules::{Policy, Protocol, Rules};
use entitlement::model::step::Step;
use entitlement::model::user::User;
use entitlement::status::{Carried, Status};
use mangle::{Corpus, Damage, span};
use wire::classify;

use crate::read;
use crate::refusal::Refusal;

/// The steps for `profile`, of a user who bought nothing.
fn decided(profile: Profile) -> Vec<Step> {
    let (mode, store, destination) = (Mode::Test, "stripe".to_owned(), "adapty".to_owned());
    let (protocol, catalog, policy) = (Protocol::SalesAndAccess, Catalog::default(), Policy::default());
    let (sourced_attributes, limits) = (Vec::new(), AttributeLimits::default());
    let rules = Rules { destination, mode, store, protocol, catalog, sourced_attributes, limits, policy };
    let now = "2026-02-15T00:00:00Z".parse().unwrap();
    let case = Case {
        billing: Billing::empty(mode),
        profile,
        ledger: Ledger::default(),
        overrides: Overrides::default(),
        rules,
        now,
    };
    let plan = decide(&case);
    serde_json::to_string(&Status::of(&case, &plan, Carried::Out)).unwrap();
    plan.steps.into_iter().map(|keyed| keyed.step).collect()
}

#[test]
fn a_damaged_profile_is_read_or_refused_in_a_sentence_and_nothing_of_others_is_taken() {
    let (corpus, user) = (Corpus::of("fuzz/adapty"), User::new("u-1").unwrap());
    check!().with_test_time(span()).with_type::<Damage>().for_each(|damage| {
        match read::profile(&user, &corpus.json(damage)) {
            Ok(profile) => {
                assert_eq!(profile.user, user);
                let of_others = decided(profile);
                assert!(of_others.iter().all(|step| !matches!(step, Step::RevokeAccess(_))), "nothing of it is ours");
            }
            Err(unreadable) => {
                let text = unreadable.to_string();
                assert!(text.chars().count() < 300 && !text.contains(['\n', '\r', '@']), "{text:?}");
            }
        }
    });
}

#[test]
fn a_damaged_refusal_gives_a_code_or_none_and_never_its_message() {
    let corpus = Corpus::of("fuzz/adapty");
    check!().with_test_time(span()).with_type::<Damage>().for_each(|damage| {
        let body = corpus.json(damage);
        let code = classify::code(&body);
        assert!(!format!("{:?}", Refusal::read(&body).map(|read| read.errors)).contains("ann@"));
        assert!(code.is_none_or(|code| code.len() <= 64 && !code.contains([' ', '@', '\n'])));
    });
}
