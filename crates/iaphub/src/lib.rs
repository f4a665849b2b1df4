//! Speaks IAPHUB, which is only read: a witness of what the app's stores sold.
//!
//! Source: IAPHUB's page "API - Get user". No vendor type leaves this room.

pub mod iaphub;
mod read;
pub mod setup;
