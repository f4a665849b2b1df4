//! Who is entitled to what, until when; and what that makes of the profile.

pub mod cached_profile;
pub mod coverage;
pub(crate) mod desired;
pub mod entitle;
pub mod level;
pub mod one_time;
pub mod other_stores;
pub mod overridden;
pub(crate) mod price_change;
pub mod reconcile;
pub mod running_invoice;
