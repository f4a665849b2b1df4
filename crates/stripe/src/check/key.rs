//! Stripe's key: that it works, what it may read, and how far our clocks are apart.

use chrono::TimeDelta;
use entitlement::model::clock::{Clock, Timestamp};
use entitlement::model::failure::{Class, Failure};
use entitlement::model::finding::{Area, Finding};
use entitlement::model::mode::Mode;

use crate::check::area;
use crate::check::permissions::{Readable, Sample};
use crate::client::Stripe;
use crate::identity::UserIdPlace;

/// Seconds between the clocks from which on something is said, and from which on it is too late: signatures are refused
/// when they are five minutes old, and a webhook may be on its way for some of them.
const NOTED: i64 = 60;
const WRONG: i64 = 240;

/// What was learnt so far.
#[derive(Default)]
struct Learnt {
    /// The mode of the first object that says it.
    mode: Option<Mode>,
    /// Seconds by which our clock is behind Stripe's.
    behind: Option<i64>,
    /// Permissions that the key lacks.
    refused: Vec<&'static str>,
}

/// The findings, and whether the key can be used at all.
pub(super) async fn check(stripe: &Stripe, one_time: bool, clock: Clock) -> (Vec<Finding>, bool) {
    let mut learnt = Learnt::default();
    for readable in wanted(stripe, one_time) {
        let before = clock();
        match stripe.sample(readable).await {
            Ok(sample) => learnt.take(&sample, before, clock()),
            Err(failure) if failure.status == Some(403) => learnt.lacks(readable.permission()),
            Err(failure) => return (vec![fault(&failure)], false),
        }
    }
    let mut findings: Vec<Finding> = learnt.refused.iter().map(|permission| refused(permission)).collect();
    findings.extend(mixed(learnt.mode, stripe.mode()));
    if findings.is_empty() {
        let mode = stripe.mode().map_or("", |mode| match mode {
            Mode::Live => " of live mode",
            Mode::Test => " of test mode",
        });
        findings.push(Finding::ok(area(), format!("the key{mode} may read all that is needed")));
    }
    findings.push(match learnt.behind {
        Some(seconds) => apart(seconds),
        None => Finding::unchecked(Area::Clock, "no answer of Stripe's was dated"),
    });
    (findings, true)
}

/// What a sync reads with these settings.
fn wanted(stripe: &Stripe, one_time: bool) -> impl Iterator<Item = Readable> {
    let sessions = one_time || stripe.user_id.iter().any(UserIdPlace::is_of_session);
    Readable::ALL.into_iter().filter(move |readable| sessions || *readable != Readable::CheckoutSessions)
}

impl Learnt {
    fn take(&mut self, sample: &Sample, before: Timestamp, after: Timestamp) {
        self.mode = self.mode.or(sample.mode);
        self.behind = self.behind.or_else(|| sample.date.map(|date| behind(date, before, after)));
    }

    /// Two kinds of objects may take one permission.
    fn lacks(&mut self, permission: &'static str) {
        if !self.refused.contains(&permission) {
            self.refused.push(permission);
        }
    }
}

fn refused(permission: &str) -> Finding {
    let remedy = format!("edit the restricted key (Developers → API keys) and give it read access to {permission}");
    Finding::error(area(), format!("the key may not read {permission}"), remedy)
}

fn fault(failure: &Failure) -> Finding {
    match failure.class {
        Class::Credentials | Class::Forbidden => {
            let remedy = "copy the key again (Developers → API keys); it may have been rolled, deleted, or cut short";
            Finding::error(area(), format!("Stripe refuses the key ({})", failure.what), remedy)
        }
        Class::Transient | Class::Permanent | Class::Missing | Class::GateClosed => {
            let remedy = "see that HTTPS to `stripe.api_base` gets out of this machine, and https://status.stripe.com";
            Finding::error(area(), format!("Stripe does not answer as it should: {}", failure.what), remedy)
        }
    }
}

fn mixed(found: Option<Mode>, own: Option<Mode>) -> Option<Finding> {
    let found = found?;
    let own = own?;
    if found == own {
        return None;
    }
    let text = format!(
        "the key is of {} mode, and what it reads is of {} mode: none of it will count",
        own.as_str(),
        found.as_str()
    );
    Some(Finding::error(area(), text, "see what answers at `stripe.api_base`"))
}

/// By how many seconds our clock is behind one that showed `date`, to the second, somewhen between `before` and `after`.
fn behind(date: Timestamp, before: Timestamp, after: Timestamp) -> i64 {
    let latest = date + TimeDelta::seconds(1);
    if date > after {
        (date - after).num_seconds()
    } else if latest < before {
        (latest - before).num_seconds()
    } else {
        0
    }
}

fn apart(behind: i64) -> Finding {
    let seconds = behind.abs();
    let side = if behind > 0 { "behind" } else { "ahead of" };
    let text = format!("our clock is about {} s {side} Stripe's", (seconds + 5) / 10 * 10);
    let remedy = "let it be set by the network (`timedatectl set-ntp true`)";
    if seconds > WRONG {
        Finding::error(Area::Clock, format!("{text}: webhooks are refused, since they look too old or too new"), remedy)
    } else if seconds > NOTED {
        Finding::warning(Area::Clock, format!("{text}; beyond five minutes webhooks are refused"), remedy)
    } else {
        Finding::ok(Area::Clock, "our clock agrees with Stripe's")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-10-21T{text}Z").parse().unwrap()
    }

    #[test]
    fn neither_the_way_of_the_answer_nor_the_missing_fraction_counts() {
        let (before, after) = (at("07:28:10.900"), at("07:28:14.100"));
        for (date, seconds) in
            [("07:28:10", 0), ("07:28:14", 0), ("07:28:09", 0), ("07:28:08", -1), ("07:29:15", 60), ("07:23:09", -300)]
        {
            assert_eq!(behind(at(date), before, after), seconds, "{date}");
        }
    }

    #[test]
    fn a_minute_is_a_warning_and_four_are_an_error() {
        let line = |seconds| apart(seconds).lines().remove(0);
        assert!(line(60).starts_with("ok ") && line(-60).starts_with("ok "));
        assert!(line(61).starts_with("warning") && line(61).contains("about 60 s behind"), "{}", line(61));
        assert!(line(-240).starts_with("warning") && line(-240).contains("about 240 s ahead of"));
        assert!(line(241).starts_with("error") && line(-300).starts_with("error"));
    }
}
