//! The known key that an unknown one was probably meant to be.

use std::collections::BTreeSet;

/// A longer key is not meant to be any of ours.
const LONGEST: usize = 200;

/// What to write instead of `key`, each key spelled by `spell`.
pub(super) fn advice(key: &str, known: &BTreeSet<String>, spell: impl Fn(&str) -> String) -> String {
    let (section, _) = split(key);
    let listed = if has_section(known, key) {
        within(known, key)
    } else if let Some(nearest) = nearest(key, known) {
        return format!("`{}`", spell(nearest));
    } else if has_section(known, section) {
        within(known, section)
    } else if let Some(whole) = key.split('.').next().filter(|whole| known.contains(*whole)) {
        return format!("`{}`", spell(whole));
    } else {
        let sections: BTreeSet<&str> =
            known.iter().map(|key| split(key).0).filter(|section| !section.contains('[')).collect();
        let sections: Vec<String> = sections.iter().map(|section| format!("`{section}`")).collect();
        return format!("a key of one of the sections {}", sections.join(", "));
    };
    let listed: Vec<String> = listed.iter().map(|key| format!("`{}`", spell(key))).collect();
    format!("one of {}", listed.join(", "))
}

/// The closest known key, or `None` when none is close: a few letters off, or the same name elsewhere.
fn nearest<'a>(key: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    if key.len() > LONGEST {
        return None;
    }
    let name = split(key).1;
    let slips = 1 + name.len() / 3;
    let ranked = known.iter().map(|candidate| (distance(key, candidate), candidate));
    ranked
        .filter(|(distance, candidate)| *distance <= slips || split(candidate).1 == name)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.as_str())
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or((key, key))
}

fn has_section(known: &BTreeSet<String>, section: &str) -> bool {
    known.iter().any(|key| split(key).0 == section)
}

fn within<'a>(known: &'a BTreeSet<String>, section: &str) -> Vec<&'a str> {
    known.iter().map(String::as_str).filter(|key| split(key).0 == section).collect()
}

/// How many letters to add, drop or change to get from one to the other (Levenshtein).
pub(super) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;
    use crate::settings::fixture::complaints;

    #[test]
    fn an_unknown_key_is_named_with_its_neighbour() {
        let file =
            "[policy]\npast_due_grase = \"3d\"\n\n[stripe]\nproduct_id = \"product\"\n[polices]\nmode = \"observe\"";
        assert_eq!(
            complaints(file, &[]),
            [
                "unknown key `polices.mode` (`grantsync.toml` line 7): write `policy.mode`",
                "unknown key `policy.past_due_grase` (`grantsync.toml` line 2): write `policy.past_due_grace`",
                "unknown key `stripe.product_id` (`grantsync.toml` line 5): write `adapty.product_id`",
            ]
        );
    }

    #[test]
    fn a_key_near_nothing_gets_the_keys_of_its_section() {
        let faults = complaints("[inbox]\nx = 1\n[zebra]\n[retention]\nzebra = 1\n", &[]);
        assert_eq!(faults[0], "unknown key `inbox.x` (`grantsync.toml` line 2): write one of `inbox.keep_bodies`");
        assert!(faults[1].ends_with("write one of `retention.inbox`, `retention.ledger`"), "{faults:?}");
        assert!(
            faults[2].contains("unknown key `zebra` (`grantsync.toml` line 3): write a key of one of the sections")
        );
        let faults = complaints("stripe = 1", &[]);
        assert!(faults[0].contains("write one of `stripe.api_base`, "), "{faults:?}");
    }

    #[test]
    fn distance_counts_the_letters_to_change() {
        assert_eq!(distance("mode", "mode"), 0);
        assert_eq!(distance("mod", "mode"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
