//! A throw-away PostgreSQL for the tests.
//!
//! [`database::Database::fresh`] is an empty database for one test. All of them live on one server, which the first
//! caller in a test process starts, or on the server that `DATABASE_URL` names. [`server::Server::start`] is a server
//! of its own, for a test that stops it. Whichever way the test process ends, servers and directories go with it.

mod binaries;
pub mod database;
pub mod error;
mod home;
pub mod server;
mod watcher;
