//! Speaks Stripe: signature, envelope, reading billing.
//!
//! A webhook is verified ([`signature`]), named ([`envelope`]) and forgotten; whom it concerns may have to be asked
//! ([`resolve`]), and what they are billed is read back from the API ([`reader`]). Requests are built with
//! async-stripe's request types and its pinned API version; answers are read into small lenient structs, because a
//! customer's objects may be older or newer than any pinned version. Nothing here decides what a customer is owed, and
//! nothing here writes to Stripe.

pub mod account;
pub mod api;
pub mod check;
pub mod client;
pub mod envelope;
pub mod events;
pub mod identity;
pub mod links;
pub mod listing;
pub mod reading;
pub mod resolve;
pub mod signature;
pub mod webhook;

mod charge;
mod checkout;
mod customer;
mod discount;
pub mod facts;
mod invoice;
mod kind;
mod lenient;
mod line;
mod partial;
mod shape;
mod subscription;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod test_server;
