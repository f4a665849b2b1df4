//! The outcome that many purchases must have, whatever happened on the way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::buyers::{Purchase, granted};
use super::rows;
use crate::harness::world::{World, same};

/// What all of it may take on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until every purchase is granted, exactly to its end.
pub(crate) async fn until_all_hold(world: &World, bought: &[Purchase]) {
    let mut without: Vec<&Purchase> = bought.iter().collect();
    let held = async {
        while !without.is_empty() {
            let end = |user: &str| world.simulator.adapty.level(user, "premium")?.expires_at;
            without.retain(|purchase| !end(&purchase.user).is_some_and(|end| same(end, purchase.end)));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, held).await;
    let users: Vec<&str> = without.iter().map(|purchase| purchase.user.as_str()).take(5).collect();
    assert!(held.is_ok(), "{} do not hold what they bought, among them {users:?}", without.len());
}

/// Every purchase is in Adapty once, as one transaction that counts its price.
pub(crate) fn all_are_counted_once(world: &World, bought: &[Purchase]) {
    for Purchase { user, subscription, .. } in bought {
        let (ids, revenue) = (world.transaction_ids(user), world.simulator.adapty.revenue(user));
        assert_eq!(ids, [subscription.as_str()], "{user}");
        assert_eq!(revenue, BTreeMap::from([("USD".to_owned(), 9.99)]), "{user}");
    }
}

/// Waits until nothing in the ledger awaits its answer; then there is one confirmed step a purchase and nothing else.
/// Answers when each user's was confirmed, in milliseconds since 1970.
pub(crate) async fn confirmed_once(url: &str, bought: &[Purchase]) -> BTreeMap<String, i64> {
    let (begun, mut entries) = (Instant::now(), ledger(url).await);
    while entries.iter().any(|entry| entry.state == "intended") && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(200)).await;
        entries = ledger(url).await;
    }
    let odd: Vec<_> = entries.iter().filter(|entry| entry.state != "confirmed").map(|entry| &entry.user).collect();
    assert!(odd.is_empty(), "not confirmed: {odd:?}");
    assert_eq!(entries.len(), bought.len(), "entries in the ledger");
    let confirmed = entries.into_iter().map(|entry| (entry.user, entry.settled_at.unwrap()));
    let confirmed: BTreeMap<String, i64> = confirmed.collect();
    assert_eq!(confirmed.len(), bought.len(), "users in the ledger");
    confirmed
}

/// What the ledger says of one step.
struct Entry {
    user: String,
    state: String,
    settled_at: Option<i64>,
}

async fn ledger(url: &str) -> Vec<Entry> {
    let entry =
        |row: &PgRow| Entry { user: row.get("user_id"), state: row.get("state"), settled_at: row.get("settled_at") };
    rows(url, "SELECT user_id, state, settled_at FROM ledger").await.iter().map(entry).collect()
}

/// The grants that Adapty was sent, by user.
pub(crate) struct Grants(BTreeMap<String, Vec<Sent>>);

struct Sent {
    /// Milliseconds since 1970.
    at: i64,
    /// Whether Adapty did it; when the sender dies too early it does not.
    done: bool,
}

impl Grants {
    pub(crate) fn sent(world: &World) -> Self {
        let mut sent: BTreeMap<String, Vec<Sent>> = BTreeMap::new();
        for request in world.simulator.journal.requests() {
            let one = Sent { at: request.wall.timestamp_millis(), done: request.status == Some(200) };
            if let Some(user) = granted(&request) {
                sent.entry(user.to_owned()).or_default().push(one);
            }
        }
        Self(sent)
    }

    /// How many users were sent how many.
    pub(crate) fn distribution(&self) -> BTreeMap<usize, usize> {
        let mut users = BTreeMap::new();
        self.0.values().for_each(|sent| *users.entry(sent.len()).or_default() += 1);
        users
    }

    /// Each user was sent one that Adapty did, at most `tries` in all, and none once the ledger had it confirmed.
    pub(crate) fn are_made_once(&self, tries: usize, confirmed: &BTreeMap<String, i64>) {
        assert!(self.0.keys().eq(confirmed.keys()), "the ledger knows other users than Adapty");
        for (user, sent) in &self.0 {
            let (last, settled) = (sent.iter().map(|one| one.at).max().unwrap(), confirmed[user]);
            assert_eq!(sent.iter().filter(|one| one.done).count(), 1, "{user} was granted again");
            assert!(sent.len() <= tries, "{user} was sent {} grants", sent.len());
            assert!(last <= settled + 1, "{user} was sent a grant {} ms after it was confirmed", last - settled);
        }
    }
}
