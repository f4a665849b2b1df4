//! The scenarios of `main.rs` on PostgreSQL, and its outages.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]

mod api;
mod backfill;
mod books;
mod catch_up;
mod checked;
mod commands;
mod events;
mod explain;
mod faults;
mod golden;
mod harness;
mod identity;
mod life;
mod neighbours;
mod once;
mod outages;
mod plans;
mod plug;
mod process;
mod purchase;
mod refunds;
mod retention;
mod rounds;
mod standing;
mod storm;
mod stuck;
mod unsure;
mod ways;
mod webhook;

/// The database of every [`harness::world::World`].
const DATABASE: harness::world::Kind = harness::world::Kind::Postgres;

/// How it speaks to Adapty.
const API: harness::world::Api = harness::world::Api::V1;
