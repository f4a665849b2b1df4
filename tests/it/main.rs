//! The real program over real HTTP, between our own Stripe and Adapty, on SQLite.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]

mod access_only_api;
mod adapty_failures;
mod admin_api;
mod attributes;
mod backfill;
mod catch_up;
mod changed_api;
mod check;
mod commands;
mod crash_between_requests;
mod crate_graph;
mod elsewhere;
mod event_disorder;
mod events;
mod explain;
mod fuzz;
mod golden;
mod harness;
mod iaphub_reads;
mod iaphub_writes;
mod identity;
mod liveness;
mod module_graph;
mod one_time_purchases;
mod other_stores;
mod outages;
mod overload;
mod overrides;
mod process;
mod purchase;
mod reconciliation;
mod refunds;
mod retention;
mod second_api;
mod several_apps;
mod slow_clients;
mod sqlite_file;
mod status;
mod stripe_failures;
mod subscription_changes;
mod subscription_life;
mod terminal;
mod unread_output;
mod upgrade;
mod upstream_proxy;
mod webhook;

/// The database of every [`harness::world::World`].
const DATABASE: harness::world::Kind = harness::world::Kind::Sqlite;

/// How it speaks to Adapty.
const API: harness::world::Api = harness::world::Api::V1;
