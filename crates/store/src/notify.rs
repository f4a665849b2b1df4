//! The wake-up: within the process, and on PostgreSQL among all of them. It may be lost, doubled or late at no cost.

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

/// The channel of `NOTIFY`.
const CHANNEL: &str = "grantsync";
/// Bells this close together are told to the others as one.
const GATHERED: Duration = Duration::from_millis(10);
/// How long a lost connection, or one that nothing comes through, is left alone.
const AGAIN: Duration = Duration::from_secs(5);
/// After this much silence it is tried whether anything comes through.
const SILENCE: Duration = Duration::from_secs(30);
/// A setting that a connection is made with, and that only the session it was made for knows.
const MARK: &str = "grantsync.listens";
/// How long a notification may take.
const LONGEST: Duration = Duration::from_secs(2);

/// Whom a write may have given something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wakes {
    Nobody,
    Us,
    Everyone,
}

/// Rings here and, where the database is shared, with the others.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    here: Arc<Notify>,
    others: Option<Others>,
}

/// The other processes on the database.
#[derive(Clone, Debug)]
struct Others {
    pool: PgPool,
    /// What this process calls itself, so that it does not hear its own bells.
    name: Arc<str>,
    ring: Arc<Notify>,
}

impl Bell {
    pub(crate) fn of(reads: &Pool) -> Self {
        let others = match reads {
            Pool::Sqlite(_) => None,
            Pool::Postgres(pool) => {
                let name = format!("{:016x}", RandomState::new().build_hasher().finish());
                let others = Others { pool: pool.clone(), name: name.into(), ring: Arc::default() };
                tokio::spawn(others.clone().tell_bells());
                Some(others)
            }
        };
        Self { here: Arc::default(), others }
    }

    pub(crate) fn ring(&self, for_whom: Wakes) {
        if for_whom >= Wakes::Us {
            self.here.notify_one();
        }
        if let (Wakes::Everyone, Some(others)) = (for_whom, &self.others) {
            others.ring.notify_one();
        }
    }

    pub(crate) async fn triggered(&self) {
        self.here.notified().await;
    }

    /// Tells the others that an upstream asked to be left alone.
    pub(crate) fn tell_held(&self, held: &UpstreamPause) {
        let Some(others) = self.others.clone() else { return };
        let what = format!("held {} {}", held.seconds, held.limit);
        tokio::spawn(async move { others.tell(&what).await });
    }

    pub(crate) fn listen(&self) -> mpsc::UnboundedReceiver<UpstreamPause> {
        let (sender, held) = mpsc::unbounded_channel();
        if let Some(others) = self.others.clone() {
            tokio::spawn(others.hear(Arc::clone(&self.here), sender));
        }
        held
    }
}

/// Whether notifications come through, as it was last logged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Untried,
    Well,
    Nothing,
}

impl Others {
    async fn tell_bells(self) {
        loop {
            self.ring.notified().await;
            self.tell("rung").await;
            sleep(GATHERED).await;
        }
    }

    async fn tell(&self, what: &str) {
        // nothing is lost with it, so nobody waits for the disk
        let query = sqlx::query("SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)");
        let query = query.bind(CHANNEL).bind(format!("{} {what}", self.name));
        let told = bounded(&self.pool, LONGEST, async |on| query.execute(on).await).await;
        if let Err(error) = told {
            tracing::debug!(%error, "other processes could not be told; they sweep");
        }
    }

    async fn hear(self, here: Arc<Notify>, held: mpsc::UnboundedSender<UpstreamPause>) {
        let mut hearing = Hearing::Untried;
        while !held.is_closed() {
            let ended = self.hear_while_connected(&here, &held, &mut hearing).await;
            if hearing != Hearing::Nothing {
                tracing::warn!(
                    error = ended.err().map(tracing::field::display),
                    "notifications do not come through (a lost connection, or a pooler in transaction mode): what other \
                     processes take in is found by the sweep, seconds later"
                );
            }
            hearing = Hearing::Nothing;
            sleep(AGAIN).await;
        }
    }

    /// Ends when the connection is lost, or nothing comes through it.
    async fn hear_while_connected(
        &self,
        here: &Notify,
        held: &mpsc::UnboundedSender<UpstreamPause>,
        hearing: &mut Hearing,
    ) -> Result<(), sqlx::Error> {
        // a pool of its own: a listener that fell silent keeps its place for ever
        let options = PgConnectOptions::clone(&self.pool.connect_options()).options([(MARK, "on")]);
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT).connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        let Ok(begun) = timeout(LONGEST, begin(&mut listener)).await else { return Ok(()) };
        if !begun? {
            return Ok(());
        }
        // what rang before
        here.notify_one();
        while self.is_heard(&mut listener, here, held).await? {
            if *hearing == Hearing::Nothing {
                tracing::info!("notifications come through again");
            }
            *hearing = Hearing::Well;
            // until it falls silent, or the connection is lost
            while let Ok(heard) = timeout(SILENCE, listener.try_recv()).await {
                let Some(heard) = heard? else { return Ok(()) };
                self.take(heard.payload(), here, held);
            }
        }
        Ok(())
    }

    /// Whether anything comes through, were it our own.
    async fn is_heard(
        &self,
        listener: &mut PgListener,
        here: &Notify,
        held: &mpsc::UnboundedSender<UpstreamPause>,
    ) -> Result<bool, sqlx::Error> {
        self.tell("probe").await;
        let Ok(heard) = timeout(LONGEST, listener.try_recv()).await else { return Ok(false) };
        let heard = heard?;
        if let Some(heard) = &heard {
            self.take(heard.payload(), here, held);
        }
        Ok(heard.is_some())
    }

    fn take(&self, payload: &str, here: &Notify, held: &mpsc::UnboundedSender<UpstreamPause>) {
        let Some((sender, what)) = payload.split_once(' ') else { return };
        if sender == &*self.name {
            return;
        }
        match what.split(' ').collect::<Vec<_>>().as_slice() {
            ["rung"] => here.notify_one(),
            ["held", seconds, limit] => {
                if let Ok(seconds) = seconds.parse() {
                    // nobody may be interested
                    drop(held.send(UpstreamPause { limit: (*limit).to_owned(), seconds }));
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
/// refuses it; what listened there would go on listening in whoever's hands it comes next, and break their answers.
async fn is_our_own(listener: &mut PgListener) -> Result<bool, sqlx::Error> {
    let mark: Option<String> =
        sqlx::query_scalar("SELECT current_setting($1, true)").bind(MARK).fetch_one(listener).await?;
    Ok(mark.as_deref() == Some("on"))
}
