//! Which billing systems there are, set up or not.

use entitlement::model::account::Account;
use entitlement::model::finding::{Area, Finding};

/// A billing system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    Stripe,
}

impl SourceKind {
    pub const ALL: [Self; 1] = [Self::Stripe];

    /// The name before the colon of its accounts and events, and of its section in the settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stripe => stripe::account::SOURCE,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Stripe => "Stripe",
        }
    }

    /// The note that keeps how far its events were caught up on.
    #[must_use]
    pub fn catch_up_note(self) -> &'static str {
        match self {
            // from when there was one source
            Self::Stripe => "catch_up",
        }
    }

    /// What is found of a source whose settings cannot be used; `why` says what is the matter.
    #[must_use]
    pub fn with_broken_settings(self, why: &str) -> Vec<Finding> {
        let [own, behind_it @ ..] = self.areas();
        let unchecked = format!("{} cannot be asked", self.title());
        let mut findings = vec![Finding::error(own, why, format!("correct `[{}]` in the settings", self.name()))];
        findings.extend(behind_it.into_iter().map(|area| Finding::unchecked(area, &unchecked)));
        findings
    }

    /// What is found of a source without a key.
    #[must_use]
    pub fn without_key(self) -> Vec<Finding> {
        let why = format!("there is no {} key", self.title());
        self.areas().into_iter().map(|area| Finding::unchecked(area, &why)).collect()
    }

    fn areas(self) -> [Area; 5] {
        match self {
            Self::Stripe => stripe::check::areas(),
        }
    }
}

/// The object that a human means by `text`: ids may be typed as the dashboard shows them, without the source. Those are
/// Stripe's.
#[must_use]
pub fn typed(text: &str) -> Account {
    Account::parse(text).unwrap_or_else(|_| Account::new(SourceKind::Stripe.name(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_typed_with_or_without_its_source() {
        assert_eq!(typed("evt_1").as_str(), "stripe:evt_1");
        assert_eq!(typed("stripe:acct_1/evt_1").as_str(), "stripe:acct_1/evt_1");
    }

    #[test]
    fn a_source_without_a_key_has_nothing_checked() {
        let lines: Vec<String> = SourceKind::Stripe.without_key().iter().flat_map(Finding::lines).collect();
        assert_eq!(lines[0], "warning  stripe    not checked, since there is no Stripe key");
    }

    #[test]
    fn a_source_with_broken_settings_is_one_error_and_nothing_behind_it_is_checked() {
        let lines: Vec<String> =
            SourceKind::Stripe.with_broken_settings("no").iter().flat_map(Finding::lines).collect();
        assert_eq!(lines[..2], ["error    stripe    no", "    -> correct `[stripe]` in the settings"]);
        assert!(lines[2].contains("webhooks") && lines[2].contains("Stripe cannot be asked"), "{lines:?}");
    }

    /// Names are in accounts, events and settings: a kind that is missing from the list would be set up by nobody.
    #[test]
    fn every_kind_is_in_the_list() {
        for kind in SourceKind::ALL {
            let place = match kind {
                SourceKind::Stripe => 0,
            };
            assert_eq!(SourceKind::ALL[place], kind);
        }
    }
}
