//! An Adapty that answers by a script.

use std::time::Duration;

use ::test_server::reply::Reply as Answer;
use ::test_server::server::TestServer;
use serde_json::json;
use wire::client::Client;
use wire::upstream::Upstream;

use crate::adapty::{Adapty, Api};
use crate::setup::setup;

/// Status and body of an answer.
pub(crate) type Reply = (u16, String);

pub(crate) struct Server(TestServer);

impl Server {
    /// Answers one request with each reply, and all further ones with the last.
    pub(crate) async fn start(script: Vec<Reply>) -> Self {
        let script = script.into_iter().map(|(status, body)| Answer::status(status, body)).collect();
        Self(TestServer::scripted(script).await.unwrap())
    }

    /// The client of an app at this server.
    pub(crate) fn adapty(&self, api: Api) -> Adapty {
        let setup = setup("adapty", self.0.base.clone(), "secret_live_abc.def", 0, Duration::from_secs(5));
        Adapty::new(Upstream::new(&Client::new().unwrap(), setup).unwrap(), api)
    }

    /// The requests so far, as they came over the wire.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.0.requests()
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
