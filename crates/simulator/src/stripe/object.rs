//! Stripe's objects as they are when made, field by field.

pub(super) mod catalog;
pub(super) mod checkout;
pub(super) mod invoice;
pub(super) mod payment;
pub(super) mod subscription;
