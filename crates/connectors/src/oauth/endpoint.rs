//! The token request itself.

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::Deserialize;
use tandem_core::error::{Effect, Failure, FailureKind, Result};
use tandem_core::ports::AccessToken;
use url::form_urlencoded::Serializer;

use crate::http::{Answer, Body, Call, Http, Patience};

/// Where tokens are given out, and to whom.
pub struct TokenEndpoint {
    /// Who gives them out, for failures: `Mautic`.
    pub peer: &'static str,
    /// The client for the request.
    pub http: Http,
    /// The full address.
    pub url: Url,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
}

/// The answer of RFC 6749, 5.1 (recording `001-token-client-credentials`).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default = "an_hour")]
    expires_in: u32,
}

const fn an_hour() -> u32 {
    3600
}

impl TokenEndpoint {
    /// Asks for a token. `now` is taken before the request, so the token ends rather early than late.
    pub(super) async fn fetch(&self, now: Timestamp) -> Result<AccessToken> {
        let call = Call {
            peer: self.peer,
            method: Method::POST,
            url: self.url.clone(),
            authorization: None,
            headers: HeaderMap::new(),
            body: Body::Form(self.form()),
            patience: Patience::Usual,
        };
        // A lost token is no lost write: what the caller wanted to do was not even sent.
        let harmless = |failure| Failure { effect: Effect::None, ..failure };
        let answer = self.http.send(call).await.map_err(harmless)?;
        self.token(&answer, now)
    }

    fn form(&self) -> String {
        Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", &self.client_secret)
            .finish()
    }

    fn token(&self, answer: &Answer, now: Timestamp) -> Result<AccessToken> {
        if answer.status != 200 {
            return Err(self.refusal(answer, now));
        }
        let token: TokenAnswer = answer
            .body
            .json()
            .map_err(|_| Failure::new(FailureKind::Garbled, format!("{} answered with no token.", self.peer)))?;
        let expires_at = now + SignedDuration::from_secs(token.expires_in.into());
        Ok(AccessToken { secret: token.access_token, expires_at })
    }

    /// A wrong client is 400 on Mautic (recording `004-token-bad-client`), 401 elsewhere.
    fn refusal(&self, answer: &Answer, now: Timestamp) -> Failure {
        let peer = self.peer;
        let failure = match answer.status {
            400 | 401 | 403 => Failure::new(
                FailureKind::Credentials,
                format!("{peer} gives no token for this client id and secret: check them, and that its API is on."),
            ),
            404 => Failure::new(
                FailureKind::Misconfigured,
                format!("There is no token address under the base URL of {peer}: check the base URL."),
            ),
            429 => Failure::new(FailureKind::RateLimited, format!("{peer} takes no more token requests for now.")),
            500..=599 => Failure::new(FailureKind::Unavailable, format!("{peer} failed to give out a token.")),
            _ => Failure::new(FailureKind::Garbled, format!("{peer} answered a token request with something else.")),
        };
        match answer.retry_after(now) {
            Some(moment) => failure.not_before(moment),
            None => failure,
        }
    }
}
