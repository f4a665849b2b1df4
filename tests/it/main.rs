//! The real program over real HTTP, between a Stripe and an Adapty of our own.

mod faults;
mod graph;
mod harness;
mod identity;
mod life;
mod neighbours;
mod once;
mod plans;
mod process;
mod purchase;
mod refunds;
mod unsure;
mod webhook;
