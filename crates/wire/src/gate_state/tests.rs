//! The gate, with every moment handed in.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A gate, and the moments of its story in seconds from its beginning.
struct Story {
    gate: GateState,
    start: Instant,
}

impl Story {
    fn begin() -> Self {
        Self { gate: GateState::new(10 * SECOND), start: Instant::now() }
    }

    fn at(&self, second: u32) -> Instant {
        self.start + second * SECOND
    }

    /// A request of `account` that is sent and ends in this second.
    fn ends(&mut self, second: u32, account: &str, ended: Ended) -> Change {
        let at = self.at(second);
        self.gate.ended(Whose::Account(account), at, at, ended)
    }

    fn probe_ends(&mut self, second: u32, ended: Ended) -> Change {
        let at = self.at(second);
        self.gate.probe_sent();
        self.gate.ended(Whose::Probe, at, at, ended)
    }

    fn reason(&self) -> Option<Reason> {
        self.gate.closed().map(|closed| closed.reason)
    }
}

fn has_closed(change: Change, wanted: Reason) -> bool {
    matches!(change, Change::Closed(Closed { reason, .. }) if reason == wanted)
}

#[test]
fn failures_of_three_different_accounts_in_a_row_close_it() {
    let mut story = Story::begin();
    for second in 0..9 {
        assert_eq!(story.ends(second, "a", Ended::Failed), Change::None, "one account's failures are its own");
    }
    assert_eq!(story.ends(9, "b", Ended::Failed), Change::None);
    assert!(has_closed(story.ends(10, "c", Ended::Failed), Reason::Failing));
    assert!(matches!(story.gate.enter(), Entry::Closed(_)));
    assert_eq!(story.ends(11, "d", Ended::Failed), Change::None, "it closes once");
}

#[test]
fn one_account_that_fails_while_others_are_served_closes_nothing() {
    let mut story = Story::begin();
    for second in 0..50 {
        for ended in [Ended::Failed, Ended::Forbidden] {
            assert_eq!(story.ends(second, ["a", "b"][second as usize % 2], ended), Change::None);
        }
        assert_eq!(story.ends(second, "c", Ended::Served), Change::Cleared);
    }
    assert_eq!(story.gate.next_probe(), Probe::NotWanted);
}

#[test]
fn of_one_account_alone_the_probe_tells_whose_trouble_it_is() {
    let mut story = Story::begin();
    story.ends(0, "a", Ended::Failed);
    assert_eq!(story.gate.next_probe(), Probe::Later(None));
    assert_eq!(story.probe_ends(1, Ended::Served), Change::Cleared, "its own");
    assert_eq!(story.gate.next_probe(), Probe::NotWanted);

    story.ends(2, "a", Ended::Failed);
    assert_eq!(story.probe_ends(3, Ended::Failed), Change::None);
    assert!(has_closed(story.probe_ends(5, Ended::Failed), Reason::Failing), "the upstream's");
}

#[test]
fn a_refused_key_closes_it_at_once_until_a_probe_is_served() {
    let mut story = Story::begin();
    assert!(has_closed(story.ends(0, "a", Ended::KeyRefused), Reason::KeyRefused));
    assert_eq!(story.probe_ends(1, Ended::KeyRefused), Change::None);
    assert_eq!(story.probe_ends(2, Ended::Failed), Change::None);
    assert_eq!(story.probe_ends(3, Ended::Forbidden), Change::None);
    assert_eq!(story.reason(), Some(Reason::KeyRefused));
    assert_eq!(story.probe_ends(4, Ended::Served), Change::Opened);
    assert!(matches!(story.gate.enter(), Entry::Admitted(_)));
}

#[test]
fn three_accounts_that_are_forbidden_close_it_when_a_probe_is_forbidden_too() {
    let mut story = Story::begin();
    story.ends(0, "a", Ended::Forbidden);
    story.ends(0, "a", Ended::Forbidden);
    story.ends(0, "b", Ended::Forbidden);
    assert_eq!(story.gate.next_probe(), Probe::Later(None));
    assert_eq!(story.probe_ends(1, Ended::Forbidden), Change::None, "two are not three");
    story.ends(2, "c", Ended::Forbidden);
    assert_eq!(story.gate.next_probe(), Probe::Now);
    assert!(has_closed(story.probe_ends(2, Ended::Forbidden), Reason::KeyRefused));

    let mut other = Story::begin();
    for account in ["a", "b", "c"] {
        other.ends(0, account, Ended::Forbidden);
    }
    assert_eq!(other.probe_ends(0, Ended::Served), Change::Cleared, "three troubles, and none of the key");
    assert_eq!(other.ends(1, "d", Ended::Forbidden), Change::None);
    assert_eq!(other.reason(), None);
}

#[test]
fn a_wait_that_is_asked_for_is_kept_before_it_is_probed_and_never_shortened() {
    let mut story = Story::begin();
    assert!(has_closed(story.ends(0, "a", Ended::AskedToWait(30 * SECOND)), Reason::RetryAfter));
    story.ends(1, "b", Ended::AskedToWait(SECOND));
    story.gate.asked_to_wait(story.at(1), story.at(2));
    let until = |story: &Story| story.gate.closed().map(|closed| closed.until);
    assert_eq!(until(&story), Some(story.at(30)));
    assert!(matches!(story.gate.next_probe(), Probe::Later(Some(closed)) if closed.until == story.at(30)));
    assert_eq!(story.probe_ends(30, Ended::AskedToWait(30 * SECOND)), Change::None, "no news");
    assert_eq!(until(&story), Some(story.at(60)));
    assert_eq!(story.probe_ends(60, Ended::Served), Change::Opened);
    assert_eq!(heeded(i64::MAX), LONGEST);
}

#[test]
fn an_answer_from_before_it_closed_opens_nothing() {
    let mut story = Story::begin();
    story.ends(5, "a", Ended::KeyRefused);
    let (sent, now) = (story.at(4), story.at(6));
    assert_eq!(story.gate.ended(Whose::Account("b"), sent, now, Ended::Served), Change::None);
    assert_eq!(story.reason(), Some(Reason::KeyRefused));
}

#[test]
fn a_failure_of_a_request_from_before_others_were_served_says_nothing_of_now() {
    let mut story = Story::begin();
    story.ends(5, "x", Ended::Served);
    for account in ["a", "b", "c", "d"] {
        for ended in [Ended::Failed, Ended::KeyRefused, Ended::Forbidden] {
            let (sent, now) = (story.at(4), story.at(14));
            assert_eq!(story.gate.ended(Whose::Account(account), sent, now, ended), Change::None);
        }
    }
    assert_eq!((story.reason(), story.gate.next_probe()), (None, Probe::NotWanted));
}

#[test]
fn an_outage_swallows_no_more_requests_than_may_be_unanswered() {
    let mut story = Story::begin();
    let entries: Vec<Entry> = (0..UNANSWERED + 1).map(|_| story.gate.enter()).collect();
    assert!(entries[..UNANSWERED].iter().all(|entry| *entry == Entry::Admitted(0)));
    assert_eq!(entries[UNANSWERED], Entry::Crowded);
    story.gate.leave(0);
    assert_eq!(story.gate.enter(), Entry::Admitted(0), "one has failed");
    story.ends(1, "a", Ended::Served);
    for _ in 0..UNANSWERED {
        assert_eq!(story.gate.enter(), Entry::Admitted(1), "whoever is served makes room for as many");
        // those of the round before are not counted twice
        story.gate.leave(0);
    }
    assert_eq!(story.gate.enter(), Entry::Crowded);
}

#[test]
fn an_upstream_that_is_slow_is_waited_for_longer() {
    let mut story = Story::begin();
    assert_eq!(story.gate.patience(), PATIENCE);
    let (sent, now) = (story.at(0), story.at(4));
    story.gate.ended(Whose::Probe, sent, now, Ended::Served);
    assert_eq!(story.gate.patience(), 8 * SECOND);
    story.probe_ends(10, Ended::Served);
    assert_eq!(story.gate.patience(), PATIENCE);
    assert_eq!(GateState::new(120 * SECOND).patience(), 36 * SECOND, "where that is expected");
}

#[test]
fn closing_again_right_after_it_opened_is_no_news() {
    let mut story = Story::begin();
    let is_again = |change: Change| matches!(change, Change::Closed(Closed { is_again: true, .. }));
    assert!(!is_again(story.ends(0, "a", Ended::KeyRefused)));
    story.probe_ends(20, Ended::Served);
    assert!(is_again(story.ends(29, "a", Ended::KeyRefused)));
    story.probe_ends(40, Ended::Served);
    assert!(!is_again(story.ends(50, "a", Ended::KeyRefused)));
}
