//! The field rules and lifecycle rules that integrations work by just now. They are stored and may change while a function is
//! warm: a process looks at most 30 seconds later, with one read call, and reads a set only when it is another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::mapping::RuleSet;
use tandem_core::ports::Clock;
use tandem_core::sync::services::Desk;

use crate::lifecycle_rules::LifecycleRules;
use crate::mappings::{self, Mappings};
use crate::store::{Owner, Table, versions_in_force};

/// How long a process trusts its copy.
const TRUSTED: SignedDuration = SignedDuration::from_secs(30);

/// What an integration works by.
#[derive(Clone)]
pub struct InUse {
    /// Which field goes where.
    pub rules: Arc<RuleSet>,
    /// What follows from lifecycle events.
    pub lifecycle: Arc<RuleBook>,
    /// The numbers of the stored mapping set and of the stored lifecycle rules; 0 where none is stored.
    versions: [u64; 2],
}

/// A process's copies, by integration.
pub struct RulesInUse {
    table: Table,
    mappings: Mappings,
    lifecycle: LifecycleRules,
    clock: Arc<dyn Clock>,
    base: InUse,
    copies: Mutex<HashMap<Scope, (Timestamp, InUse)>>,
}

impl RulesInUse {
    /// The rules in `table`; `rules` and `lifecycle` count where none are stored.
    #[must_use]
    pub fn new(
        table: Table,
        (mappings, stored): (Mappings, LifecycleRules),
        (rules, lifecycle): (Arc<RuleSet>, Arc<RuleBook>),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let base = InUse { rules, lifecycle, versions: [0, 0] };
        Self { table, mappings, lifecycle: stored, clock, base, copies: Mutex::default() }
    }

    /// What an integration works by, as it was at most 30 seconds ago. While the table can't be read, the copy goes on counting.
    ///
    /// # Errors
    /// `Storage` when the table fails and there is no copy; `Misconfigured` for rules that this release can't use.
    pub async fn of(&self, scope: &Scope) -> Result<InUse> {
        let now = self.clock.now();
        let copy = self.copies.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned();
        if let Some((_, copy)) = copy.as_ref().filter(|(read_at, _)| now.duration_since(*read_at) < TRUSTED) {
            return Ok(copy.clone());
        }
        let known = copy.map(|(_, copy)| copy);
        match self.read(scope, known.as_ref()).await {
            Ok(read) => {
                let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
                copies.insert(scope.clone(), (now, read.clone()));
                Ok(read)
            }
            Err(failure) => match known {
                Some(copy) => {
                    tracing::warn!(kind = ?failure.kind, "the rules can't be read anew, those of before go on: {failure}");
                    Ok(copy)
                }
                None => Err(failure),
            },
        }
    }

    /// The desk, with the rules that its integration works by.
    ///
    /// # Errors
    /// As [`RulesInUse::of`].
    pub async fn at(&self, mut desk: Desk) -> Result<Desk> {
        let InUse { rules, lifecycle, .. } = self.of(&desk.integration.scope).await?;
        (desk.integration.rules, desk.integration.lifecycle) = (rules, lifecycle);
        Ok(desk)
    }

    async fn read(&self, scope: &Scope, known: Option<&InUse>) -> Result<InUse> {
        let owners = [Owner::Mappings(scope.clone()), Owner::LifecycleRules(scope.tenant.clone())];
        let versions = versions_in_force(&self.table, [&owners[0], &owners[1]]).await?;
        // The base has the lifecycle rules of the configuration, which is the default tenant's.
        let known = known.or_else(|| scope.tenant.is_default().then_some(&self.base));
        if let Some(known) = known.filter(|known| known.versions == versions) {
            return Ok(known.clone());
        }
        let rules = match (versions[0], known) {
            (0, _) => Arc::clone(&self.base.rules),
            (number, Some(known)) if number == known.versions[0] => Arc::clone(&known.rules),
            (number, _) => Arc::new(self.rules(scope, number).await?),
        };
        let in_force = self.lifecycle.of_version(&scope.tenant, versions[1]).await?;
        let lifecycle = Arc::new(in_force.load(&rules)?);
        Ok(InUse { rules, lifecycle, versions })
    }

    async fn rules(&self, scope: &Scope, number: u64) -> Result<RuleSet> {
        let gone = || Failure::new(FailureKind::Storage, "the mapping set that counts is not there");
        let version = self.mappings.version(scope, number).await?.ok_or_else(gone)?;
        mappings::rules_of(&version).map_err(|problems| {
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            let message = format!("version {number} of the mappings of {} can't be used: {first}", scope.integration);
            Failure::new(FailureKind::Misconfigured, message)
        })
    }
}
