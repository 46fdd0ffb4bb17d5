//! Which implementation stands behind which port.

use std::sync::Arc;
use std::time::Duration;

use tandem_connectors::Ports;
use tandem_connectors::http::{Http, SystemLookup};
use tandem_connectors::mautic::{Auth, Mautic, Settings, built_in_mappings};
use tandem_connectors::registry::Connection;
use tandem_connectors::sources::supabase::Supabase;
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::jobs::message::{Job, Task};
use tandem_core::mapping::RuleSet;
use tandem_core::ports::integrations::{Doorbell, Peers};
use tandem_core::ports::{BudgetStore, Clock, Entropy, JobQueue, RecordSource, Sleep};
use tandem_core::sync::operations::{Recorded, Recorder};
use tandem_core::sync::services::{Background, Desk, Integration, Services};

use crate::admin::Admin;
use crate::admin::integrations::Integrations;
use crate::config::{Config, SourceConfig};
use crate::desks::{CurrentDesks, Desks, JobRunner};
use crate::doorbell::QueueDoorbell;
use crate::http::{AppState, KeyRing};
use crate::lifecycle_rules::LifecycleRules;
use crate::mappings::{self, Mappings};
use crate::rules_in_use::{InUse, RulesInUse};
use crate::sealing::Sealer;
use crate::store::{
    BudgetTable, BulkTable, CatalogTable, CircuitTable, ContactTable, EventTable, FeedbackTable, HealthTable,
    IdempotencyStore, LifecycleTable, OpenListsTable, OperationTable, ParkedTable, RecordsTable, RelationTable,
    RingTable, RunTable, SpellingTable, Table, TokenTable, forget_integration,
};
use crate::stored_desks::{StoredDesks, StoredPeers, Tenancies};
use crate::system::{RuntimeSleep, SystemClock, SystemEntropy};

/// How much of a caller's time one call of Mautic may take; the rest is for the table and the answer.
const SHARE_OF_A_CALL: f64 = 0.8;

/// What everything is built from.
#[derive(Clone)]
pub struct Foundation {
    /// The settings.
    pub config: Config,
    /// The table.
    pub table: Table,
    /// The queue.
    pub queue: Arc<dyn JobQueue>,
    /// The HTTP client of all connectors.
    pub http: Http,
    /// The same for addresses that tenants entered: it connects to public ones only, unless the operator allows others.
    pub tenants_http: Http,
    /// Where the application's records live.
    pub source: Arc<dyn RecordSource>,
    /// The field rules of the default integration.
    pub rules: Arc<RuleSet>,
    /// The field rules of integrations that have no stored set.
    pub built_in: Arc<RuleSet>,
    /// What follows from lifecycle events.
    pub lifecycle: Arc<RuleBook>,
    /// Tells the time; a test gives its own by [`Foundation::with_clock`].
    pub clock: Arc<dyn Clock>,
    /// Which tenant and integration the settings are those of.
    pub scope: Scope,
    /// Which integrations a tenant has.
    pub peers: Arc<dyn Peers>,
}

impl Foundation {
    /// Puts the parts together.
    ///
    /// # Errors
    /// `Misconfigured` when the field rules or the lifecycle rules can't be read, or the source's key can't be sent.
    pub fn new(config: Config, table: Table, queue: Arc<dyn JobQueue>) -> Result<Self> {
        Self::with_rules(config, table, queue, built_in_rules()?)
    }

    /// The same where the table can be read: lifecycle rules of the configuration may set a field that only a stored mapping set
    /// knows.
    ///
    /// # Errors
    /// As [`Foundation::new`], with the set in use.
    pub async fn open(config: Config, table: Table, queue: Arc<dyn JobQueue>) -> Result<Self> {
        let built_in = Self::new(config.clone(), table.clone(), Arc::clone(&queue));
        let Err(failure) = built_in else { return built_in };
        let lifecycle = LifecycleRules::new(table.clone(), config.lifecycle.clone());
        let mappings = Mappings::new(table.clone(), lifecycle);
        let active = mappings.active(&Scope::default_mautic()).await?;
        match mappings::rules_of(&active) {
            Ok(rules) if active.version > 0 => Self::with_rules(config, table, queue, rules),
            Ok(_) | Err(_) => Err(failure),
        }
    }

    fn with_rules(config: Config, table: Table, queue: Arc<dyn JobQueue>, rules: RuleSet) -> Result<Self> {
        let (rules, built_in) = (Arc::new(rules), Arc::new(built_in_rules()?));
        let lifecycle = Arc::new(config.lifecycle.book(&rules)?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let source = source(&config.source, &table, &clock)?;
        let scope = Scope::default_mautic();
        let own = config.mautic.is_some().then(|| scope.clone());
        let tenancies = Tenancies::new(&table, Arc::clone(&clock));
        let peers = Arc::new(StoredPeers::new(Arc::new(tenancies), own));
        let tenants_http =
            if config.allow_private_targets { Http::default() } else { Http::public_only(Arc::new(SystemLookup)) };
        let http = Http::default();
        Ok(Self { config, table, queue, http, tenants_http, source, rules, built_in, lifecycle, clock, scope, peers })
    }

    /// The same by another clock, the source's too.
    ///
    /// # Errors
    /// `Misconfigured` when the source's key can't be sent.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Result<Self> {
        let source = source(&self.config.source, &self.table, &clock)?;
        Ok(Self { clock, source, ..self })
    }

    /// The client of the default Mautic; `None` in demo mode.
    ///
    /// # Errors
    /// `Misconfigured` for settings that can't be used.
    pub fn mautic(&self) -> Result<Option<Mautic>> {
        self.config.mautic.as_ref().map(|settings| self.mautic_of(settings)).transpose()
    }

    fn mautic_of(&self, settings: &Settings) -> Result<Mautic> {
        let ports = self.ports(secret_of(settings))?;
        Mautic::new(settings.clone(), &self.scope, self.http.clone(), &ports)
    }

    /// What a connector needs besides the network; its access tokens are sealed with the platform's own secret.
    ///
    /// # Errors
    /// `Misconfigured` when the secret is empty.
    pub fn ports(&self, secret: &[u8]) -> Result<Ports> {
        let sealer = Sealer::from_secret(secret, "tandem access token")?;
        Ok(Ports {
            clock: Arc::clone(&self.clock),
            entropy: entropy(),
            sleep: sleep(),
            tokens: Arc::new(TokenTable::new(self.table.clone(), sealer)),
            budgets: self.budgets(),
            circuits: Arc::new(CircuitTable::new(self.table.clone())),
            spellings: Arc::new(SpellingTable::new(self.table.clone())),
        })
    }

    /// The desk of the default integration; `None` in demo mode.
    ///
    /// # Errors
    /// As [`Foundation::mautic`].
    pub fn desk(&self) -> Result<Option<Desk>> {
        Ok(self.mautic()?.map(|mautic| self.desk_over(mautic)))
    }

    /// The desks of all integrations with the rules that count just now, for work that nobody waits for.
    ///
    /// # Errors
    /// As [`Foundation::mautic`].
    pub fn desks(&self) -> Result<Arc<dyn Desks>> {
        Ok(Arc::new(CurrentDesks::new(StoredDesks::new(self, false)?, self.rules_in_use())))
    }

    /// What runs the jobs of the queue, each with the desk of its integration.
    #[must_use]
    pub fn job_runner(&self, desks: Arc<dyn Desks>) -> JobRunner {
        JobRunner::new(desks, Arc::new(ParkedTable::new(self.table.clone())), Arc::clone(&self.clock))
    }

    /// Forgets an integration that is not in use any more: its links, tokens, outbox, cursors and ledgers. Records and other
    /// links stay.
    ///
    /// # Errors
    /// `Storage`; doing it again goes on where it stopped.
    pub async fn forget_integration(&self, scope: &Scope) -> Result<()> {
        let bulk = BulkTable::new(self.table.clone(), self.peers());
        forget_integration(&self.table, &bulk, scope, self.clock.now()).await
    }

    /// Queues what the schedule does for an integration.
    ///
    /// # Errors
    /// `Storage` when the queue does not take it.
    pub async fn look_after_later(&self, scope: Scope, correlation_id: &str) -> Result<()> {
        let job = Job {
            id: entropy().id(),
            scope,
            correlation_id: correlation_id.to_owned(),
            queued_at: self.clock.now(),
            task: Task::LookAfter,
        };
        self.queue.send(&job, Duration::ZERO).await
    }

    /// The same for work that a caller waits for: a call of Mautic is given up while there is still time for an answer.
    ///
    /// # Errors
    /// As [`Foundation::mautic`].
    pub fn callers_desk(&self) -> Result<Option<Desk>> {
        let time = self.config.call_budget.mul_f64(SHARE_OF_A_CALL);
        Ok(self.mautic()?.map(|mautic| self.desk_over(mautic.giving_up_after(time))))
    }

    /// The desk for what needs the table and the queue alone. Without a configured Mautic it has one that is nowhere, and of
    /// which every call fails as `Unavailable`.
    ///
    /// # Errors
    /// As [`Foundation::mautic`].
    pub fn table_desk(&self) -> Result<Desk> {
        if let Some(desk) = self.desk()? {
            return Ok(desk);
        }
        let nowhere = Auth::Basic { user: "nobody".to_owned(), password: "none".to_owned() };
        let settings = Settings::new("https://mautic.invalid", nowhere)?;
        Ok(self.desk_over(self.mautic_of(&settings)?))
    }

    fn desk_over(&self, mautic: Mautic) -> Desk {
        let (connection, services) = (Connection::from(mautic), self.services());
        let Background { platform, bulk, objects, changes } = connection.background;
        let recorder = self.config.operation_log.then(|| services.recorder());
        let integration = Integration {
            scope: self.scope.clone(),
            platform: self.recorded(connection.platform, recorder.clone()),
            bulk: self.recorded(connection.bulk, recorder.clone()),
            objects: self.recorded(connection.objects, recorder.clone()),
            changes: connection.changes,
            events: self.recorded(connection.events, recorder.clone()),
            background: Background {
                platform: self.recorded(platform, recorder.clone()),
                bulk: self.recorded(bulk, recorder.clone()),
                objects: self.recorded(objects, recorder),
                changes,
            },
            deliveries: connection.deliveries,
            rules: Arc::clone(&self.rules),
            vocabulary: connection.vocabulary,
            pull_interval: self.config.pull_interval,
            parallel_batches: self.config.parallel_batches,
            conflict: self.config.conflict,
            lifecycle: Arc::clone(&self.lifecycle),
            enrolment: self.config.enrolment.clone(),
            admin_opt_in: self.config.admin_opt_in,
            newcomers: self.config.newcomers.clone(),
            vanished: self.config.vanished.clone(),
            hook: self.config.hook.clone(),
            reference: Arc::default(),
        };
        Desk { services, integration }
    }

    fn recorded<P: ?Sized>(&self, platform: Arc<P>, recorder: Option<Recorder>) -> Arc<Recorded<P>> {
        Arc::new(Recorded::new(platform, self.scope.clone(), recorder))
    }

    /// Tandem's own table of the application's rows; `None` when they live elsewhere.
    #[must_use]
    pub fn records(&self) -> Option<RecordsTable> {
        match self.config.source {
            SourceConfig::Records => Some(RecordsTable::new(self.table.clone(), Arc::clone(&self.clock))),
            SourceConfig::Supabase(_) => None,
        }
    }

    fn peers(&self) -> Arc<dyn Peers> {
        Arc::clone(&self.peers)
    }

    fn doorbell(&self) -> Arc<dyn Doorbell> {
        let rings = RingTable::new(self.table.clone());
        Arc::new(QueueDoorbell::new(rings, Arc::clone(&self.queue), Arc::clone(&self.clock), entropy()))
    }

    fn services(&self) -> Services {
        let doorbell = self.doorbell();
        let contacts = ContactTable::new(self.table.clone(), Arc::clone(&self.clock), self.peers());
        let bulk = BulkTable::new(self.table.clone(), self.peers());
        let lifecycle = LifecycleTable::new(self.table.clone(), self.peers());
        Services {
            clock: Arc::clone(&self.clock),
            entropy: entropy(),
            sleep: sleep(),
            contacts: Arc::new(contacts.with_doorbell(Arc::clone(&doorbell))),
            catalogs: Arc::new(CatalogTable::new(self.table.clone())),
            events: Arc::new(EventTable::new(self.table.clone())),
            bulk: Arc::new(bulk.with_doorbell(Arc::clone(&doorbell))),
            lifecycle: Arc::new(lifecycle.with_doorbell(Arc::clone(&doorbell))),
            relations: Arc::new(RelationTable::new(self.table.clone())),
            runs: Arc::new(RunTable::new(self.table.clone())),
            lists: Arc::new(OpenListsTable::new(self.table.clone())),
            feedback: Arc::new(FeedbackTable::new(self.table.clone())),
            peers: self.peers(),
            doorbell,
            source: Arc::clone(&self.source),
            queue: Arc::clone(&self.queue),
            parked: Arc::new(ParkedTable::new(self.table.clone())),
            operations: Arc::new(OperationTable::new(self.table.clone())),
        }
    }

    /// The mapping sets of integrations.
    #[must_use]
    pub fn mappings(&self) -> Mappings {
        Mappings::new(self.table.clone(), self.lifecycle_rules())
    }

    /// The lifecycle rules of tenants.
    #[must_use]
    pub fn lifecycle_rules(&self) -> LifecycleRules {
        LifecycleRules::new(self.table.clone(), self.config.lifecycle.clone())
    }

    /// The rules that integrations work by, for whoever runs longer than a command does.
    #[must_use]
    pub fn rules_in_use(&self) -> RulesInUse {
        let base = (Arc::clone(&self.built_in), Arc::clone(&self.lifecycle));
        let stored = (self.mappings(), self.lifecycle_rules());
        RulesInUse::new(self.table.clone(), stored, base, Arc::clone(&self.clock))
    }

    /// The same parts with the rules that the default integration works by just now. One read call, and one for a stored set.
    ///
    /// # Errors
    /// As [`RulesInUse::of`].
    pub async fn with_rules_in_use(mut self) -> Result<Self> {
        let InUse { rules, lifecycle, .. } = self.rules_in_use().of(&self.scope).await?;
        (self.rules, self.lifecycle) = (rules, lifecycle);
        Ok(self)
    }

    /// The state of the HTTP functions.
    ///
    /// # Errors
    /// As [`Foundation::mautic`].
    pub fn app_state(&self, metrics: bool) -> Result<AppState> {
        let admin = Admin::new(&self.table);
        let keys = KeyRing::new(self.config.api_key.as_ref(), Arc::clone(&admin.keys), admin.tenants.clone());
        Ok(AppState {
            desk: self.callers_desk()?,
            recorder: self.services().recorder(),
            services: self.services(),
            circuits: Arc::new(CircuitTable::new(self.table.clone())),
            desks: Arc::new(StoredDesks::new(self, true)?),
            tenants_records: Arc::new(RecordsTable::new(self.table.clone(), Arc::clone(&self.clock))),
            rules: Arc::clone(&self.rules),
            lifecycle: Arc::clone(&self.lifecycle),
            rules_in_use: Arc::new(self.rules_in_use()),
            mappings: self.mappings(),
            lifecycle_rules: self.lifecycle_rules(),
            keys: Arc::new(keys),
            admin,
            integrations: Arc::new(Integrations::new(self)),
            idempotency: Arc::new(IdempotencyStore::new(self.table.clone())),
            records: self.records().map(Arc::new),
            budget: self.budgets(),
            webhook_secrets: self.config.webhook_secrets.clone(),
            billing: self.config.billing.clone(),
            clock: Arc::clone(&self.clock),
            entropy: entropy(),
            identify_budget: self.config.identify_budget,
            call_budget: self.config.call_budget,
            platform_health: Arc::new(HealthTable::new(self.table.clone())),
            health: Arc::default(),
            metrics,
        })
    }

    /// Until when the platform takes no more calls.
    #[must_use]
    pub fn budgets(&self) -> Arc<dyn BudgetStore> {
        Arc::new(BudgetTable::new(self.table.clone()))
    }
}

/// A source that is called over HTTP has a client of its own: that of the platforms counts their calls.
fn source(config: &SourceConfig, table: &Table, clock: &Arc<dyn Clock>) -> Result<Arc<dyn RecordSource>> {
    Ok(match config {
        SourceConfig::Records => Arc::new(RecordsTable::new(table.clone(), Arc::clone(clock))),
        SourceConfig::Supabase(settings) => {
            Arc::new(Supabase::new(settings.clone(), Http::default(), Arc::clone(clock))?)
        }
    })
}

/// The rules of an integration for which nobody has set others.
fn built_in_rules() -> Result<RuleSet> {
    built_in_mappings()?.people().map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        Failure::new(FailureKind::Misconfigured, first)
    })
}

fn secret_of(settings: &Settings) -> &[u8] {
    match settings.auth() {
        Auth::ClientCredentials { secret, .. } => secret.as_bytes(),
        Auth::Basic { password, .. } => password.as_bytes(),
    }
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SystemEntropy)
}

fn sleep() -> Arc<dyn Sleep> {
    Arc::new(RuntimeSleep)
}
