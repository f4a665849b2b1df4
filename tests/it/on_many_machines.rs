//! Many processes on one PostgreSQL: a test program of its own, since these tests measure time and use all there is.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]
#![expect(clippy::print_stdout, reason = "some tests print what they measured")]
#![allow(dead_code, reason = "the harness is shared with programs that use more of it")]

mod harness;
mod many_machines;

/// The database of every [`harness::world::World`].
const DATABASE: harness::world::Kind = harness::world::Kind::Postgres;

/// How it speaks to Adapty.
const API: harness::world::Api = harness::world::Api::V1;
