//! A small client, and a receiver of webhooks.

#![allow(dead_code, reason = "shared by several tests, each of which uses a part")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tandem_simulators::{MauticOptions, MauticSimulator, RunningMautic};

/// A running simulator and a token for it.
pub struct Fixture {
    pub mautic: RunningMautic,
    pub token: String,
    pub http: reqwest::Client,
}

pub fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl Fixture {
    pub async fn start(options: MauticOptions) -> Self {
        let mautic = MauticSimulator::start(options, any_port()).await.expect("it starts");
        let http = reqwest::Client::new();
        let mut fixture = Self { mautic, token: String::new(), http };
        fixture.token = fixture.fetch_token().await;
        fixture
    }

    pub async fn fetch_token(&self) -> String {
        let form = [("grant_type", "client_credentials"), ("client_id", "1_demo"), ("client_secret", "demo-secret")];
        let url = format!("{}/oauth/v2/token", self.mautic.base_url());
        let answer: Value =
            self.http.post(url).form(&form).send().await.expect("an answer").json().await.expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    pub async fn try_call(&self, method: Method, path: &str, body: Value) -> reqwest::Result<Response> {
        let url = format!("{}{path}", self.mautic.base_url());
        let request = self.http.request(method, url).bearer_auth(&self.token);
        if body.is_null() { request.send().await } else { request.json(&body).send().await }
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let answer = self.try_call(method, path, body).await.expect("an answer");
        (answer.status(), answer.json().await.expect("JSON"))
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, body).await
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, Value::Null).await.1
    }

    /// Makes a contact and gives its id.
    pub async fn create(&self, contact: Value) -> u64 {
        let (status, body) = self.post("/api/contacts/new", contact).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["contact"]["id"].as_u64().expect("an id")
    }

    /// The field of a contact as a fresh GET shows it.
    pub async fn field(&self, id: u64, alias: &str) -> Value {
        self.get(&format!("/api/contacts/{id}")).await["contact"]["fields"]["all"][alias].clone()
    }

    pub async fn make_field(&self, alias: &str, kind: &str) {
        let (status, body) =
            self.post("/api/fields/contact/new", json!({"label": alias, "alias": alias, "type": kind})).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
    }

    pub async fn make_hook(&self, receiver: &Receiver, triggers: &[&str]) -> u64 {
        let hook = json!({"name": "Hub", "webhookUrl": receiver.url, "secret": "s3cret", "triggers": triggers});
        self.post("/api/hooks/new", hook).await.1["hook"]["id"].as_u64().expect("an id")
    }
}

/// A server that keeps what is delivered to it.
pub struct Receiver {
    pub url: String,
    pub state: Arc<Received>,
}

pub struct Received {
    pub deliveries: Mutex<Vec<(HeaderMap, Vec<u8>)>>,
    pub answer: Mutex<StatusCode>,
}

impl Receiver {
    pub async fn start() -> Self {
        let state = Arc::new(Received { deliveries: Mutex::default(), answer: Mutex::new(StatusCode::OK) });
        let listener = tokio::net::TcpListener::bind(any_port()).await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let router = Router::new().route("/hook", post(receive)).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    pub fn answer_with(&self, status: StatusCode) {
        *self.state.answer.lock().expect("the lock") = status;
    }

    pub fn deliveries(&self) -> Vec<(HeaderMap, Vec<u8>)> {
        self.state.deliveries.lock().expect("the lock").clone()
    }

    /// The types of the events received, in their order.
    pub fn types(&self) -> Vec<String> {
        let bodies = self.deliveries().into_iter().map(|(_, body)| body);
        let documents = bodies.map(|body| serde_json::from_slice::<Value>(&body).expect("JSON"));
        documents
            .flat_map(|document| document.as_object().expect("an object").keys().cloned().collect::<Vec<_>>())
            .collect()
    }
}

async fn receive(State(state): State<Arc<Received>>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    state.deliveries.lock().expect("the lock").push((headers, body.to_vec()));
    (*state.answer.lock().expect("the lock"), "ok")
}
