//! Access tokens by client credentials (RFC 6749, 4.4): one request for all callers of all functions.
//!
//! Inside a process callers queue at a gate. Between processes the token store's lock lets one of them fetch while the
//! others look into the store until the token is there. Whoever dies with the lock loses it after [`LOCK`].

mod endpoint;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use tandem_core::domain::link::Lease;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::{AccessToken, Attempt, Clock, Entropy, Sleep, TokenStore};

pub use endpoint::TokenEndpoint;

use crate::Ports;

/// A token is renewed this long before it ends, so that it does not end on the way.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// How long a process may hold the right to fetch: longer than the token request may take.
const LOCK: SignedDuration = SignedDuration::from_secs(15);
/// How often a process looks for the token that another one fetches: about 24 seconds in all, longer than [`LOCK`].
const LOOKS: u32 = 64;

/// Gives out the access token of one integration.
pub struct TokenSource {
    endpoint: TokenEndpoint,
    scope: Scope,
    store: Arc<dyn TokenStore>,
    clock: Arc<dyn Clock>,
    sleep: Arc<dyn Sleep>,
    entropy: Arc<dyn Entropy>,
    gate: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

/// What this process knows.
#[derive(Default)]
struct Known {
    token: Option<AccessToken>,
    /// The last token that the platform refused: the store may still hold it.
    refused: Option<String>,
    /// How many fetches failed, and how the last one did: who waited for it shares its failure.
    failures: u64,
    failure: Option<Failure>,
}

impl TokenSource {
    /// A source that has made no call yet.
    #[must_use]
    pub fn new(endpoint: TokenEndpoint, scope: Scope, ports: &Ports) -> Self {
        Self {
            endpoint,
            scope,
            store: Arc::clone(&ports.tokens),
            clock: Arc::clone(&ports.clock),
            sleep: Arc::clone(&ports.sleep),
            entropy: Arc::clone(&ports.entropy),
            gate: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// A token that is good for another minute at least.
    ///
    /// # Errors
    /// `Credentials` when the platform does not know the client, `Unavailable` when another function has been fetching
    /// for too long, and what the store and the network fail with. Never with an unknown effect: no write was sent.
    pub async fn token(&self) -> Result<AccessToken> {
        let failures = match self.cached() {
            Ok(token) => return Ok(token),
            Err(failures) => failures,
        };
        let _turn = self.gate.lock().await;
        if let Some(settled) = self.settled_since(failures) {
            return settled;
        }
        let outcome = self.stored_or_fetched().await;
        self.settle(&outcome);
        outcome
    }

    /// The platform refused this token: the next caller gets another one. A token that was replaced meanwhile stays, so
    /// a hundred calls that fail together lead to one new token.
    pub fn invalidate(&self, refused: &AccessToken) {
        let mut known = self.known();
        if known.token.as_ref().is_some_and(|token| token.secret == refused.secret) {
            known.token = None;
            known.refused = Some(refused.secret.clone());
        }
    }

    /// The cached token, or how many fetches have failed so far.
    fn cached(&self) -> Result<AccessToken, u64> {
        let known = self.known();
        match &known.token {
            Some(token) if self.lasts(token) => Ok(token.clone()),
            Some(_) | None => Err(known.failures),
        }
    }

    /// What the caller before this one at the gate brought about, if it was after this one had looked.
    fn settled_since(&self, failures: u64) -> Option<Result<AccessToken>> {
        match self.cached() {
            Ok(token) => Some(Ok(token)),
            Err(now) if now != failures => self.known().failure.clone().map(Err),
            Err(_) => None,
        }
    }

    fn settle(&self, outcome: &Result<AccessToken>) {
        let mut known = self.known();
        match outcome {
            Ok(token) => known.token = Some(token.clone()),
            Err(failure) => {
                known.failures += 1;
                known.failure = Some(failure.clone());
            }
        }
    }

    async fn stored_or_fetched(&self) -> Result<AccessToken> {
        let owner = self.entropy.id();
        for look in 0..LOOKS {
            if let Some(token) = self.stored().await? {
                return Ok(token);
            }
            let now = self.clock.now();
            let lease = Lease { owner: owner.clone(), until: now + LOCK };
            match self.store.lock(&self.scope, &lease, now).await? {
                Attempt::Done => return self.fetch_under_lock(&owner).await,
                Attempt::Contended => self.sleep.sleep(self.pause(look)).await,
            }
        }
        Err(Failure::new(FailureKind::Unavailable, "Another function has been fetching an access token for too long."))
    }

    /// Fetches, unless the token came between the last look and the lock.
    async fn fetch_under_lock(&self, owner: &str) -> Result<AccessToken> {
        let stored = self.stored().await?;
        let fetched = stored.is_none();
        let outcome = match stored {
            Some(token) => Ok(token),
            None => self.endpoint.fetch(self.clock.now()).await,
        };
        let kept = match &outcome {
            Ok(token) if fetched => self.store.save(&self.scope, token, owner).await,
            Ok(_) | Err(_) => self.store.unlock(&self.scope, owner).await,
        };
        // The lock ends by itself, and a token that could not be stored is as good as one that was.
        kept.unwrap_or_else(|failure| tracing::warn!(%failure, "access token not stored"));
        outcome
    }

    async fn stored(&self) -> Result<Option<AccessToken>> {
        let token = self.store.read(&self.scope).await?;
        let refused = self.known().refused.clone();
        Ok(token.filter(|token| self.lasts(token) && refused.as_ref() != Some(&token.secret)))
    }

    fn lasts(&self, token: &AccessToken) -> bool {
        token.expires_at.duration_since(self.clock.now()) > MARGIN
    }

    /// Short at first, for a token takes some hundred milliseconds; spread, so that a hundred functions do not look at once.
    fn pause(&self, look: u32) -> Duration {
        let longest = Duration::from_millis(50) * 2_u32.pow(look.min(3));
        longest.mul_f64(0.5 + self.entropy.unit())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("scope", &self.scope).finish_non_exhaustive()
    }
}
