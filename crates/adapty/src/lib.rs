//! Speaks Adapty: reading a profile, posting a step.
//!
//! [`adapty::Adapty`] is the whole of it for the other rooms. What differs between Adapty's API generations (paths,
//! bodies, codes) stands in one module each, [`v1`] and [`v2`]; what they answer is read by one lenient reader, [`read`],
//! that takes both generations' names.

pub mod adapty;
pub mod attributes;
pub mod date;
pub mod installation;
pub mod objects;
pub mod path;
pub mod read;
pub mod refusal;
pub mod setup;
pub mod v1;
pub mod v2;

mod posting;
mod report;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod trial;
