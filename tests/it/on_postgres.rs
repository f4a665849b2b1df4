//! The scenarios of `main.rs` on PostgreSQL, and its outages.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]

mod access_only_api;
mod adapty_failures;
mod admin_api;
mod backfill;
mod catch_up;
mod changed_api;
mod check_postgres;
mod commands;
mod crash_between_requests;
mod event_disorder;
mod events;
mod explain;
mod golden;
mod harness;
mod iaphub_writes;
mod identity;
mod liveness;
mod one_time_purchases;
mod other_stores;
mod outages;
mod postgres_outages;
mod process;
mod purchase;
mod reconciliation;
mod refunds;
mod retention;
mod second_api;
mod status;
mod stripe_failures;
mod subscription_changes;
mod subscription_life;
mod webhook;

/// The database of every [`harness::world::World`].
const DATABASE: harness::world::Kind = harness::world::Kind::Postgres;

/// How it speaks to Adapty.
const API: harness::world::Api = harness::world::Api::V1;
