//! What a request is answered with.

/// The answer to one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Status with further header lines, and the body.
    Answer(String, Vec<u8>),
    /// A body of this many bytes without an announced length.
    Endless(usize),
    /// The connection is reset after the request was read.
    Reset,
    /// The request is read, and nothing comes back.
    Silence,
}

impl Reply {
    /// An answer with this status, without further headers.
    #[must_use]
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::answer(&format!("{status} X"), body)
    }

    /// An answer whose head is a status line without its version, and further header lines:
    /// `503 Service Unavailable\r\nretry-after: 5`.
    #[must_use]
    pub fn answer(head: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer(head.to_owned(), body.into())
    }
}
