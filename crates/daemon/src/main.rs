//! The program `grantsync`.
fn main() {}
