//! Speaks IAPHUB: a witness of what the app's stores sold, which is only read unless a path to write to is set.
//!
//! Source: IAPHUB's page "API - Get user". The route that takes transactions of the web is not public, so [`write`] is
//! unverified. No vendor type leaves this room.

pub mod iaphub;
mod read;
pub mod setup;
pub mod write;
