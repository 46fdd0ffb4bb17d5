//! A caller of Tandem's HTTP functions.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::deliveries::Delivery;

/// Calls one installation with one key.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Client,
    url: String,
    key: String,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers that tests look at.
    pub retry_after: Option<u64>,
    /// The correlation id that came back.
    pub correlation_id: Option<String>,
    /// The body; `Null` when it was no JSON.
    pub body: Value,
}

impl Answer {
    /// The data of a good answer.
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// The contact's id.
    #[must_use]
    pub fn contact_id(&self) -> Option<&str> {
        self.data()["contactId"].as_str()
    }

    /// The code of an error.
    #[must_use]
    pub fn error_code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// The fields that an answer complains about, with the codes: `contact.email:invalid`.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let lists = [&self.body["error"]["details"], &self.body["data"]["fieldIssues"]];
        let issues = lists.into_iter().filter_map(Value::as_array).flatten();
        issues
            .map(|issue| {
                format!("{}:{}", issue["field"].as_str().unwrap_or("?"), issue["code"].as_str().unwrap_or("?"))
            })
            .collect()
    }

    /// Whether the write was done or is on the queue.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.status == 200 || self.status == 202
    }
}

impl Caller {
    /// A caller of the installation at `url`.
    #[must_use]
    pub fn new(url: &str, key: &str) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(60)).no_proxy().build();
        Self { client: client.expect("an HTTP client"), url: url.to_owned(), key: key.to_owned() }
    }

    /// The same installation, called with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// The same key, at another installation or instance.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// `POST /mautic-sync` with a JSON body.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn call(&self, body: &Value) -> Result<Answer, reqwest::Error> {
        self.send(self.request().json(body)).await
    }

    /// Brings a contact with these fields to Mautic.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn upsert(&self, payload: Value) -> Result<Answer, reqwest::Error> {
        self.call(&json!({"action": "upsert_contact", "payload": payload})).await
    }

    /// A request of `POST /mautic-sync`, to be completed and given to [`Caller::send`].
    pub fn request(&self) -> RequestBuilder {
        self.client.post(format!("{}/mautic-sync", self.url)).bearer_auth(&self.key)
    }

    /// A request of any method and path, without a key.
    pub fn bare(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request of any method and path, with the caller's key.
    pub fn keyed(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.key)
    }

    /// `POST /mautic-webhook` with a delivery.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<Answer, reqwest::Error> {
        let request = self.bare(reqwest::Method::POST, "/mautic-webhook");
        let request =
            request.header("Webhook-Signature", &delivery.signature).header("Content-Type", "application/json");
        self.send(request.body(delivery.body.clone())).await
    }

    /// Where the installation serves.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let answer = request.send().await?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (status, retry_after, correlation_id) =
            (answer.status(), header("retry-after"), header("x-correlation-id"));
        let text = answer.text().await?;
        Ok(Answer {
            status: StatusCode::as_u16(&status),
            retry_after: retry_after.and_then(|text| text.parse().ok()),
            correlation_id,
            body: serde_json::from_str(&text).unwrap_or_default(),
        })
    }

    /// Waits until the installation answers its health check; at most ten seconds.
    pub async fn until_ready(&self) -> bool {
        for _ in 0..200 {
            let health = self.send(self.bare(reqwest::Method::GET, "/health")).await;
            if health.is_ok_and(|answer| answer.status == 200) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }
}
