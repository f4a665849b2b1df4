//! An HTTP server on loopback that answers as a test says, and keeps what it was asked.
//!
//! For the tests of the clients: what a vendor would say is in `simulator`.

pub mod reply;
pub mod server;
