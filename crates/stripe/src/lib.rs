//! Speaks Stripe: signature, envelope, reading billing.
//!
//! A webhook is verified ([`signature`]) and only named ([`envelope`]); which account it concerns may have to be looked up
//! ([`resolve`]), and what is billed to that is read back from the API ([`reading`]). Requests are built with async-stripe's
//! request types and its pinned API version; answers are read into small lenient structs, because a customer's objects may
//! be older or newer than any pinned version. Nothing here decides who is entitled to what, and nothing here writes to
//! Stripe.

pub mod account;
pub mod api;
pub mod check;
pub mod client;
pub mod envelope;
pub mod events;
pub mod facts;
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
mod invoice;
mod invoice_payment;
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
