//! The scenarios of `main.rs` on PostgreSQL, and those that only many machines have.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]

mod catch_up;
mod commands;
mod faults;
mod harness;
mod identity;
mod life;
mod machines;
mod neighbours;
mod once;
mod plans;
mod process;
mod purchase;
mod refunds;
mod storm;
mod unsure;
mod webhook;

/// The database of every [`harness::world::World`].
const DATABASE: harness::world::Kind = harness::world::Kind::Postgres;
