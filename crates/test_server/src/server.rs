//! The server: one request a connection.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::reply::Reply;

type Answer = dyn Fn(usize, &str) -> Reply + Send + Sync;

/// A server that answers until the runtime of its test ends.
pub struct TestServer {
    /// `http://127.0.0.1:port`.
    pub base: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    /// Answers one request with each reply, and all further ones with the last.
    ///
    /// # Errors
    /// When no port is free.
    ///
    /// # Panics
    /// When the script is empty.
    pub async fn scripted(script: Vec<Reply>) -> io::Result<Self> {
        assert!(!script.is_empty(), "a script has a reply");
        Self::start(Arc::new(move |number, _| script[number.min(script.len() - 1)].clone())).await
    }

    /// Answers each request, head and body as they came over the wire, with what `answer` makes of it.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn answering(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        Self::start(Arc::new(move |_, request| answer(request))).await
    }

    async fn start(answer: Arc<Answer>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let requests = Arc::default();
        tokio::spawn(accept(listener, answer, Arc::clone(&requests)));
        Ok(Self { base, requests })
    }

    /// The requests so far, as they came over the wire.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TestServer").field("base", &self.base).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, answer: Arc<Answer>, requests: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&requests)));
    }
}

/// A client that goes away early is no matter of the server's.
async fn serve(mut stream: TcpStream, answer: Arc<Answer>, requests: Arc<Mutex<Vec<String>>>) {
    let Some(request) = read(&mut stream).await else { return };
    let number = {
        let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request.clone());
        requests.len() - 1
    };
    match answer(number, &request) {
        Reply::Answer(head, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        }
        Reply::Endless(size) => write_endless(&mut stream, size).await,
        Reply::Reset => drop(stream.set_zero_linger()),
        Reply::Silence => std::future::pending().await,
    }
}

async fn write_endless(stream: &mut TcpStream, size: usize) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
    let piece = [b'x'; 65_536];
    for _ in 0..size / piece.len() {
        if stream.write_all(&piece).await.is_err() {
            return;
        }
    }
}

/// One request, head and body; `None` when the connection ends before.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let (mut whole, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&whole).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            return Some(text);
        }
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        whole.extend_from_slice(&piece[..count]);
    }
}

fn content_length(head: &str) -> usize {
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}
