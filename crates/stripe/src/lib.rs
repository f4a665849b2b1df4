//! Speaks Stripe: signature, envelope, reading billing.
//!
//! A webhook is verified ([`signature`]), named ([`envelope`]) and forgotten; what is billed is read back from the API
//! ([`reader`]). Requests are built with async-stripe's request types and its pinned API version; answers are read into
//! small lenient structs, because a customer's objects may be older or newer than any pinned version. Nothing here
//! decides what a customer is owed, and nothing here writes to Stripe.

pub mod envelope;
mod kind;
mod lenient;
pub mod signature;
