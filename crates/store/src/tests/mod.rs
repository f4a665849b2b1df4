//! What a `Store` promises.
//!
//! They speak through the public API alone and take their store from `make::memory`: one suite, once on each database.
//! What only one of them can do stands in `sqlite.rs` and `postgres.rs`.

#![allow(clippy::duplicate_mod, reason = "the same behaviours on the other database")]

/// Which database a suite runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
    #[cfg_attr(not(feature = "slow-tests"), expect(dead_code, reason = "only the slow tests run on it"))]
    Postgres,
}

macro_rules! suite {
    ($name:ident, $kind:expr, $own:ident) => {
        #[path = "."]
        mod $name {
            const KIND: super::Kind = $kind;

            mod accounts;
            mod claims;
            mod gates;
            mod inbox;
            mod leases;
            mod ledger;
            mod ledger_reads;
            mod limits;
            mod links;
            mod make;
            mod migrated;
            mod overrides;
            mod parked;
            mod plans;
            mod retention;
            mod settling;
            mod task_leases;
            mod worklist;
            mod writer;
            mod $own;
        }
    };
}

suite!(on_sqlite, super::Kind::Sqlite, sqlite);
#[cfg(feature = "slow-tests")]
suite!(on_postgres, super::Kind::Postgres, postgres);
