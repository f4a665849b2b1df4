//! Speaks Adapty: reading a profile, sending a step.
//!
//! [`adapty::Adapty`] is all that `destination` uses. What differs between Adapty's two APIs (paths, bodies,
//! codes) stands in one module each, [`v1`] and [`v2`]; their answers are read by one lenient reader, [`read`], that takes
//! the names of both.

pub mod adapty;
pub mod attributes;
pub mod date;
pub mod installation;
pub mod objects;
pub mod path;
pub mod read;
pub mod refusal;
pub mod sale_format;
pub mod setup;
pub mod v1;
pub mod v2;

mod request;
mod transaction;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod test_server;
