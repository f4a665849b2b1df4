//! Notifications that something may be due: within the process, and on PostgreSQL among all of them.
//!
//! One may be lost, doubled or late at no cost: whoever waits for it looks by itself every few seconds too.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use crate::connection::{Pool, bounded};
use crate::database::CONNECT;
use crate::tokens::UpstreamPause;
use crate::write::Wakes;

/// The channel of `NOTIFY`.
const CHANNEL: &str = "grantsync";
/// The payload behind the sender's name when accounts were triggered.
const TRIGGERED: &str = "triggered";
/// The payload behind the sender's name that only shows whether notifications come through.
const PROBE: &str = "probe";
/// The first word of the payload when an upstream is paused; seconds and the name of the limit follow.
const PAUSED: &str = "paused";
/// Triggers this close together are sent to the others as one notification.
const DEBOUNCE: Duration = Duration::from_millis(10);
/// How long after a lost connection the next one is tried.
const RECONNECT_AFTER: Duration = Duration::from_secs(5);
/// After this much silence it is probed whether anything comes through.
const SILENCE: Duration = Duration::from_secs(30);
/// A setting that a connection is made with, and that only the session it was made for knows.
const MARK: &str = "grantsync.listens";
/// How long a notification may take.
const LONGEST: Duration = Duration::from_secs(2);

/// Notifies this process and, where the database is shared, the others.
#[derive(Clone, Debug)]
pub(crate) struct Notifier {
    here: Arc<Notify>,
    others: Option<Others>,
}

/// The other processes on the database.
#[derive(Clone, Debug)]
struct Others {
    pool: PgPool,
    /// This process's name, so that it ignores its own notifications.
    name: Arc<str>,
    triggered: Arc<Notify>,
}

impl Notifier {
    pub(crate) fn of(reads: &Pool) -> Self {
        let others = match reads {
            Pool::Sqlite(_) => None,
            Pool::Postgres(pool) => {
                let name = format!("{:016x}", RandomState::new().build_hasher().finish());
                let others = Others { pool: pool.clone(), name: name.into(), triggered: Arc::default() };
                tokio::spawn(others.clone().send_triggers());
                Some(others)
            }
        };
        Self { here: Arc::default(), others }
    }

    pub(crate) fn notify(&self, wakes: Wakes) {
        if wakes >= Wakes::ThisProcess {
            self.here.notify_one();
        }
        if let (Wakes::AllProcesses, Some(others)) = (wakes, &self.others) {
            others.triggered.notify_one();
        }
    }

    pub(crate) async fn triggered(&self) {
        self.here.notified().await;
    }

    /// Reports to the others that an upstream answered with a `Retry-After`.
    pub(crate) fn send_pause(&self, pause: &UpstreamPause) {
        let Some(others) = self.others.clone() else { return };
        let payload = format!("{PAUSED} {} {}", pause.seconds, pause.limit);
        tokio::spawn(async move { others.send(&payload).await });
    }

    pub(crate) fn listen(&self) -> mpsc::UnboundedReceiver<UpstreamPause> {
        let (sender, pauses) = mpsc::unbounded_channel();
        if let Some(others) = self.others.clone() {
            tokio::spawn(others.listen(Arc::clone(&self.here), sender));
        }
        pauses
    }
}

/// Whether notifications come through, as it was last logged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reception {
    Untried,
    Good,
    None,
}

impl Others {
    async fn send_triggers(self) {
        loop {
            self.triggered.notified().await;
            self.send(TRIGGERED).await;
            sleep(DEBOUNCE).await;
        }
    }

    async fn send(&self, payload: &str) {
        // nothing is lost with it, so nobody waits for the disk
        let query = sqlx::query("SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)");
        let query = query.bind(CHANNEL).bind(format!("{} {payload}", self.name));
        let sent = bounded(&self.pool, LONGEST, async |on| query.execute(on).await).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "other processes could not be notified; they find it by their sweep");
        }
    }

    async fn listen(self, here: Arc<Notify>, pauses: mpsc::UnboundedSender<UpstreamPause>) {
        let mut reception = Reception::Untried;
        while !pauses.is_closed() {
            let ended = self.listen_while_connected(&here, &pauses, &mut reception).await;
            if reception != Reception::None {
                tracing::warn!(
                    error = ended.err().map(tracing::field::display),
                    "notifications do not come through (a lost connection, or a pooler in transaction mode): what other \
                     processes take in is found by the sweep, seconds later"
                );
            }
            reception = Reception::None;
            sleep(RECONNECT_AFTER).await;
        }
    }

    /// Ends when the connection is lost, or nothing comes through it.
    async fn listen_while_connected(
        &self,
        here: &Notify,
        pauses: &mpsc::UnboundedSender<UpstreamPause>,
        reception: &mut Reception,
    ) -> Result<(), sqlx::Error> {
        // a pool of its own: a listener that is no longer answered occupies its place for ever
        let options = PgConnectOptions::clone(&self.pool.connect_options()).options([(MARK, "on")]);
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT).connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        let Ok(begun) = timeout(LONGEST, begin(&mut listener)).await else { return Ok(()) };
        if !begun? {
            return Ok(());
        }
        // triggers from before
        here.notify_one();
        while self.comes_through(&mut listener, here, pauses).await? {
            if *reception == Reception::None {
                tracing::info!("notifications come through again");
            }
            *reception = Reception::Good;
            // until there is silence, or the connection is lost
            while let Ok(received) = timeout(SILENCE, listener.try_recv()).await {
                let Some(notification) = received? else { return Ok(()) };
                self.take_in(notification.payload(), here, pauses);
            }
        }
        Ok(())
    }

    /// Whether anything comes through, be it our own probe.
    async fn comes_through(
        &self,
        listener: &mut PgListener,
        here: &Notify,
        pauses: &mpsc::UnboundedSender<UpstreamPause>,
    ) -> Result<bool, sqlx::Error> {
        self.send(PROBE).await;
        let Ok(received) = timeout(LONGEST, listener.try_recv()).await else { return Ok(false) };
        let received = received?;
        if let Some(notification) = &received {
            self.take_in(notification.payload(), here, pauses);
        }
        Ok(received.is_some())
    }

    fn take_in(&self, payload: &str, here: &Notify, pauses: &mpsc::UnboundedSender<UpstreamPause>) {
        let Some((sender, payload)) = payload.split_once(' ') else { return };
        if sender == &*self.name {
            return;
        }
        match payload.split(' ').collect::<Vec<_>>().as_slice() {
            [TRIGGERED] => here.notify_one(),
            [PAUSED, seconds, limit] => {
                if let Ok(seconds) = seconds.parse() {
                    // nobody may listen any more
                    drop(pauses.send(UpstreamPause { limit: (*limit).to_owned(), seconds }));
                }
            }
            _ => {}
        }
    }
}

/// Listens, if the session belongs to this connection; answers whether it does.
async fn begin(listener: &mut PgListener) -> Result<bool, sqlx::Error> {
    let is_ours = is_our_own(listener).await?;
    if is_ours {
        listener.listen(CHANNEL).await?;
    }
    Ok(is_ours)
}

/// Whether the session belongs to this connection. A pooler that lends its sessions out does not know our mark, or
/// refuses it; a session that listened there would go on listening for whoever gets it next, and break their answers.
async fn is_our_own(listener: &mut PgListener) -> Result<bool, sqlx::Error> {
    let mark: Option<String> =
        sqlx::query_scalar("SELECT current_setting($1, true)").bind(MARK).fetch_one(listener).await?;
    Ok(mark.as_deref() == Some("on"))
}
