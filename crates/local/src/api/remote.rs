//! An installation that is called over HTTP. Whatever goes wrong is told with its address, what it answered, and what helps; the
//! key is told nowhere.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::{Method, header};
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tandem_app::system::SystemClock;
use tandem_connectors::http::{Body, Call, Http, Patience};
use tandem_core::domain::scope::TenantId;
use tandem_core::error::FailureKind;
use tandem_core::ports::Clock;

use super::{Answered, Ask, INTEGRATION, Refusal, named};
use crate::failure::CommandError;

/// An installation and the key to it.
pub struct Remote {
    http: Http,
    url: Url,
    /// Its address as people are told of it.
    name: String,
    authorization: HeaderValue,
}

impl Remote {
    /// The installation at an address. Its key is a tenant's, so that no other tenant can be asked for.
    pub fn new(url: &str, key: Option<&str>, tenant: &TenantId) -> Result<Self, CommandError> {
        // Of what is no such address nothing is told: there is no saying which part of it is a secret.
        let unreadable =
            || CommandError::Undone("--url: give an address such as https://tandem.example.com".to_owned());
        let parsed = Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let parsed = parsed.ok_or_else(unreadable)?;
        let name = shown(&parsed);
        let told = |what: &str| CommandError::Undone(format!("--url {name}: {what}"));
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(told("give the address without a user name and password: --key says who calls"));
        }
        if parsed.scheme() == "http" && !is_this_machine(&parsed) {
            return Err(told("the key would be sent in the clear: give an address that begins with https"));
        }
        if !tenant.is_default() {
            return Err(told(&format!(
                "a key belongs to one tenant: leave out --tenant, and give a key of {tenant} with --key"
            )));
        }
        let key = key.map(str::trim).filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| told("give a key with --key, or in TANDEM_API_KEY"))?;
        let authorization = HeaderValue::from_str(&format!("Bearer {key}"));
        let mut authorization = authorization.map_err(|_| told("the key holds characters that no key has"))?;
        authorization.set_sensitive(true);
        Ok(Self { http: Http::default(), url: parsed, name, authorization })
    }

    /// Where it is, as people are told.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a call.
    pub(super) async fn call(&self, ask: &Ask<'_>, integration: Option<&str>) -> Result<Answered, CommandError> {
        let mut headers = HeaderMap::new();
        if let Some(name) = integration {
            headers.insert(HeaderName::from_static(INTEGRATION), named(name)?);
        }
        if let Some(tag) = ask.seen.and_then(|seen| HeaderValue::from_str(&format!("\"{seen}\"")).ok()) {
            headers.insert(header::IF_MATCH, tag);
        }
        let call = Call {
            peer: "Tandem",
            method: ask.method.clone(),
            url: ask.at(&self.url),
            authorization: Some(self.authorization.clone()),
            headers,
            body: ask.body.as_ref().map_or(Body::Empty, |body| Body::Json(body.to_string().into())),
            patience: Patience::Bulk,
        };
        let answer = self.http.send(call).await.map_err(|failure| {
            let cure = match failure.kind {
                FailureKind::Timeout if ask.method != Method::GET => {
                    "It may have been done all the same: look before you do it again."
                }
                FailureKind::Timeout => "Try again; if it stays so, look at the installation's logs.",
                _ => "Is the address right, and does the installation run?",
            };
            let message = format!("{}: {failure} {cure}", self.name);
            CommandError::Busy { message, retry_after: None }
        })?;
        let status = answer.status;
        let now = SystemClock.now();
        let wait = |moment: Timestamp| Duration::try_from(moment.duration_since(now)).ok();
        let retry_after = answer.retry_after(now).and_then(wait);
        let body = answer.body.into_json::<Value>().unwrap_or_default();
        if !body["ok"].is_boolean() {
            return Err(self.no_tandem(status, retry_after));
        }
        Ok(Answered { status, body, retry_after })
    }

    /// Something answers that is no Tandem, or the gateway in front of one.
    fn no_tandem(&self, status: u16, retry_after: Option<Duration>) -> CommandError {
        let url = &self.name;
        let message = match status {
            429 => format!("{url} answered 429: too many calls at once. Try again in a moment."),
            502..=504 => {
                format!("{url} answered {status}: the installation is not up just now. Try again in a moment.")
            }
            _ => {
                return CommandError::Undone(format!(
                    "{url} answered {status}, and not as a Tandem does: give the address of the installation, which is the output \
                     ApiUrl of its stack or what `tandem dev` prints"
                ));
            }
        };
        CommandError::Busy { message, retry_after }
    }

    /// A refusal with what helps.
    pub fn told(&self, refusal: &Refusal) -> CommandError {
        let Refusal { status, code, message, retry_after } = refusal;
        let cure = match (status, code.as_str()) {
            (401, _) => ": is the key of this installation, and neither expired nor revoked? Give another with --key.",
            (403, "forbidden") => {
                ": give a key whose role is operator, or admin for what concerns all tenants (`tandem keys create`)."
            }
            (404, "no_such_path") => ": this installation is of an older release, or the address has a path too many.",
            (429 | 503, _) => ": try again in a moment.",
            _ => "",
        };
        let message = format!("{} answered {status}: {message}{cure}", self.name);
        match status {
            429 | 503 => CommandError::Busy { message, retry_after: *retry_after },
            _ => CommandError::Undone(message),
        }
    }
}

/// An address as people are told of it: without what may be a secret.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // An address that has no place for them has none.
    let _none = url.set_username("").and_then(|()| url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Whether an address leads to this machine, where nobody listens in between.
fn is_this_machine(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}
