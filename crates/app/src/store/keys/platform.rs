//! What is known of an integration's platform.

use tandem_core::domain::scope::Scope;
use tandem_core::ports::Feed;

use super::{Key, key, of_integration, short_digest};

fn platform(scope: &Scope, item: impl Into<String>) -> Key {
    key(of_integration(scope, "platform"), item)
}

/// The access token of an integration and the lock on fetching one.
#[must_use]
pub fn token(scope: &Scope) -> Key {
    platform(scope, "token")
}

/// What is known of the platform's budget of calls.
#[must_use]
pub fn budget(scope: &Scope) -> Key {
    platform(scope, "budget")
}

/// How the platform spells what it refused in the expected spelling.
#[must_use]
pub fn spellings(scope: &Scope) -> Key {
    platform(scope, "spellings")
}

/// Until when a platform that does not answer is not called.
#[must_use]
pub fn circuit(scope: &Scope) -> Key {
    platform(scope, "circuit")
}

/// That a job is queued which sends the integration's outbox.
#[must_use]
pub fn ring(scope: &Scope) -> Key {
    platform(scope, "ring")
}

/// The platform's answer to the last health check.
#[must_use]
pub fn health(scope: &Scope) -> Key {
    platform(scope, "health")
}

/// The platform's list of fields.
#[must_use]
pub fn catalog(scope: &Scope) -> Key {
    platform(scope, "catalog")
}

/// The right to make a list of the platform that is missing, by the list's name.
#[must_use]
pub fn list_lock(scope: &Scope, name: &str) -> Key {
    platform(scope, format!("making#{}", short_digest(name)))
}

/// How far a feed of the platform was read.
#[must_use]
pub fn cursor(scope: &Scope, feed: Feed) -> Key {
    let feed = match feed {
        Feed::DoNotContact => "do-not-contact",
        Feed::Opens => "opens",
        Feed::Hits => "hits",
        Feed::Forms => "forms",
        Feed::Audit => "audit",
    };
    platform(scope, format!("cursor#{feed}"))
}
