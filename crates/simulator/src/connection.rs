//! TCP connections that can be cut in the middle of an answer.
//!
//! An HTTP handler cannot leave a request without an answer; the socket under it can. So each accepted
//! stream carries a `Wire`, and the handler reaches it through axum's connection info.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// What the next writes on a connection may do.
#[derive(Debug, Clone, Copy, Default)]
enum Passage {
    /// Everything passes.
    #[default]
    Open,
    /// The head of the answer passes, and this many bytes of its body.
    Body(usize),
    /// This many bytes pass, then nothing.
    Bytes(usize),
}

/// The switch of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Passage>>);

impl Wire {
    /// Lets no byte of the coming answer out.
    pub(crate) fn cut(&self) {
        self.set(Passage::Bytes(0));
    }

    /// Lets the head of the coming answer out, and `bytes` of its body.
    pub(crate) fn cut_after_body(&self, bytes: usize) {
        self.set(Passage::Body(bytes));
    }

    fn set(&self, passage: Passage) {
        *self.0.lock().expect("no holder of a passage panics") = passage;
    }

    /// How many bytes of `buffer` may be written now; `None` for all of them.
    fn allowed(&self, buffer: &[u8]) -> Option<usize> {
        let mut passage = self.0.lock().expect("no holder of a passage panics");
        if let Passage::Body(bytes) = *passage {
            let head = buffer.windows(4).position(|four| four == b"\r\n\r\n");
            *passage = Passage::Bytes(head.map_or(buffer.len(), |at| at + 4 + bytes));
        }
        match *passage {
            Passage::Bytes(left) => Some(left),
            Passage::Open | Passage::Body(_) => None,
        }
    }

    fn spend(&self, written: usize) {
        let mut passage = self.0.lock().expect("no holder of a passage panics");
        if let Passage::Bytes(left) = &mut *passage {
            *left = left.saturating_sub(written);
        }
    }
}

/// A TCP stream with a switch.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    wire: Wire,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let passing = match self.wire.allowed(buffer) {
            None => buffer,
            Some(0) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Some(left) => &buffer[..left.min(buffer.len())],
        };
        let wrote = Pin::new(&mut self.stream).poll_write(context, passing);
        if let Poll::Ready(Ok(count)) = &wrote {
            self.wire.spend(*count);
        }
        wrote
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A listener whose streams can be cut.
#[derive(Debug)]
pub(crate) struct Door(pub(crate) TcpListener);

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // A small answer must not wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let wire = Wire::default();
        (Line { stream, wire }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().wire.clone()
    }
}
