//! What the operations of this module work with.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::automation::rulebook::RuleBook;
use crate::domain::scope::Scope;
use crate::error::Result;
use crate::jobs::message::{Job, Task};
use crate::mapping::{RuleSet, Situations, Strategy, Vanished, Vocabulary};
use crate::ports::bulk::{BulkPlatform, BulkStore};
use crate::ports::changes::ChangeLog;
use crate::ports::integrations::{Doorbell, Peers};
use crate::ports::lifecycle::LifecycleStore;
use crate::ports::lists::ListOutbox;
use crate::ports::objects::PlatformObjects;
use crate::ports::operations::OperationLog;
use crate::ports::relations::RelationStore;
use crate::ports::runs::RunStore;
use crate::ports::{
    CatalogStore, Clock, ContactStore, Entropy, EventStore, FeedbackStore, JobQueue, MarketingPlatform, ParkedJobs,
    PlatformEvents, RecordSource, Sleep,
};
use crate::webhook::entry::Deliveries;
use crate::webhook::repair::Hook;

use super::enrolment::Enrolment;
use super::lift::AdminOptIn;
use super::newcomers::Newcomers;
use super::operations::Recorder;
use super::reference::ReferenceData;

/// Tandem's own means: time, chance, table and queue. The same for all integrations.
#[derive(Clone)]
pub struct Services {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives chance.
    pub entropy: Arc<dyn Entropy>,
    /// Waits.
    pub sleep: Arc<dyn Sleep>,
    /// Records, links, identities, consent.
    pub contacts: Arc<dyn ContactStore>,
    /// Cached lists of fields.
    pub catalogs: Arc<dyn CatalogStore>,
    /// Deliveries, and what people did.
    pub events: Arc<dyn EventStore>,
    /// Records, links and marks, many at a time.
    pub bulk: Arc<dyn BulkStore>,
    /// Which records name which others.
    pub relations: Arc<dyn RelationStore>,
    /// Sync runs.
    pub runs: Arc<dyn RunStore>,
    /// Lifecycle events, and what is remembered of their users.
    pub lifecycle: Arc<dyn LifecycleStore>,
    /// Lists that have to be brought to integrations.
    pub lists: Arc<dyn ListOutbox>,
    /// What the source was last told.
    pub feedback: Arc<dyn FeedbackStore>,
    /// Which integrations a tenant has.
    pub peers: Arc<dyn Peers>,
    /// Wakes the others when a record changed.
    pub doorbell: Arc<dyn Doorbell>,
    /// Where the application's records live.
    pub source: Arc<dyn RecordSource>,
    /// The queue.
    pub queue: Arc<dyn JobQueue>,
    /// Jobs that wait for a person.
    pub parked: Arc<dyn ParkedJobs>,
    /// What was written to platforms.
    pub operations: Arc<dyn OperationLog>,
}

impl Services {
    /// What notes the writes of a piece of work.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        Recorder {
            log: Arc::clone(&self.operations),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        }
    }
}

/// A connection to one marketing platform, with its settings.
#[derive(Clone)]
pub struct Integration {
    /// Whose it is.
    pub scope: Scope,
    /// The platform itself.
    pub platform: Arc<dyn MarketingPlatform>,
    /// The platform's calls on many contacts.
    pub bulk: Arc<dyn BulkPlatform>,
    /// The platform's things that are no people.
    pub objects: Arc<dyn PlatformObjects>,
    /// The platform's log of changes.
    pub changes: Arc<dyn ChangeLog>,
    /// All of them once more, for work on all contacts.
    pub background: Background,
    /// The platform's way of telling what happened.
    pub events: Arc<dyn PlatformEvents>,
    /// How its deliveries are read.
    pub deliveries: Arc<dyn Deliveries>,
    /// Which field goes where.
    pub rules: Arc<RuleSet>,
    /// The platform's own names of countries, regions, locales and time zones.
    pub vocabulary: Arc<dyn Vocabulary>,
    /// How long after a look for changes on the platform the next one is due.
    pub pull_interval: SignedDuration,
    /// How many batch calls a run has under way at the same time at most.
    pub parallel_batches: usize,
    /// What happens to a field that both sides changed, unless its rule says otherwise.
    pub conflict: Strategy,
    /// What follows from lifecycle events.
    pub lifecycle: Arc<RuleBook>,
    /// When a contact is put into the high-value campaign; `None` when that is switched off.
    pub enrolment: Option<Enrolment>,
    /// Whether a user of the platform may take an opt-out away.
    pub admin_opt_in: AdminOptIn,
    /// Which people who appear on the platform become records.
    pub newcomers: Newcomers,
    /// What becomes of contacts whose records the application does not have any more, unless the mapping says it.
    pub vanished: Vanished,
    /// Where its webhook leads; `None` when nobody set one up.
    pub hook: Option<Hook>,
    /// Fields and stages of the platform, as last read.
    pub reference: Arc<ReferenceData>,
}

impl Integration {
    /// What follows from the situations that leave a choice.
    #[must_use]
    pub fn situations(&self) -> Situations {
        self.rules.situations().clone().or_when_gone(&self.vanished)
    }
}

/// The platform for work on all contacts: it leaves a share of the budget of calls to those that somebody waits for.
#[derive(Clone)]
pub struct Background {
    /// As [`Integration::platform`].
    pub platform: Arc<dyn MarketingPlatform>,
    /// As [`Integration::bulk`].
    pub bulk: Arc<dyn BulkPlatform>,
    /// As [`Integration::objects`].
    pub objects: Arc<dyn PlatformObjects>,
    /// As [`Integration::changes`].
    pub changes: Arc<dyn ChangeLog>,
}

/// One integration and Tandem's means: what every operation of `sync` is a method of.
#[derive(Clone)]
pub struct Desk {
    /// Tandem's own means.
    pub services: Services,
    /// The connection.
    pub integration: Integration,
}

impl Desk {
    /// The moment of the call.
    pub(crate) fn now(&self) -> Timestamp {
        self.services.clock.now()
    }

    /// The same desk, for work on all contacts.
    pub(crate) fn in_background(&self) -> Self {
        let Background { platform, bulk, objects, changes } = self.integration.background.clone();
        let integration = Integration { platform, bulk, objects, changes, ..self.integration.clone() };
        Self { services: self.services.clone(), integration }
    }

    /// Puts a task on the queue; gives the job's id.
    ///
    /// # Errors
    /// `Storage` when the queue does not take it: then nothing is promised to the caller.
    pub async fn defer(&self, task: Task, correlation_id: &str, delay: Duration) -> Result<String> {
        let job = Job {
            id: self.services.entropy.id(),
            scope: self.integration.scope.clone(),
            correlation_id: correlation_id.to_owned(),
            queued_at: self.now(),
            task,
        };
        self.services.queue.send(&job, delay.min(LONGEST_DELAY)).await?;
        Ok(job.id)
    }
}

/// The longest first delay that SQS takes.
const LONGEST_DELAY: Duration = Duration::from_secs(900);
