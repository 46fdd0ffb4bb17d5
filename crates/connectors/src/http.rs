//! The one HTTP client of all connectors: bounded in time and size, counted, and silent about what it carries.
//!
//! Nothing of a request or an answer (address, query, header, body) gets into a failure or a `Debug` output.

mod failure;
mod target;
mod text;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use tandem_core::error::{Failure, FailureKind, Result};

pub use target::{Lookup, SystemLookup, is_public};
pub use text::Text;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a call may take from its start to the last byte of its answer.
const USUAL: Duration = Duration::from_secs(10);
/// The same for bulk calls: a batch of 200 contacts keeps Mautic busy for 6 to 9 seconds, a weak server for longer.
const BULK: Duration = Duration::from_secs(60);
/// The longest pause that an answer can ask for: budgets are counted by the hour.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(70);
/// The largest answer that is read. A batch of 200 contacts is answered with 1.4 MB.
const LARGEST: usize = 16 * 1024 * 1024;

/// The shared client. Cloning is cheap; connections are made, and TLS roots loaded, with the first call.
#[derive(Clone, Default)]
pub struct Http {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    client: OnceLock<Client>,
    /// How hosts are looked up that must be public; `None` when any may be called.
    public_only: Option<Arc<dyn Lookup>>,
    calls: AtomicU64,
    bytes: AtomicU64,
}

/// What a request carries.
pub enum Body {
    /// Nothing.
    Empty,
    /// JSON text.
    Json(Bytes),
    /// Form fields, URL-encoded.
    Form(String),
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Json(text) => text.len(),
            Self::Form(text) => text.len(),
        }
    }
}

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// 10 seconds.
    Usual,
    /// 60 seconds.
    Bulk,
    /// As long as a caller can wait, 10 seconds at most.
    Of(Duration),
}

/// One call to make.
pub struct Call {
    /// Who is called, for failures: `Mautic`.
    pub peer: &'static str,
    /// The method; all but GET count as writes.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// The `Authorization` header.
    pub authorization: Option<HeaderValue>,
    /// Headers besides it, and besides what the client sends by itself.
    pub headers: HeaderMap,
    /// What it carries.
    pub body: Body,
    /// How long it may take.
    pub patience: Patience,
}

/// An answer, read to its end.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Text,
    /// Whether the call was a write: then an answer that can't be read leaves its effect unknown.
    pub wrote: bool,
}

impl Http {
    /// A client for addresses that tenants enter: it connects to none that is not of the public Internet.
    #[must_use]
    pub fn public_only(lookup: Arc<dyn Lookup>) -> Self {
        Self { inner: Arc::new(Inner { public_only: Some(lookup), ..Inner::default() }) }
    }

    /// How many calls were made with this client and its clones, failed ones and token requests included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// How many bytes the bodies of calls and answers had.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inner.bytes.load(Ordering::Relaxed)
    }

    /// Makes a call and reads the answer, whatever its status. Redirects are not followed: a write must not be repeated
    /// elsewhere, and a token must not be carried to another host.
    ///
    /// # Errors
    /// `Unavailable` without a connection or an answer, `Timeout` after the call's patience, `Garbled` when the answer
    /// breaks off or is larger than 16 MiB. Writes that got as far as the connection have an unknown effect. `Misconfigured`
    /// when the address is one that this client must not call: then there was no connection.
    pub async fn send(&self, call: Call) -> Result<Answer> {
        if self.inner.public_only.is_some() {
            target::check_literal(&call.url)?;
        }
        self.inner.calls.fetch_add(1, Ordering::Relaxed);
        let (peer, wrote) = (call.peer, call.method != Method::GET);
        let sent = call.body.len();
        let response = prepared(self.client()?, call).send().await;
        let answer = read(response, wrote).await.map_err(|broken| failure::of_exchange(peer, wrote, &broken));
        let received = answer.as_ref().map_or(0, |answer| answer.body.len());
        self.inner.bytes.fetch_add((sent + received) as u64, Ordering::Relaxed);
        answer
    }

    fn client(&self) -> Result<&Client> {
        if let Some(client) = self.inner.client.get() {
            return Ok(client);
        }
        let builder = match &self.inner.public_only {
            Some(lookup) => Client::builder().dns_resolver(target::PublicOnly(Arc::clone(lookup))),
            None => Client::builder(),
        };
        let built = builder
            .user_agent(concat!("Tandem/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| Failure::new(FailureKind::Misconfigured, "The TLS roots of this machine can't be loaded."))?;
        Ok(self.inner.client.get_or_init(|| built))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Answer {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// When `Retry-After` says that another attempt makes sense: whole seconds or an HTTP date. Nothing that one answer says
    /// stops calls for longer than 70 minutes.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> Option<Timestamp> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let moment = match text.parse::<u32>() {
            Ok(seconds) => now + SignedDuration::from_secs(seconds.into()),
            Err(_) => jiff::fmt::rfc2822::parse(text).ok()?.timestamp(),
        };
        (moment > now).then(|| moment.min(now + LONGEST_PAUSE))
    }
}

fn prepared(client: &Client, call: Call) -> RequestBuilder {
    let patience = match call.patience {
        Patience::Usual => USUAL,
        Patience::Bulk => BULK,
        Patience::Of(time) => time.min(USUAL),
    };
    let mut request = client.request(call.method, call.url).timeout(patience);
    request = request.headers(call.headers).header(ACCEPT, "application/json");
    if let Some(authorization) = call.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    match call.body {
        Body::Empty => request,
        Body::Json(text) => request.header(CONTENT_TYPE, "application/json").body(text),
        Body::Form(text) => request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(text),
    }
}

async fn read(response: reqwest::Result<Response>, wrote: bool) -> Result<Answer, failure::Broken> {
    let mut response = response.map_err(failure::Broken::BeforeAnswer)?;
    let mut body = Text::default();
    while let Some(chunk) = response.chunk().await.map_err(failure::Broken::WithinAnswer)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(failure::Broken::TooLarge);
        }
        body.push(chunk);
    }
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    Ok(Answer { status, headers, body, wrote })
}
