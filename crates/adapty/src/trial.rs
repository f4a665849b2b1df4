//! A server that answers by a script and keeps what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Status and body of an answer.
pub(crate) type Reply = (u16, String);

pub(crate) struct Server {
    pub(crate) base: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers one request with each reply, and all further ones with the last.
    pub(crate) async fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &script, &book).await;
            }
        });
        Self { base, seen }
    }

    /// The requests so far, as they came over the wire.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Method, path and body of the requests so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        let brief = |text: &String| {
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let line = head.split_once(" HTTP/1.1").unwrap().0;
            format!("{line} {body}").trim_end().to_owned()
        };
        self.seen().iter().map(brief).collect()
    }
}

async fn serve(mut stream: TcpStream, script: &[Reply], seen: &Mutex<Vec<String>>) {
    let Some(request) = read(&mut stream).await else { return };
    let turn = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    let (status, body) = &script[turn.min(script.len() - 1)];
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let _ = stream.write_all(text.as_bytes()).await;
}

/// One request, head and body.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let (mut whole, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&whole).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        whole.extend_from_slice(&piece[..count]);
    }
}
