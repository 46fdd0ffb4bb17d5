//! The authorised call: token, budget, one re-authentication, and an answer turned into a value or a failure.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::{AccessToken, Clock};

use super::budget::{Budget, Priority};
use super::circuit::Circuit;
use super::settings::{Auth, Settings};
use super::spellings::Spellings;
use super::{errors, rights};
use crate::Ports;
use crate::http::{Answer, Body, Call, Http, Patience};
use crate::oauth::{TokenEndpoint, TokenSource};

/// Who is called, in failures.
pub(super) const PEER: &str = "Mautic";

/// Calls one Mautic, for somebody who waits or in the background.
pub(super) struct Client {
    shared: Arc<Shared>,
    priority: Priority,
    /// How long a call may take that is no bulk call.
    usual: Patience,
}

/// What all calls of one Mautic have in common.
struct Shared {
    http: Http,
    settings: Settings,
    identity: Identity,
    budget: Budget,
    circuit: Circuit,
    clock: Arc<dyn Clock>,
    spellings: Spellings,
}

/// How calls are signed.
enum Identity {
    Tokens(Box<TokenSource>),
    Basic(HeaderValue),
}

/// A call below `/api`.
pub(super) struct Request {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Bytes>,
    patience: Patience,
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into())
    }

    pub(super) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path.into())
    }

    pub(super) fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path.into())
    }

    pub(super) fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path.into())
    }

    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path.into())
    }

    fn new(method: Method, path: String) -> Self {
        Self { method, path, query: Vec::new(), body: None, patience: Patience::Usual }
    }

    /// Adds a query parameter; names and values are encoded (`+` in an address too).
    pub(super) fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    /// Adds the condition number `index` of a list call.
    pub(super) fn filtered(self, index: usize, column: &str, expression: &str, value: impl ToString) -> Self {
        self.with(format!("where[{index}][col]"), column)
            .with(format!("where[{index}][expr]"), expression)
            .with(format!("where[{index}][val]"), value)
    }

    /// Sets the JSON body.
    ///
    /// # Errors
    /// `Invalid` when the value is no JSON, which a map with text keys always is.
    pub(super) fn carrying(mut self, body: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_vec(body)
            .map_err(|_| Failure::new(FailureKind::Invalid, "The data can't be written as JSON."))?;
        self.body = Some(text.into());
        Ok(self)
    }

    /// What the call needs of Tandem's role.
    pub(super) fn right(&self) -> &'static str {
        rights::needed(&self.method, &self.path)
    }

    /// Gives the call the patience that work on many contacts needs.
    pub(super) fn in_bulk(mut self) -> Self {
        self.patience = Patience::Bulk;
        self
    }
}

impl Client {
    pub(super) fn new(settings: Settings, scope: &Scope, http: Http, ports: &Ports) -> Result<Self> {
        let identity = match settings.auth() {
            Auth::ClientCredentials { id, secret } => {
                let endpoint = TokenEndpoint {
                    peer: PEER,
                    http: http.clone(),
                    url: settings.address("oauth/v2/token"),
                    client_id: id.clone(),
                    client_secret: secret.clone(),
                    explain: errors::of_token,
                };
                Identity::Tokens(Box::new(TokenSource::new(endpoint, scope.clone(), ports)))
            }
            Auth::Basic { user, password } => Identity::Basic(basic(user, password)?),
        };
        let budget = Budget::new(scope.clone(), settings.calls(), ports);
        let circuit = Circuit::new(scope.clone(), ports);
        let (clock, spellings) = (Arc::clone(&ports.clock), Spellings::new(scope.clone(), ports));
        let shared = Shared { http, settings, identity, budget, circuit, clock, spellings };
        Ok(Self { shared: Arc::new(shared), priority: Priority::Interactive, usual: Patience::Usual })
    }

    /// The same, for calls that leave a share of the budget to others.
    pub(super) fn in_background(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), priority: Priority::Background, usual: self.usual }
    }

    /// The same, for callers who wait: a call that is no bulk call is given up after this time.
    pub(super) fn giving_up_after(&self, time: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), priority: self.priority, usual: Patience::Of(time) }
    }

    /// The time of the port.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    /// How this installation spells places.
    pub(super) fn spellings(&self) -> &Spellings {
        &self.shared.spellings
    }

    /// The installation's address.
    pub(super) fn base(&self) -> &Url {
        self.shared.settings.base()
    }

    /// The HTTP client.
    pub(super) fn http(&self) -> &Http {
        &self.shared.http
    }

    /// Fetches what the next call would have to wait for, and fails where it would not be made.
    pub(super) async fn ready(&self) -> Result<()> {
        self.shared.budget.look(self.priority).await?;
        match &self.shared.identity {
            Identity::Basic(_) => Ok(()),
            Identity::Tokens(tokens) => {
                let Shared { circuit, clock, .. } = &*self.shared;
                circuit.check()?;
                let begun = clock.now();
                let token = tokens.token().await;
                if token.as_ref().is_err_and(|failure| is_silence(failure.kind)) {
                    circuit.heard_nothing(clock.now().duration_since(begun)).await;
                }
                token.map(drop)
            }
        }
    }

    /// Makes a call and reads its answer as `T`.
    pub(super) async fn call<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let answer = self.answer(request).await?;
        errors::read(answer, self.shared.clock.now())
    }

    /// Makes a call; the answer's status is 2xx. For callers that need its headers or read it themselves.
    pub(super) async fn answer(&self, request: Request) -> Result<Answer> {
        let Shared { budget, circuit, identity, clock, .. } = &*self.shared;
        let turn = circuit.admit().await?;
        let admitted = budget.admit(self.priority).await?;
        let under_way = (request.patience == Patience::Usual).then(|| budget.pace.begin(clock.now()));
        let answered = match identity {
            Identity::Basic(header) => self.send(&request, header.clone()).await,
            Identity::Tokens(tokens) => self.send_with_token(&request, tokens).await,
        };
        if let Some(under_way) = under_way {
            under_way.answered(clock.now());
        }
        let answer = match answered {
            Ok(answer) => {
                turn.answered();
                answer
            }
            Err(failure) => {
                turn.failed().await;
                return Err(failure);
            }
        };
        budget.learn(&answer, self.priority, admitted).await?;
        if let Some(version) = answer.header("mautic-version") {
            self.shared.spellings.note_version(version);
        }
        errors::check(&answer, clock.now(), request.right())?;
        Ok(answer)
    }

    /// A token may end early (revoked, or Mautic was restored from a backup): 401 leads to one new token and one repeat,
    /// which is safe because Mautic looks at the token before it looks at the call (recording `007-contacts-bad-bearer`).
    async fn send_with_token(&self, request: &Request, tokens: &TokenSource) -> Result<Answer> {
        let token = tokens.token().await?;
        let answer = self.send(request, bearer(&token)?).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        tokens.invalidate(&token);
        let renewed = tokens.token().await?;
        self.send(request, bearer(&renewed)?).await
    }

    async fn send(&self, request: &Request, authorization: HeaderValue) -> Result<Answer> {
        let mut url = self.shared.settings.address(&format!("api/{}", request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let call = Call {
            peer: PEER,
            method: request.method.clone(),
            url,
            authorization: Some(authorization),
            headers: HeaderMap::new(),
            body: request.body.clone().map_or(Body::Empty, Body::Json),
            patience: match request.patience {
                Patience::Usual => self.usual,
                other => other,
            },
        };
        self.shared.http.send(call).await
    }
}

/// Whether a failure may mean that nothing was heard at all.
fn is_silence(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Timeout | FailureKind::Unavailable)
}

fn bearer(token: &AccessToken) -> Result<HeaderValue> {
    secret_header(&format!("Bearer {}", token.secret))
        .map_err(|_| Failure::new(FailureKind::Garbled, "Mautic gave out a token that no header can carry."))
}

fn basic(user: &str, password: &str) -> Result<HeaderValue> {
    let pair = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{user}:{password}"));
    secret_header(&format!("Basic {pair}"))
        .map_err(|_| Failure::new(FailureKind::Misconfigured, "Mautic's user or password can't be sent."))
}

fn secret_header(text: &str) -> Result<HeaderValue, reqwest::header::InvalidHeaderValue> {
    let mut header = HeaderValue::from_str(text)?;
    header.set_sensitive(true);
    Ok(header)
}
