//! The real program over real HTTP, between a Stripe and an Adapty of our own.

mod harness;
mod purchase;
