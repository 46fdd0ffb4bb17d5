//! The authorised call of PostgREST.

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::Clock;
use url::form_urlencoded::byte_serialize;

use super::errors::{self, Rejected};
use super::settings::Settings;
use crate::http::{Answer, Body, Call, Http, Patience};

const PEER: &str = "Supabase";
const API_KEY: HeaderName = HeaderName::from_static("apikey");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Calls one project.
pub(super) struct Client {
    http: Http,
    settings: Settings,
    headers: HeaderMap,
    clock: Arc<dyn Clock>,
    /// Whether PostgREST is at the root of the address; known after the first call that succeeded.
    plain: OnceLock<bool>,
}

/// A call about a table or view.
#[derive(Clone)]
pub(super) struct Request {
    method: Method,
    table: String,
    query: String,
    body: Option<Vec<u8>>,
    prefer: &'static str,
    patience: Patience,
}

impl Request {
    pub(super) fn get(table: &str) -> Self {
        Self::new(Method::GET, table)
    }

    pub(super) fn post(table: &str) -> Self {
        Self::new(Method::POST, table)
    }

    pub(super) fn patch(table: &str) -> Self {
        Self::new(Method::PATCH, table).preferring("return=minimal")
    }

    fn new(method: Method, table: &str) -> Self {
        let (query, patience) = (String::new(), Patience::Usual);
        Self { method, table: table.to_owned(), query, body: None, prefer: "", patience }
    }

    /// Adds a parameter or a filter; the value is encoded.
    pub(super) fn with(self, name: &str, value: impl AsRef<str>) -> Self {
        let value = encoded(value.as_ref());
        self.appending(name, &value)
    }

    /// Adds the condition that a column holds one of the values. Commas and parentheses are not encoded: a request line of
    /// more than 8 KB is refused by most gateways, and so 200 UUIDs make one of 7.5.
    pub(super) fn among<'a>(self, column: &str, values: impl Iterator<Item = &'a str>) -> Self {
        let list: Vec<String> = values.map(in_list).collect();
        self.appending(column, &format!("in.({})", list.join(",")))
    }

    fn appending(mut self, name: &str, value: &str) -> Self {
        let separator = if self.query.is_empty() { "" } else { "&" };
        // Writing into a text can't fail.
        let _ = write!(self.query, "{separator}{name}={value}");
        self
    }

    /// Sets the `Prefer` header.
    pub(super) fn preferring(mut self, prefer: &'static str) -> Self {
        self.prefer = prefer;
        self
    }

    /// Sets the JSON body.
    ///
    /// # Errors
    /// `Invalid` when the value is no JSON, which rows always are.
    pub(super) fn carrying(mut self, body: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_vec(body)
            .map_err(|_| Failure::new(FailureKind::Invalid, "The data can't be written as JSON."))?;
        self.body = Some(text);
        Ok(self)
    }

    /// Gives the call the patience that work on many rows needs.
    pub(super) fn in_bulk(mut self) -> Self {
        self.patience = Patience::Bulk;
        self
    }
}

impl Client {
    pub(super) fn new(settings: Settings, http: Http, clock: Arc<dyn Clock>) -> Result<Self> {
        let headers = headers(settings.key())
            .map_err(|_| Failure::new(FailureKind::Misconfigured, "Supabase's key can't be sent."))?;
        Ok(Self { http, settings, headers, clock, plain: OnceLock::new() })
    }

    /// Makes a call and reads its answer as `T`.
    pub(super) async fn read<T: DeserializeOwned>(&self, request: Request) -> Result<T, Rejected> {
        let answer = self.answer(&request).await?;
        Ok(errors::read(&answer)?)
    }

    /// Makes a call whose answer has nothing to tell.
    pub(super) async fn write(&self, request: Request) -> Result<(), Rejected> {
        self.answer(&request).await.map(drop)
    }

    async fn answer(&self, request: &Request) -> Result<Answer, Rejected> {
        let answer = self.send(request).await?;
        if request.method != Method::GET && errors::is_unknown_path(&answer) {
            self.see_that_it_is_there(&request.table).await?;
        }
        errors::check(&answer, &request.table, self.clock.now())?;
        Ok(answer)
    }

    /// PostgREST 12.0 answers a write of a table that is not there as it does one of a path that it does not know. A read
    /// tells them apart.
    async fn see_that_it_is_there(&self, table: &str) -> Result<(), Rejected> {
        let answer = self.send(&Request::get(table).with("limit", "0")).await?;
        errors::check(&answer, table, self.clock.now())
    }

    /// Finds PostgREST with the first call: a call of a path that is not there had no effect, and may be made elsewhere.
    async fn send(&self, request: &Request) -> Result<Answer> {
        if let Some(plain) = self.plain.get() {
            return self.send_to(request, *plain).await;
        }
        let answer = self.send_to(request, false).await?;
        if self.settings.has_path() || !errors::is_unknown_path(&answer) {
            return Ok(self.settled(answer, false));
        }
        let other = self.send_to(request, true).await?;
        Ok(if errors::is_unknown_path(&other) { answer } else { self.settled(other, true) })
    }

    /// Notes where PostgREST is when the answer proves it: errors may come from anything.
    fn settled(&self, answer: Answer, plain: bool) -> Answer {
        if (200..300).contains(&answer.status) {
            self.plain.get_or_init(|| plain);
        }
        answer
    }

    async fn send_to(&self, request: &Request, plain: bool) -> Result<Answer> {
        let mut url = self.settings.address(&request.table, plain);
        url.set_query((!request.query.is_empty()).then_some(request.query.as_str()));
        let mut headers = self.headers.clone();
        if !request.prefer.is_empty() {
            headers.insert(PREFER, HeaderValue::from_static(request.prefer));
        }
        let call = Call {
            peer: PEER,
            method: request.method.clone(),
            url,
            authorization: None,
            headers,
            body: request.body.clone().map_or(Body::Empty, |text| Body::Json(text.into())),
            patience: request.patience,
        };
        self.http.send(call).await
    }
}

/// A value within a logical condition or a list, where commas, dots and parentheses part values.
pub(super) fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// How many bytes a value takes in the list of [`Request::among`].
pub(super) fn length_in_list(value: &str) -> usize {
    in_list(value).len() + 1
}

fn in_list(value: &str) -> String {
    let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain { value.to_owned() } else { encoded(&quoted(value)) }
}

fn encoded(value: &str) -> String {
    byte_serialize(value.as_bytes()).collect()
}

/// The gateway of Supabase looks at `apikey`, PostgREST at the token.
fn headers(key: &str) -> Result<HeaderMap, InvalidHeaderValue> {
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text)?;
        value.set_sensitive(true);
        Ok(value)
    };
    Ok(HeaderMap::from_iter([(API_KEY, secret(key)?), (AUTHORIZATION, secret(&format!("Bearer {key}"))?)]))
}
