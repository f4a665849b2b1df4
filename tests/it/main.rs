//! The real program over real HTTP, between our own Stripe and Adapty, on SQLite.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]

mod api;
mod apps;
mod backfill;
mod books;
mod catch_up;
mod check;
mod commands;
mod disk;
mod events;
mod explain;
mod faults;
mod fuzz;
mod golden;
mod graph;
mod greedy;
mod harness;
mod identity;
mod life;
mod neighbours;
mod once;
mod orders;
mod overload;
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
mod witness;

/// The database of every [`harness::world::World`].
const DATABASE: harness::world::Kind = harness::world::Kind::Sqlite;

/// How it speaks to Adapty.
const API: harness::world::Api = harness::world::Api::V1;
