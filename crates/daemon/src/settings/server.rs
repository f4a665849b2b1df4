//! `[server]`: where the daemon listens.

use std::net::SocketAddr;
use std::time::Duration;

use ingest::body::LARGEST_BODY;

use super::reader::Reader;
use super::secret::Secret;
use super::size;

/// The section `[server]`.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Webhooks and health; default `127.0.0.1:8080`.
    pub(crate) listen: SocketAddr,
    /// Admin API and metrics; default `127.0.0.1:8081`.
    pub(crate) admin_listen: SocketAddr,
    /// Bearer token of the admin side; by default `GRANTSYNC_ADMIN_TOKEN`, else `None`.
    pub(crate) admin_token: Option<Secret>,
    /// Webhooks that may wait for the writer before more are answered 503; default 4096.
    pub(crate) max_waiting: usize,
    /// Bytes that the bodies of webhooks in flight may hold together before more are answered 503; default 32 MiB.
    pub(crate) body_budget: usize,
    /// How long a connection is kept between two requests; default 90 s, longer than balancers keep theirs.
    pub(crate) keep_alive: Duration,
}

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>) -> Server {
        let write = "an address and a port such as `127.0.0.1:8080`";
        let mut address = |key: &str, port: u16| {
            let parsed = reader.parsed(key, write, |text| text.parse().ok());
            parsed.unwrap_or(SocketAddr::from(([127, 0, 0, 1], port)))
        };
        Server {
            listen: address("server.listen", 8080),
            admin_listen: address("server.admin_listen", 8081),
            admin_token: reader.optional_secret("server.admin_token", "GRANTSYNC_ADMIN_TOKEN"),
            max_waiting: usize::try_from(reader.count("server.max_waiting", 4096)).unwrap_or(usize::MAX),
            body_budget: body_budget(reader),
            keep_alive: reader.span_above_zero("server.keep_alive", Duration::from_secs(90)),
        }
    }
}

fn body_budget(reader: &mut Reader<'_>) -> usize {
    let write = format!("{} that holds one body, and so at least `1MiB`", size::HOW_TO_WRITE);
    let budget = |text: &str| size::bytes(text).filter(|bytes| *bytes >= LARGEST_BODY);
    reader.parsed("server.body_budget", &write, budget).unwrap_or(32 * LARGEST_BODY)
}

#[cfg(test)]
mod tests {
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn the_admin_token_is_optional_until_it_is_written() {
        assert!(read("", &[]).unwrap().server.admin_token.is_none());
        assert!(read("", &[("GRANTSYNC_ADMIN_TOKEN", "")]).unwrap().server.admin_token.is_none());
        assert!(read("", &[("GRANTSYNC_ADMIN_TOKEN", "t")]).unwrap().server.admin_token.is_some());
        let faults = complaints("[server]\nadmin_token = \"env:GRANTSYNC_ADMIN_TOKEN\"", &[]);
        assert!(faults[0].starts_with("`server.admin_token` names `env:GRANTSYNC_ADMIN_TOKEN`"), "{faults:?}");
    }

    #[test]
    fn the_budget_of_bodies_holds_one_at_least() {
        assert_eq!(read("", &[]).unwrap().server.body_budget, 32 << 20);
        assert_eq!(read("[server]\nbody_budget = \"64 MiB\"", &[]).unwrap().server.body_budget, 64 << 20);
        let faults = complaints("[server]\nbody_budget = \"1000KiB\"", &[]);
        assert!(faults[0].starts_with("`server.body_budget` is `1000KiB`"), "{faults:?}");
    }

    #[test]
    fn an_invalid_value_says_where_it_is_and_what_to_write() {
        assert_eq!(
            complaints("[server]\nlisten = \"localhost\"\nmax_waiting = 0", &[("GRANTSYNC__SERVER__ADMIN_LISTEN", "")]),
            [
                "`server.listen` is `localhost` (`grantsync.toml` line 2): write an address and a port such as `127.0.0.1:8080`",
                "`server.admin_listen` is empty (`GRANTSYNC__SERVER__ADMIN_LISTEN`): write an address and a port such as `127.0.0.1:8080`",
                "`server.max_waiting` is `0` (`grantsync.toml` line 3): write a whole number of at least 1",
            ]
        );
    }
}
