//! Speaks IAPHUB: what the app's stores sold, and reports of sales.
//!
//! [`iaphub`] reads, from IAPHUB's page "API - Get user". [`write`] reports sales of the web, where a path for them is set:
//! that route is not public, so nothing of it was verified. No vendor type leaves this room.

pub mod iaphub;
mod purchase;
mod read;
#[cfg(test)]
mod sample;
pub mod setup;
pub mod write;
