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
};

/// Who makes a call; Mautic writes the name into what it changes.
#[derive(Debug, Clone)]
pub(crate) struct Actor(pub(crate) String);

/// `POST /oauth/v2/token`.
pub(crate) async fn token(State(mautic): State<MauticSimulator>, query: Query, payload: Payload) -> Answer {
    mautic.inner.counts.token_request();
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
    let switches = mautic.switches();
    if !switches.api {
        let message = "API disabled. You need to enable the API in the API settings of Mautic's Configuration.";
        return Err(Answer::refused(403, message, json!("api_disabled")));
    }
    let credentials = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match credentials.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => check_bearer(mautic, token),
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => check_basic(mautic, switches.basic, pair),
        _ => Err(Answer::refused(401, "API authorization denied.", json!("access_denied"))),
    }
}

fn check_bearer(mautic: &MauticSimulator, token: &str) -> Result<Actor, Answer> {
    let token = token.trim();
    let expires = mautic.read(|store| store.tokens.find(|row| row.token == token).map(|(_, row)| row.expires));
    let refuse = |message: &str| Err(Answer::refused(401, message, Value::from("invalid_grant")));
    match expires {
        None => refuse("The access token provided is invalid."),
        Some(expires) if expires <= clock::now() => refuse("The access token provided has expired."),
        Some(_) => Ok(Actor(client_actor(mautic))),
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
        return Ok(Actor(options.username.clone()));
    }
    Err(Answer::refused(401, "Authorization denied, invalid credentials.", json!("access_denied")))
}
