//! `[inbox]`, `[reconcile]`, `[bulk]`, `[catch_up]`, `[retention]`: what runs in the background.

use std::time::Duration;

use chrono::NaiveTime;

use super::duration::{self, DAY, MINUTE};
use super::reader::Reader;

/// The section `[inbox]`.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    /// Whether the bodies of webhooks that could be read are kept; default `false`.
    pub(crate) keep_bodies: bool,
}

/// The section `[reconcile]`.
#[derive(Debug, Clone)]
pub(crate) struct Reconcile {
    /// Time of day in UTC of the nightly reconciliation, `None` for `off`; default 03:00.
    pub(crate) nightly_at: Option<NaiveTime>,
}

/// The section `[bulk]`.
#[derive(Debug, Clone)]
pub(crate) struct Bulk {
    /// Share of the rate limits that backfills and reconciliations may use, in per cent from 1 to 100; default 50.
    pub(crate) share_percent: u32,
}

/// The section `[catch_up]`.
#[derive(Debug, Clone)]
pub(crate) struct CatchUp {
    /// How often missed events are fetched, above zero; default 5 minutes.
    pub(crate) every: Duration,
}

/// The section `[retention]`.
#[derive(Debug, Clone)]
pub(crate) struct Retention {
    /// How long events are kept, above zero; default 30 days.
    pub(crate) inbox: Duration,
    /// How long settled steps are kept, above zero; default 400 days.
    pub(crate) ledger: Duration,
}

impl Inbox {
    pub(super) fn read(reader: &mut Reader<'_>) -> Inbox {
        let keep_bodies = reader.parsed("inbox.keep_bodies", "`true` or `false`", |text| text.parse().ok());
        Inbox { keep_bodies: keep_bodies.unwrap_or(false) }
    }
}

impl Reconcile {
    pub(super) fn read(reader: &mut Reader<'_>) -> Reconcile {
        let nightly_at = reader.parsed("reconcile.nightly_at", "a time of day such as `03:00`, or `off`", |text| {
            if text == "off" { Some(None) } else { duration::time_of_day(text).map(Some) }
        });
        Reconcile { nightly_at: nightly_at.unwrap_or(NaiveTime::from_hms_opt(3, 0, 0)) }
    }
}

impl Bulk {
    pub(super) fn read(reader: &mut Reader<'_>) -> Bulk {
        let percent = |text: &str| text.strip_suffix('%')?.parse().ok().filter(|percent| (1..=100).contains(percent));
        Bulk { share_percent: reader.parsed("bulk.share", "a part such as `50%`", percent).unwrap_or(50) }
    }
}

impl CatchUp {
    pub(super) fn read(reader: &mut Reader<'_>) -> CatchUp {
        CatchUp { every: reader.span_above_zero("catch_up.every", 5 * MINUTE) }
    }
}

impl Retention {
    pub(super) fn read(reader: &mut Reader<'_>) -> Retention {
        Retention {
            inbox: reader.span_above_zero("retention.inbox", 30 * DAY),
            ledger: reader.span_above_zero("retention.ledger", 400 * DAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn the_nightly_reconciliation_has_a_time_or_is_off() {
        let nightly = |at: &str| read(&format!("[reconcile]\nnightly_at = {at}"), &[]).unwrap().reconcile.nightly_at;
        let printed = |at: &str| nightly(at).map(|time| time.to_string());
        assert_eq!(printed("\"04:30\"").as_deref(), Some("04:30:00"));
        assert_eq!(printed("04:30:00").as_deref(), Some("04:30:00"));
        assert_eq!(printed("\"off\""), None);
        assert_eq!(read("", &[]).unwrap().reconcile.nightly_at.unwrap().to_string(), "03:00:00");
    }

    #[test]
    fn a_duration_that_may_not_be_zero_says_so() {
        assert_eq!(
            complaints("[catch_up]\nevery = \"0s\"\n[inbox]\nkeep_bodies = 1", &[]),
            [
                "`inbox.keep_bodies` is `1` (`grantsync.toml` line 4): write `true` or `false`",
                "`catch_up.every` is `0s` (`grantsync.toml` line 2): write a duration such as `5s`, `2h` or `3d`, at most 100 years and above zero",
            ]
        );
    }
}
