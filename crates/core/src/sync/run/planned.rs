//! Rows as plans of their contacts: read and planned many at a time. Nothing is written but the end of what others left unfinished.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::json;

use crate::domain::catalog::FieldCatalog;
use crate::domain::consent::{ConsentEntry, ConsentSource, ConsentStatus};
use crate::domain::identity::{Email, Identity, RecordKey};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::kind::Kind;
use crate::domain::record::{Change, Record, is_blank_text};
use crate::error::{Failure, Result};
use crate::mapping::{RuleSet, Vanished};
use crate::ports::{Resolved, Save, Stored};
use crate::sync::plan::{self, Draft, Rulebook};
use crate::sync::push::{self, Choice, is_dead_end};
use crate::sync::services::Desk;
use crate::sync::tombstone;

use super::PAGE;
use super::row::{self, Incoming};

/// A row with what is to be done about it.
pub(super) struct Planned {
    pub(super) row: Incoming,
    pub(super) draft: Draft,
    /// Whether the row's id was known before.
    pub(super) known: bool,
}

/// Of records that are not mapped nothing is sent.
static NO_RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::default);

/// Rows of a round: planned, unfit to be contacts, and those that have to wait for another row's change.
#[derive(Default)]
pub(super) struct Round {
    pub(super) planned: Vec<Planned>,
    pub(super) unfit: Vec<(Incoming, Failure)>,
    pub(super) waiting: Vec<Incoming>,
}

impl Desk {
    /// Plans rows. Of rows that share a record or an identity, the first is planned.
    pub(super) async fn plan_rows(&self, rows: Vec<Incoming>) -> Result<Round> {
        let rows: Vec<Incoming> = rows.into_iter().map(|row| self.without_flawed_address(row)).collect();
        let (bulk, scope) = (&self.services.bulk, &self.integration.scope);
        let identities: Vec<_> = rows.iter().map(Incoming::identities).collect();
        let resolved = bulk.resolve_many(scope, &identities).await?;
        let mut round = Round::default();
        let mut chosen: Vec<(Incoming, Resolved, Choice)> = Vec::new();
        let mut taken = HashSet::new();
        for ((row, resolved), (external, email)) in rows.into_iter().zip(resolved).zip(identities) {
            match push::choose(&resolved, external, email) {
                Err(failure) => round.unfit.push((row, failure)),
                Ok(choice) if is_free(&mut taken, &choice) => chosen.push((row, resolved, choice)),
                Ok(_) => round.waiting.push(row),
            }
        }
        self.plan_chosen(chosen, &mut round).await?;
        Ok(round)
    }

    /// The row, without an address that the platform would change or refuse.
    fn without_flawed_address(&self, mut row: Incoming) -> Incoming {
        if let Some(flaw) = row.email.as_ref().and_then(|email| self.address_flaw(email)) {
            row.email = None;
            row.change.issues.push(flaw);
        }
        row
    }

    async fn plan_chosen(&self, chosen: Vec<(Incoming, Resolved, Choice)>, round: &mut Round) -> Result<()> {
        if chosen.is_empty() {
            return Ok(());
        }
        let catalog = self.catalog().await;
        let keys: Vec<RecordKey> = chosen.iter().map(|(_, _, choice)| choice.key.clone()).collect();
        let stored = self.services.bulk.load_many(&self.integration.scope, &keys).await?;
        let new = chosen.iter().zip(&stored).filter(|(_, stored)| stored.record.is_none()).map(|((row, ..), _)| row);
        let new = new.filter(|row| row.kind.is_person());
        let tombstones = self.tombstones_of(new).await?;
        for ((row, resolved, choice), stored) in chosen.into_iter().zip(stored) {
            let given_up = row.email.as_ref().filter(|_| resolved.by_email.as_ref() == Some(&choice.key));
            if let Some((email, record)) = given_up.zip(stored.record.as_ref())
                && !record.has_address(email)
            {
                self.give_up(&choice.key, record, email).await?;
                round.waiting.push(row);
                continue;
            }
            let may_begin = if stored.record.is_some() { Ok(()) } else { may_begin(&row, &resolved, &tombstones) };
            match may_begin {
                Err(failure) => round.unfit.push((row, failure)),
                Ok(()) if is_dead_end(&resolved, &choice.key, &stored) => {
                    let (external, email) = row.identities();
                    self.end(&choice.key, external.iter().chain(&email)).await?;
                    round.waiting.push(row);
                }
                Ok(()) => {
                    let (choice, stored) = self.with_free_key(&resolved, choice, stored).await?;
                    round.planned.push(self.plan_row(row, resolved, choice, stored, catalog.as_deref()).await?);
                }
            }
        }
        Ok(())
    }

    /// The same, with another key where nothing leads to the first one and it is void.
    async fn with_free_key(&self, resolved: &Resolved, mut choice: Choice, stored: Stored) -> Result<(Choice, Stored)> {
        let is_known = resolved.by_external_id.is_some() || resolved.by_email.is_some();
        if is_known || !stored.is_void {
            return Ok((choice, stored));
        }
        choice.key = self.free_key(choice.key).await?;
        Ok((choice, Stored::default()))
    }

    /// Which of the rows' identities are those of people who were deleted.
    async fn tombstones_of(&self, rows: impl Iterator<Item = &Incoming>) -> Result<HashMap<Identity, Timestamp>> {
        let identities = rows.map(Incoming::identities).flat_map(|(id, email)| id.into_iter().chain(email));
        let identities: Vec<Identity> = identities.collect();
        self.services.lifecycle.tombstones(&self.integration.scope, &identities).await
    }

    async fn plan_row(
        &self,
        mut row: Incoming,
        resolved: Resolved,
        choice: Choice,
        stored: Stored,
        catalog: Option<&FieldCatalog>,
    ) -> Result<Planned> {
        let known = resolved.by_external_id.is_some() && stored.record.is_some();
        let consent = match choice.consent_elsewhere(&stored, &resolved, row.email.as_ref()) {
            Some(identity) => {
                self.services.contacts.resolve(&self.integration.scope, None, Some(&identity)).await?.consent
            }
            None => resolved.consent,
        };
        settle_blanks(&mut row, stored.record.as_ref());
        let found = choice.found(stored, consent, Some(&row.id), row.email.as_ref());
        let draft = plan::plan(&row.change, found, &self.rulebook_of(row.kind, catalog), self.now());
        Ok(Planned { row, draft, known })
    }

    /// The rules that plans of this integration follow.
    pub(crate) fn rulebook<'a>(&'a self, catalog: Option<&'a FieldCatalog>) -> Rulebook<'a> {
        let integration = &self.integration;
        Rulebook {
            rules: &integration.rules,
            vocabulary: &*integration.vocabulary,
            catalog,
            enrolment: integration.enrolment.as_ref(),
            situations: integration.situations(),
        }
    }

    /// Which field of records of a kind goes where; no rules where nothing of the kind is sent.
    pub(crate) fn rules_of(&self, kind: Kind) -> &RuleSet {
        let people = &self.integration.rules;
        if kind.is_person() { people } else { people.object_of(kind).map_or(&*NO_RULES, |object| &object.rules) }
    }

    /// The rules that plans of records of a kind follow. `catalog` is the platform's list of contact fields.
    pub(crate) fn rulebook_of<'a>(&'a self, kind: Kind, catalog: Option<&'a FieldCatalog>) -> Rulebook<'a> {
        if kind.is_person() {
            return self.rulebook(catalog);
        }
        let (integration, rules) = (&self.integration, self.rules_of(kind));
        let situations = rules.situations().clone().or_when_gone(&integration.vanished);
        Rulebook { rules, vocabulary: &*integration.vocabulary, catalog: None, enrolment: None, situations }
    }

    /// The records that belong to rows, by the digests of the rows' ids, and to no other row by now.
    pub(super) async fn records_of(&self, ids: &[[u8; 16]]) -> Result<Vec<(RecordKey, Record)>> {
        let (bulk, scope) = (&self.services.bulk, &self.integration.scope);
        let mut records = Vec::new();
        for ids in ids.chunks(PAGE) {
            let identities: Vec<_> = ids.iter().map(|id| (Some(Identity::external_of(id)), None)).collect();
            let resolved = bulk.resolve_many(scope, &identities).await?;
            // Rows that share a contact lead to one record.
            let keys: BTreeSet<RecordKey> = resolved.into_iter().filter_map(|found| found.by_external_id).collect();
            let keys: Vec<RecordKey> = keys.into_iter().collect();
            let stored = bulk.load_many(scope, &keys).await?;
            let there = keys.into_iter().zip(stored).filter_map(|(key, stored)| Some((key, stored.record?)));
            let mine = there.filter(|(key, record)| {
                let id = record.external_id.as_ref().map(|id| row::digest(key.kind(), id.as_str()));
                record.gone_since.is_none() && id.is_some_and(|id| ids.contains(&id))
            });
            records.extend(mine);
        }
        Ok(records)
    }

    pub(super) async fn gone_save(&self, key: RecordKey, record: Record, now: Timestamp) -> Result<Save> {
        let choices = self.integration.situations();
        let consent = match (choices.when_gone(), record.email.as_ref().map(Email::identity)) {
            (Vanished::Unsubscribe, Some(email)) => {
                let resolved = self.services.contacts.resolve(&self.integration.scope, None, Some(&email)).await?;
                let mut ledger = resolved.consent;
                ledger.take(ConsentEntry {
                    status: ConsentStatus::OptedOut,
                    source: ConsentSource::Application,
                    at: now,
                    proof: Some("the application does not have the record any more".to_owned()),
                });
                Some((email, ledger))
            }
            _ => None,
        };
        let record = Record { gone_since: Some(now), version: record.version + 1, updated_at: now, ..record };
        Ok(Save { key, record, claim: Vec::new(), release: Vec::new(), consent })
    }
}

/// Whether a row may make somebody known.
fn may_begin(row: &Incoming, resolved: &Resolved, tombstones: &HashMap<Identity, Timestamp>) -> Result<()> {
    if tombstone::may_begin(row.made_at, &row.identities(), resolved, tombstones) {
        Ok(())
    } else {
        Err(tombstone::refusal())
    }
}

/// Whether no other row of the round is about the record or claims one of its identities.
fn is_free(taken: &mut HashSet<String>, choice: &Choice) -> bool {
    let names = choice.unclaimed.iter().map(|identity| format!("{:?} {}", identity.kind(), identity.digest()));
    let names: Vec<String> = names.chain([choice.key.as_str().to_owned()]).collect();
    let free = names.iter().all(|name| !taken.contains(name));
    if free {
        taken.extend(names);
    }
    free
}

/// A column without a value takes away only what the record has; and where a value of the platform, blank or not, stands in
/// the place of the application's, it says what the application holds by now. Else it is kept as a blank, which takes nothing
/// away on the platform: it says that the newest state has the column, and that no older one fills it.
fn settle_blanks(row: &mut Incoming, record: Option<&Record>) {
    let takes_away = |name: &str| {
        record.is_some_and(|record| {
            let is_held = record.fields.get(name).is_some_and(|value| !is_blank_text(value));
            is_held || record.overlaid.contains_key(name)
        })
    };
    for (name, change) in &mut row.change.fields {
        if *change == Change::Clear && !takes_away(name) {
            *change = Change::Set(json!(""));
        }
    }
}

pub(super) fn changes_something(draft: &Draft) -> bool {
    draft.record_changed || draft.consent_changed || !draft.claim.is_empty()
}

/// Whether the platform has to be told.
pub(super) fn is_to_be_sent(draft: &Draft) -> bool {
    !draft.platform_is_settled() || draft.has_open_memberships() || draft.record.awaited.is_some()
}

/// Whether the row was known before and has a contact, which it may take something from.
pub(super) fn is_known(planned: &Planned) -> bool {
    planned.known && planned.draft.remote_id().is_some()
}

pub(super) fn blanks_something(planned: &Planned) -> bool {
    is_known(planned) && !planned.draft.clear.is_empty()
}

pub(super) fn save_of(draft: &Draft) -> Save {
    Save {
        key: draft.key.clone(),
        record: draft.record.clone(),
        claim: draft.claim.clone(),
        release: draft.release.clone(),
        consent: push::consent_of(draft),
    }
}

/// What is wrong with the row itself, rather than what follows from it.
pub(super) fn first_issue(row: &Incoming, failure: &Failure) -> FieldIssue {
    let about_email = row.change.issues.iter().find(|issue| issue.field.ends_with("email"));
    let issue = about_email.or(failure.fields.first()).cloned();
    issue.unwrap_or_else(|| FieldIssue::new("id", IssueCode::Invalid, failure.message.clone()))
}
