//! One account, start to end: gather, decide, carry out.

pub mod backfill;
pub mod books;
pub mod carry;
pub mod examine;
pub mod findings;
pub mod gather;
pub mod inspect;
pub mod look;
pub mod recent;
pub mod round;
pub mod serve;
mod telling;
pub mod witness;
