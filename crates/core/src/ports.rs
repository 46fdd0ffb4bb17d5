//! The narrow doors between the business and the world. Adapters live in `tandem-connectors` and `tandem-app`.

pub mod bulk;
pub mod changes;
pub mod contacts;
pub mod deliveries;
pub mod feedback;
pub mod integrations;
pub mod lifecycle;
pub mod lists;
pub mod objects;
pub mod operations;
pub mod place;
pub mod platform;
pub mod platform_state;
pub mod queue;
pub mod relations;
pub mod runs;
pub mod source;
pub mod spellings;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

pub use contacts::{Attempt, Begin, Commit, ContactStore, Exchange, LinkOf, Resolved, Save, Stored};
pub use deliveries::{EventStore, GuardedHook, HookCheck, HookDelivery, Kept, KeptDelivery, PlatformEvents};
pub use feedback::{Feed, FeedCursor, FeedPage, Feedback, FeedbackStore};
pub use platform::MarketingPlatform;
pub use platform_state::{AccessToken, BudgetStore, CatalogStore, CircuitStore, TokenStore};
pub use queue::{JobQueue, ParkedJobs, QueueDepth};
pub use source::RecordSource;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The moment of the call.
    fn now(&self) -> Timestamp;
}

/// Gives chance.
pub trait Entropy: Send + Sync {
    /// Uniform in `[0, 1)`.
    fn unit(&self) -> f64;
    /// A name that nothing else has: time-ordered, unguessable.
    fn id(&self) -> String;
}

/// Waits without blocking the thread.
#[async_trait]
pub trait Sleep: Send + Sync {
    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}
