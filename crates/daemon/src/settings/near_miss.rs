//! Variables of the environment that were meant to set a key and set none, such as `GRANTSYNC_POLICY__MODE`.

use std::collections::BTreeSet;

use super::suggestion;

/// What every variable of ours begins with, without underscores.
const BEGIN: &str = "GRANTSYNC";
/// Variables of ours that set no key.
pub(super) const OTHERS: [&str; 3] = ["GRANTSYNC_ADMIN_TOKEN", "GRANTSYNC_CONFIG", "GRANTSYNC_LOG"];
/// From this many letters after the beginning on, one that differs is a slip; from twice as many, two.
const LONG: usize = 6;

/// What to write instead of `name`, which does not begin as it should, where it was meant to be of ours. What an orchestrator sets for a service of our
/// name (`GRANTSYNC_SERVICE_HOST`) was meant to be none.
pub(super) fn meant(name: &str, known: &BTreeSet<String>, variable: impl Fn(&str) -> String) -> Option<String> {
    let nearest = nearest(name, known, &variable).map(|ours| format!("`{ours}`"));
    nearest.or_else(|| Some(suggestion::advice(&key_of_a_section(name, known)?, known, variable)))
}

/// The variable of ours that is a slip or two from `name`, if there is one.
pub(super) fn nearest(name: &str, known: &BTreeSet<String>, variable: impl Fn(&str) -> String) -> Option<String> {
    let squashed = squash(name);
    let rest = squashed.strip_prefix(BEGIN)?;
    let slips = if rest.len() >= 2 * LONG { 2 } else { usize::from(rest.len() >= LONG) };
    let ours = known.iter().map(|key| variable(key)).chain(OTHERS.map(str::to_owned));
    let near = ours.map(|ours| (suggestion::distance(&squashed, &squash(&ours)), ours));
    let nearest = near.filter(|(distance, _)| *distance <= slips).min();
    nearest.map(|(_, ours)| ours)
}

/// The key that it would set if it began right: one that is unknown, in a section that is not.
fn key_of_a_section(name: &str, known: &BTreeSet<String>) -> Option<String> {
    let rest = name.to_uppercase().strip_prefix(BEGIN)?.trim_start_matches('_').to_lowercase();
    let (section, key) = rest.split_once("__")?;
    let is_section = known.iter().any(|known| known.split('.').next() == Some(section));
    is_section.then(|| format!("{section}.{}", key.replace("__", ".")))
}

fn squash(name: &str) -> String {
    name.chars().filter(|sign| *sign != '_').map(|sign| sign.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn a_variable_that_was_meant_to_set_a_key_is_refused_with_its_right_name() {
        for (name, right) in [
            ("GRANTSYNC_POLICY__MODE", "GRANTSYNC__POLICY__MODE"),
            ("GRANTSYNC__POLICY_MODE", "GRANTSYNC__POLICY__MODE"),
            ("GRANTSYNC_POLICY_MODE", "GRANTSYNC__POLICY__MODE"),
            ("GRANTSYNC___POLICY__MODE", "GRANTSYNC__POLICY__MODE"),
            ("grantsync__policy__mode", "GRANTSYNC__POLICY__MODE"),
            ("GRANTSYNC_POLICY__MDOE", "GRANTSYNC__POLICY__MODE"),
            ("GRANTSYNC_STRIPE_SECRET_KEY", "GRANTSYNC__STRIPE__SECRET_KEY"),
            ("GRANTSYNC_DATABASE_URL", "GRANTSYNC__DATABASE__URL"),
            ("GRANTSYNC__CONFIG", "GRANTSYNC_CONFIG"),
            ("GRANTSYNC__LOG", "GRANTSYNC_LOG"),
            ("GRANTSYNC_ADMINTOKEN", "GRANTSYNC_ADMIN_TOKEN"),
            ("GRANTSYNC_CATALOG", "GRANTSYNC__CATALOG"),
        ] {
            let faults = complaints("", &[(name, "observe")]);
            assert_eq!(faults.len(), 1, "{name}: {faults:?}");
            assert_eq!(faults[0], format!("unknown variable `{name}`: write `{right}`"));
        }
        let unknown = complaints("", &[("GRANTSYNC_POLICY__NOTHING_LIKE_IT", "1")]);
        assert!(unknown[0].contains("write one of `GRANTSYNC__POLICY__"), "{unknown:?}");
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let variables = [
            ("GRANTSYNC_SERVICE_HOST", "10.0.0.1"),
            ("GRANTSYNC_SERVICE_PORT", "8080"),
            ("GRANTSYNC_PORT", "tcp://10.0.0.1:8080"),
            ("GRANTSYNC_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("GRANTSYNC_ADMIN_SERVICE_HOST", "10.0.0.1"),
            ("GRANTSYNC_ADMIN_PORT", "tcp://10.0.0.1:8081"),
            ("GRANTSYNC_LOG", "debug"),
            ("GRANTSYNC_CONFIG", ""),
            ("GRANTSYNC_SEED", "1"),
            ("GRANTSYNC_POLICY_MODE", ""),
            ("POLICY__MODE", "observe"),
        ];
        read("", &variables).unwrap();
    }

    #[test]
    fn a_variable_that_the_settings_refer_to_may_have_any_name() {
        let key = ("GRANTSYNC_STRIPE_SECRET_KEY", "sk_test_1");
        read("[stripe]\nsecret_key = \"env:GRANTSYNC_STRIPE_SECRET_KEY\"", &[key]).unwrap();
        let secrets = ("GRANTSYNC_STRIPE__WEBHOOK_SECRETS", "whsec_1");
        read("[stripe]\nwebhook_secrets = [\"env:GRANTSYNC_STRIPE__WEBHOOK_SECRETS\"]", &[secrets]).unwrap();
    }
}
