//! The simulator as its users see it: over HTTP.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]

mod adapty;
mod adapty_v2;
mod faults;
mod stripe;
mod stripe_money;
mod webhooks;

use reqwest::Client;
use serde_json::Value;
use simulator::simulator::Simulator;

/// A simulator, and a client for it.
struct Bench {
    simulator: Simulator,
    client: Client,
}

impl Bench {
    async fn new() -> Bench {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Bench { simulator: Simulator::start().await.unwrap(), client: Client::new() }
    }

    /// GET from the Stripe, below `/v1`.
    async fn stripe(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}/v1{path}", self.simulator.stripe.url()));
        read(request.bearer_auth("sk_test_sandbox").send().await.unwrap()).await
    }

    /// A request to the Adapty, below `/api/v1/sdk`.
    fn adapty(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1/sdk{path}", self.simulator.adapty.url());
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
