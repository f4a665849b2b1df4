//! The closed set of billing systems that are followed.
//!
//! The rest of the program meets a vendor here and nowhere else. A [`source::Source`] reads accounts with a key, a
//! [`receiver::Receiver`] takes in webhooks with a secret; the two are apart, since a process may have only one of them.
//! Both answer in the words of `entitlement`. A vendor is a variant of each enum in this room, and none has an arm for
//! "any other": a new variant is a list of compiler errors, which is the list of what is to be written.

pub mod feed;
pub mod kind;
pub mod receiver;
pub mod source;
pub mod sources;
