//! Takes in webhooks.
