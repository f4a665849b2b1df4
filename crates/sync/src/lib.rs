//! One account, start to end.
