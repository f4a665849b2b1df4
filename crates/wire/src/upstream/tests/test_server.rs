//! An HTTP server that answers by a script and records the requests.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The answer to the next request.
#[derive(Clone)]
pub(super) enum Reply {
    /// Status with further header lines, and the body.
    Answer(&'static str, String),
    /// A body of this many bytes without an announced length.
    Endless(usize),
    /// The connection is reset after the request was read.
    Reset,
    /// The request is read, and nothing comes back.
    Silence,
}

pub(super) struct TestServer {
    pub(super) base: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    /// Answers one request with each reply, and all further ones with the last.
    pub(super) async fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone(), Arc::clone(&record)));
            }
        });
        Self { base, seen }
    }

    /// The requests so far, as they came over the wire.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, script: Vec<Reply>, seen: Arc<Mutex<Vec<String>>>) {
    let Some(request) = read(&mut stream).await else { return };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    match &script[number.min(script.len() - 1)] {
        Reply::Answer(head, body) => {
            let length = body.len();
            let text = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Reply::Endless(size) => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
            let piece = [b'x'; 65_536];
            for _ in 0..size / piece.len() {
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
            }
        }
        Reply::Reset => stream.set_zero_linger().unwrap(),
        Reply::Silence => std::future::pending().await,
    }
}

/// One request, head and body.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let (mut whole, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&whole).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.to_lowercase().lines().find_map(|line| Some(line.strip_prefix("content-length: ")?.to_owned()));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        whole.extend_from_slice(&piece[..count]);
    }
}
