//! What was sold and refunded, and what to report of it.

pub(crate) mod allocation;
pub mod refund;
pub(crate) mod report;
pub(crate) mod reported;
pub mod sale_of;
pub mod sale_status;
