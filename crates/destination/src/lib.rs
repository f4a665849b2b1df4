//! The closed set of destinations: where access is granted and sales are reported.
//!
//! The rest of the program meets these vendors here and nowhere else. [`destination::Destination`] is written to, one
//! request a step; [`store_service::StoreService`] is only read. Both answer in the words of `entitlement`. A vendor is
//! a variant, and no arm stands for "any other": the compiler lists what a new one needs.

pub mod destination;
pub mod store_service;
