//! Tokens and credentials.

use axum::{
    extract::State,
    http::{HeaderMap, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    answer::Answer,
    clock,
    input::{Payload, Query},
    php,
    rows::Token,
    simulator::MauticSimulator,
    version::MauticVersion,
};

const OFFLINE: &str = "The site is currently offline due to encountering an error. If the problem persists, please \
                       contact the system administrator. System administrators, check server logs for errors.";

/// The usual way of the API.
const SINGLE: Option<&str> = Some("lead:api-single");

/// Who makes a call, or causes a change; Mautic writes the name into what it changes.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    /// The user; API clients and visitors are none.
    pub(crate) id: Option<u64>,
    pub(crate) name: String,
    /// On which way of the API, as the audit log has it.
    pub(crate) way: Option<&'static str>,
}

impl Actor {
    /// A visitor, or the reader of a mail: an empty first name, a space, an empty last name (recordings
    /// `webhook-232` to `-235`).
    pub(crate) fn visitor() -> Self {
        Self { id: None, name: " ".into(), way: None }
    }

    pub(crate) fn is_visitor(&self) -> bool {
        self.name.trim().is_empty()
    }

    /// The same one, working in a batch.
    pub(crate) fn in_batch(self) -> Self {
        Self { way: Some("lead:api-batch"), ..self }
    }

    /// How the audit log names it: who is nobody there is the system (recording `225`).
    pub(crate) fn audited(&self) -> &str {
        if self.is_visitor() { "System" } else { &self.name }
    }
}

/// `POST /oauth/v2/token`.
pub(crate) async fn token(State(mautic): State<MauticSimulator>, query: Query, payload: Payload) -> Answer {
    mautic.inner.counts.token_request();
    if let Err(refusal) = check_switches(&mautic) {
        return refusal;
    }
    let mut params = query.0;
    params.extend(payload.params());
    let param = |key: &str| params.get(key).map(php::text).unwrap_or_default();

    if param("grant_type").is_empty() || param("client_id").is_empty() {
        let message = "Invalid grant_type parameter or parameter missing";
        return Answer::refused(400, message, json!("invalid_request"));
    }
    let options = &mautic.inner.options;
    let known = param("client_id") == options.client_id && param("client_secret") == options.client_secret;
    match param("grant_type").as_str() {
        "client_credentials" if known => issue(&mautic),
        "client_credentials" => Answer::refused(400, "The client credentials are invalid", json!("invalid_client")),
        _ => Answer::refused(400, "Invalid grant_type parameter or parameter missing", json!("invalid_request")),
    }
}

fn issue(mautic: &MauticSimulator) -> Answer {
    let lifetime = mautic.inner.options.token_lifetime;
    let token = mautic.write(|store| {
        let now = clock::now();
        let expires = now + jiff::SignedDuration::try_from(lifetime).unwrap_or(jiff::SignedDuration::from_hours(1));
        let token = token_text(store.tokens.next_id(), now.as_nanosecond());
        store.tokens.add(Token { token: token.clone(), expires });
        token
    });
    let body = json!({
        "access_token": token,
        "expires_in": lifetime.as_secs(),
        "token_type": "bearer",
        "scope": null,
    });
    Answer::ok(body).unversioned()
}

fn token_text(id: u64, nanoseconds: i128) -> String {
    hex::encode(Sha256::digest(format!("tandem simulator token {id} {nanoseconds}")))
}

/// Lets a call of the API through, or answers in its place.
pub(crate) fn check(mautic: &MauticSimulator, headers: &HeaderMap) -> Result<Actor, Answer> {
    check_switches(mautic)?;
    let switches = mautic.switches();
    let credentials = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match credentials.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => check_bearer(mautic, token),
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => check_basic(mautic, switches.basic, pair),
        _ => Err(Answer::refused(401, "API authorization denied.", json!("access_denied"))),
    }
}

/// Without a database nothing works (recordings `220`, `221`); without its API Mautic gives no tokens either (`228`, `229`).
fn check_switches(mautic: &MauticSimulator) -> Result<(), Answer> {
    let switches = mautic.switches();
    if !switches.database {
        return Err(Answer::refused(500, OFFLINE, Value::Null));
    }
    if !switches.api {
        let message = "API disabled. You need to enable the API in the API settings of Mautic's Configuration.";
        return Err(Answer::refused(403, message, json!("api_disabled")));
    }
    Ok(())
}

fn check_bearer(mautic: &MauticSimulator, token: &str) -> Result<Actor, Answer> {
    let token = token.trim();
    let expires = mautic.read(|store| store.tokens.find(|row| row.token == token).map(|(_, row)| row.expires));
    let refuse = |message: &str| Err(Answer::refused(401, message, Value::from("invalid_grant")));
    match expires {
        None => refuse("The access token provided is invalid."),
        Some(expires) if expires <= clock::now() => refuse("The access token provided has expired."),
        Some(_) => Ok(Actor { id: None, name: client_actor(mautic), way: SINGLE }),
    }
}

/// Mautic shows an API client as its name with its number.
pub(crate) fn client_actor(mautic: &MauticSimulator) -> String {
    let options = &mautic.inner.options;
    let number = options.client_id.split('_').next().unwrap_or_default();
    format!("{} [{number}]", options.client_name)
}

fn check_basic(mautic: &MauticSimulator, enabled: bool, pair: &str) -> Result<Actor, Answer> {
    if !enabled {
        let message = "Basic Auth disabled. You need to enable HTTP basic auth in the API settings of Mautic's \
                       Configuration.";
        return Err(Answer::refused(403, message, json!("access_denied")));
    }
    let options = &mautic.inner.options;
    let expected = format!("{}:{}", options.username, options.password);
    if STANDARD.decode(pair.trim()).is_ok_and(|given| given == expected.as_bytes()) {
        return Ok(Actor { id: Some(1), name: options.user_name.clone(), way: SINGLE });
    }
    match options.version {
        MauticVersion::V5_1 => {
            Err(Answer::refused(401, "Authorization denied, invalid credentials.", json!("access_denied")))
        }
        // Recording `008`: a body of no bytes that calls itself JSON.
        MauticVersion::V7_0 => Err(Answer::refused(401, "", Value::Null).without_body()),
    }
}
