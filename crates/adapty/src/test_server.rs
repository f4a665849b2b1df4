//! A server that answers by a script and keeps what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::client::Client;
use wire::upstream::Upstream;

use crate::adapty::{Adapty, Api};
use crate::setup::setup;

/// Status and body of an answer.
pub(crate) type Reply = (u16, String);

pub(crate) struct Server {
    base: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers one request with each reply, and all further ones with the last.
    pub(crate) async fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::default();
        tokio::spawn(serve(listener, script, Arc::clone(&requests)));
        Self { base, requests }
    }

    /// The client of an app at this server.
    pub(crate) fn adapty(&self, api: Api) -> Adapty {
        let setup = setup("adapty", self.base.clone(), "secret_live_abc.def", 0, Duration::from_secs(5));
        Adapty::new(Upstream::new(&Client::new().unwrap(), setup).unwrap(), api)
    }

    /// The requests so far, as they came over the wire.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Method, path and body of the requests so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.requests().iter().map(|request| call(request)).collect()
    }
}

fn call(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let line = head.split_once(" HTTP/1.1").unwrap().0;
    format!("{line} {body}").trim_end().to_owned()
}

/// An error answer of Adapty's; its words name a user.
pub(crate) fn refused(status: u16, code: &str) -> Reply {
    let error = json!({"source": null, "errors": ["ann@example.com is not known"]});
    (status, json!({"errors": [error], "error_code": code, "status_code": status}).to_string())
}

/// A success that is no profile.
pub(crate) fn unreadable() -> Reply {
    (200, "<html>".to_owned())
}

async fn serve(listener: TcpListener, script: Vec<Reply>, requests: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        answer(stream, &script, &requests).await;
    }
}

async fn answer(mut stream: TcpStream, script: &[Reply], requests: &Mutex<Vec<String>>) {
    let Some(request) = read(&mut stream).await else { return };
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request);
        requests.len() - 1
    };
    let (status, body) = &script[number.min(script.len() - 1)];
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
