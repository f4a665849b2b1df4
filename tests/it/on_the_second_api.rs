//! Lives, changes, refunds and disorder of `main.rs`, reported to Adapty's second API.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]
#![allow(dead_code, reason = "the harness is shared with programs that use more of it")]

mod event_disorder;
mod harness;
mod refunds;
mod subscription_changes;
mod subscription_life;

/// The database of every [`harness::world::World`].
const DATABASE: harness::world::Kind = harness::world::Kind::Sqlite;

/// How it speaks to Adapty.
const API: harness::world::Api = harness::world::Api::V2;
