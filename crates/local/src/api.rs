//! The admin API of the installation that a command works on: of one that is reached over HTTP (`--url`, `--key`), or of the one
//! whose table this process can open. Commands see no difference: both answer the same.

mod remote;

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, header};
use futures::FutureExt;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tandem_app::admin::Admin;
use tandem_app::config::Environment;
use tandem_app::in_process::InProcess;
use tandem_core::domain::scope::{Scope, TenantId};

use crate::failure::CommandError;
use crate::installation::Installation;
use remote::Remote;

/// Where a command works, as its options and the environment say.
pub struct Target<'a> {
    /// The folder of the local installation.
    pub data_dir: &'a Path,
    /// The variables of this process.
    pub environment: &'a Environment,
    /// The installation that is called over HTTP, if one is named.
    pub url: Option<&'a str>,
    /// The key that it is called with.
    pub key: Option<&'a str>,
    /// The integration that is meant, where the tenant has several.
    pub integration: Option<&'a str>,
}

/// The admin API of an installation.
pub struct Api {
    installation: Reached,
    integration: Option<String>,
}

enum Reached {
    /// The one whose table this process has open; its parts must outlive the calls.
    Here(Box<(InProcess, Installation)>),
    /// One that answers over HTTP.
    There(Remote),
}

impl Target<'_> {
    /// The API of the installation, as one tenant sees it: a key has a tenant, so that only the local one has to be told.
    pub async fn api(&self, tenant: &TenantId) -> Result<Api, CommandError> {
        let installation = match self.url {
            Some(url) => Reached::There(Remote::new(url, self.key, tenant)?),
            None => {
                let installation = Installation::open(self.data_dir, self.environment).await?;
                // Of a tenant that is not there, nothing must look empty.
                Admin::new(&installation.foundation.table).tenant(tenant).await?;
                let process = InProcess::new(&installation.foundation, tenant)?;
                Reached::Here(Box::new((process, installation)))
            }
        };
        Ok(Api { installation, integration: self.integration.map(str::to_owned) })
    }

    /// That the command works here alone.
    pub fn must_be_here(&self, command: &str) -> Result<(), CommandError> {
        if self.url.is_some() {
            return Err(CommandError::Undone(format!(
                "the command {command} works on the installation of this machine or of these AWS credentials, and not over HTTP: \
                 leave out --url and TANDEM_URL"
            )));
        }
        // What is done on another integration than the one that was named would be found out too late.
        let known = Scope::default_mautic().integration.to_string();
        match self.integration.filter(|wanted| *wanted != known) {
            None => Ok(()),
            Some(wanted) => Err(CommandError::Undone(format!(
                "the command {command} works with the integration that environment variables set up, and not with \"{wanted}\": \
                 leave out --integration"
            ))),
        }
    }
}

/// A call: its path in parts, which may hold anything, and what goes with it.
pub struct Ask<'a> {
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'a str, String)>,
    body: Option<Value>,
    seen: Option<u64>,
}

impl<'a> Ask<'a> {
    fn new(method: Method, path: &[&'a str]) -> Self {
        Self { method, path: path.to_vec(), query: Vec::new(), body: None, seen: None }
    }

    /// A look at what is under `/api/v1` and this path.
    pub fn get(path: &[&'a str]) -> Self {
        Self::new(Method::GET, &[&["api", "v1"], path].concat())
    }

    /// A deed there.
    pub fn post(path: &[&'a str], body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, &[&["api", "v1"], path].concat()) }
    }

    /// A change of what is there.
    pub fn patch(path: &[&'a str], body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::PATCH, &[&["api", "v1"], path].concat()) }
    }

    /// What is to be there in its place.
    pub fn put(path: &[&'a str], body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::PUT, &[&["api", "v1"], path].concat()) }
    }

    /// The same, if what is there is at this revision still.
    pub fn only_at(self, seen: Option<u64>) -> Self {
        Self { seen, ..self }
    }

    /// The end of what is there.
    pub fn delete(path: &[&'a str]) -> Self {
        Self::new(Method::DELETE, &[&["api", "v1"], path].concat())
    }

    /// An action of `POST /mautic-sync`.
    pub fn action(body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, &["mautic-sync"]) }
    }

    /// The same with a parameter, if there is one.
    pub fn with(mut self, name: &'a str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// The address of the call at an installation.
    fn at(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&self.path);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(self.query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        url
    }
}

/// An answer that is no good one.
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The code for programs.
    pub code: String,
    /// The sentence for people, with the fields that are to blame.
    pub message: String,
    /// How long to wait before the next call, if the answer says so.
    pub retry_after: Option<Duration>,
}

/// What came back.
struct Answered {
    status: u16,
    body: Value,
    retry_after: Option<Duration>,
}

impl Api {
    /// Makes a call; gives its data.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Value, CommandError> {
        let asked = self.try_ask(&ask).await?;
        asked.map_err(|refusal| self.told(&refusal))
    }

    /// The same, as what it is known to be.
    pub async fn ask_as<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, CommandError> {
        self.read(self.ask(ask).await?)
    }

    /// The same, where there may be no such thing.
    pub async fn find(&self, ask: Ask<'_>) -> Result<Option<Value>, CommandError> {
        self.find_unless(ask, "not_found").await
    }

    /// The same, where there may be nothing left to do either, as this code says.
    pub async fn find_unless(&self, ask: Ask<'_>, code: &str) -> Result<Option<Value>, CommandError> {
        match self.try_ask(&ask).await? {
            Ok(data) => Ok(Some(data)),
            Err(refusal) if ["not_found", code].contains(&&*refusal.code) => Ok(None),
            Err(refusal) => Err(self.told(&refusal)),
        }
    }

    /// All entries of a list, page by page, at most `limit`.
    pub async fn all<'a>(
        &self,
        name: &str,
        limit: usize,
        ask: impl Fn() -> Ask<'a>,
    ) -> Result<Vec<Value>, CommandError> {
        let (mut entries, mut after) = (Vec::new(), None::<String>);
        while entries.len() < limit {
            let size = (limit - entries.len()).min(PAGE);
            let mut page = self.ask(ask().with("limit", Some(size)).with("after", after.take())).await?;
            if let Some(Value::Array(some)) = page.get_mut(name).map(Value::take) {
                entries.extend(some);
            }
            match page["next"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => break,
            }
        }
        Ok(entries)
    }

    /// The same, as what they are known to be.
    pub async fn all_as<'a, T: DeserializeOwned>(
        &self,
        name: &str,
        limit: usize,
        ask: impl Fn() -> Ask<'a>,
    ) -> Result<Vec<T>, CommandError> {
        self.read(Value::Array(self.all(name, limit, ask).await?))
    }

    /// How many messages of the local queue were no jobs; `None` where there is no local queue.
    pub async fn buried(&self) -> Result<Option<u64>, CommandError> {
        let Reached::Here(here) = &self.installation else { return Ok(None) };
        match &here.1.local_queue {
            Some(queue) => Ok(Some(queue.counts().await?.buried)),
            None => Ok(None),
        }
    }

    /// A value as what it is known to be.
    pub fn read<T: DeserializeOwned>(&self, data: Value) -> Result<T, CommandError> {
        serde_json::from_value(data).map_err(|_| {
            CommandError::Undone(format!(
                "{} answered something that this command can't read: is it of another release?",
                self.name()
            ))
        })
    }

    async fn try_ask(&self, ask: &Ask<'_>) -> Result<Result<Value, Refusal>, CommandError> {
        let answered = match &self.installation {
            Reached::There(remote) => remote.call(ask, self.integration.as_deref()).boxed_local().await?,
            Reached::Here(here) => self.call_here(&here.0, ask).boxed_local().await?,
        };
        Ok(answer_of(answered))
    }

    async fn call_here(&self, process: &InProcess, ask: &Ask<'_>) -> Result<Answered, CommandError> {
        let unusable = |_| CommandError::Undone("the call can't be written as a request".to_owned());
        let base = Url::parse("http://tandem.invalid/").map_err(|_| CommandError::Undone(String::new()))?;
        let url = ask.at(&base);
        let address = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let mut request = Request::builder().method(ask.method.clone()).uri(address);
        if let Some(integration) = &self.integration {
            request = request.header(INTEGRATION, named(integration)?);
        }
        if let Some(seen) = ask.seen {
            request = request.header(header::IF_MATCH, format!("\"{seen}\""));
        }
        let request = match &ask.body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let (status, body) = process.call(request.map_err(unusable)?).await?;
        Ok(Answered { status: status.as_u16(), body, retry_after: None })
    }

    fn name(&self) -> String {
        match &self.installation {
            Reached::There(remote) => remote.name().to_owned(),
            Reached::Here(_) => "the installation".to_owned(),
        }
    }

    fn told(&self, refusal: &Refusal) -> CommandError {
        match &self.installation {
            Reached::There(remote) => remote.told(refusal),
            Reached::Here(_) => CommandError::Undone(refusal.message.clone()),
        }
    }
}

/// The header that names an integration.
const INTEGRATION: &str = "tandem-integration";

/// The name of an integration as a header's value.
fn named(integration: &str) -> Result<HeaderValue, CommandError> {
    let value = HeaderValue::from_bytes(integration.as_bytes());
    value.map_err(|_| CommandError::Undone("--integration: no integration has this name".to_owned()))
}

/// The most entries that a page of any list has.
const PAGE: usize = 200;

/// The data of a good answer, or why it is none.
fn answer_of(Answered { status, mut body, retry_after }: Answered) -> Result<Value, Refusal> {
    if body["ok"] == Value::Bool(true) {
        return Ok(body["data"].take());
    }
    let error = &body["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let details: Vec<String> = error["details"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|issue| Some(format!("{}: {}", issue["field"].as_str()?, issue["message"].as_str()?)))
        .collect();
    let code = text("code");
    // Where fields are to blame for more than themselves, the sentence says what became of the whole.
    let is_of_fields = code == "invalid_request" && !details.is_empty();
    let message = if is_of_fields { details.join("; ") } else { text("message") };
    Err(Refusal { status, code, message, retry_after })
}
