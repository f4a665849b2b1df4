//! The sandbox as its users see it: over HTTP.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]

mod adapty;
mod adapty_v2;
mod faults;
mod stripe;
mod webhooks;

use reqwest::Client;
use sandbox::sandbox::Sandbox;
use serde_json::Value;

/// A sandbox, and a client for it.
struct Bench {
    sandbox: Sandbox,
    client: Client,
}

impl Bench {
    async fn new() -> Bench {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Bench { sandbox: Sandbox::start().await.unwrap(), client: Client::new() }
    }

    /// GET from the Stripe, below `/v1`.
    async fn stripe(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}/v1{path}", self.sandbox.stripe.url()));
        read(request.bearer_auth("sk_test_sandbox").send().await.unwrap()).await
    }

    /// A request to the Adapty, below `/api/v1/sdk`.
    fn adapty(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1/sdk{path}", self.sandbox.adapty.url());
        let request = self.client.request(method.parse().unwrap(), url);
        let request = request.header("authorization", "Api-Key secret_live_sandbox.key");
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    async fn adapty_answer(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        read(self.adapty(method, path, body).send().await.unwrap()).await
    }
}

async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}
