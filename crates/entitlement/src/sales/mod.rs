//! What was sold and refunded, and what to report of it.

pub mod refund;
pub(crate) mod report;
pub(crate) mod reported;
pub mod sale_status;
pub mod transaction_ids;
