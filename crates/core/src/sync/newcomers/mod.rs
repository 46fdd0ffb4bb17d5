//! People who appear on a platform (a form, an import by marketing, a contact that a user made) become records of the tenant, by
//! a rule of the integration: linked to the contact that they are, told to the source, and due on the tenant's other platforms.

mod made;
mod rule;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::try_join_all;
use jiff::Timestamp;

use crate::domain::catalog::FieldCatalog;
use crate::domain::identity::{Email, Identity, RecordKey};
use crate::domain::link::RemoteId;
use crate::error::{Failure, FailureKind, Result};
use crate::ports::bulk::{Adoption, BATCH, ChangedContact, Mark};
use crate::ports::source::Appeared;
use crate::ports::{Attempt, Resolved, Save, Stored};

use made::Made;
pub use rule::Newcomers;

use super::change::ContactChange;
use super::lists::named;
use super::plan::{self, Found};
use super::services::Desk;

/// What became of contacts that no record belonged to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// How many are records now.
    pub(crate) taken: u64,
    /// Those whom somebody else was just making a record of: they are to be looked at once more.
    pub(crate) left: BTreeSet<RemoteId>,
}

impl Arrived {
    /// What a job of one contact ends with.
    ///
    /// # Errors
    /// `Conflict` while somebody else makes a record of the person.
    pub(crate) fn settled(&self, contact: &RemoteId) -> Result<()> {
        if self.left.contains(contact) { Err(being_made()) } else { Ok(()) }
    }
}

/// A contact with its address.
type Addressed = (Email, ChangedContact);

impl Desk {
    /// Reads contacts (at most [`BATCH`]) that no record belonged to when they were told of, and takes those in whom the rule
    /// takes; gives those that are to be looked at once more. A call for all of them, and one for each where the rule asks for a
    /// segment; three reads and a write, and a read for each.
    ///
    /// # Errors
    /// As platform, table and source fail; doing it again is sound.
    pub(crate) async fn look_at_newcomers(&self, contacts: &[RemoteId], correlation_id: &str) -> Result<Arrived> {
        if self.integration.newcomers.is_nobody() || contacts.is_empty() {
            return Ok(Arrived::default());
        }
        let strangers = self.strangers(contacts.to_vec()).await?;
        let shown = self.integration.bulk.read_many(&strangers).await?;
        self.take_newcomers(shown, correlation_id).await
    }

    /// As a job of one contact.
    ///
    /// # Errors
    /// As [`Desk::look_at_newcomers`]; `Conflict` while somebody else makes a record of the person.
    pub(crate) async fn take_newcomer(&self, contact: &RemoteId, correlation_id: &str) -> Result<()> {
        self.look_at_newcomers(std::slice::from_ref(contact), correlation_id).await?.settled(contact)
    }

    /// Takes in those of the contacts whom the rule takes, and to whom no record belongs.
    pub(crate) async fn take_newcomers(&self, shown: Vec<ChangedContact>, correlation_id: &str) -> Result<Arrived> {
        let mut arrived = Arrived::default();
        if self.integration.newcomers.is_nobody() {
            return Ok(arrived);
        }
        for some in shown.chunks(BATCH) {
            let welcome = self.welcome(some).await?;
            let made = self.made(welcome).await?;
            self.adopt(made, &mut arrived, correlation_id).await?;
        }
        Ok(arrived)
    }

    /// The contacts that no record belongs to. One read for 100.
    async fn strangers(&self, contacts: Vec<RemoteId>) -> Result<Vec<RemoteId>> {
        let keys = self.services.bulk.by_remote_ids(&self.integration.scope, &contacts).await?;
        Ok(contacts.into_iter().zip(keys).filter(|(_, key)| key.is_none()).map(|(contact, _)| contact).collect())
    }

    /// Strangers with an address whom the rule takes; of several with one address the oldest.
    async fn welcome(&self, shown: &[ChangedContact]) -> Result<Vec<Addressed>> {
        let integration = &self.integration;
        let mut by_address: BTreeMap<Email, ChangedContact> = BTreeMap::new();
        for changed in shown.iter().filter(|one| integration.newcomers.may_take(&one.contact, &integration.rules)) {
            let address = changed.contact.email.as_deref().and_then(|text| text.parse::<Email>().ok());
            let Some(email) = address.filter(|email| integration.vocabulary.address_flaw(email).is_none()) else {
                continue;
            };
            let is_older = |known: &ChangedContact| age(&changed.contact.id) < age(&known.contact.id);
            if by_address.get(&email).is_none_or(is_older) {
                by_address.insert(email, changed.clone());
            }
        }
        let strangers: BTreeSet<RemoteId> = {
            let contacts = by_address.values().map(|changed| changed.contact.id.clone()).collect();
            self.strangers(contacts).await?.into_iter().collect()
        };
        let mut welcome = Vec::new();
        for (email, changed) in by_address {
            if strangers.contains(&changed.contact.id) && self.is_in_segment(&changed.contact.id).await? {
                welcome.push((email, changed));
            }
        }
        Ok(welcome)
    }

    /// Whether a contact is in the segment that the rule asks for, if it asks for one. One call then.
    async fn is_in_segment(&self, contact: &RemoteId) -> Result<bool> {
        let Some(name) = self.integration.newcomers.segment() else { return Ok(true) };
        let segments = self.integration.platform.segments_of(contact).await?;
        Ok(!named(&segments, name).is_empty())
    }

    /// The records of people whom nobody knows and who were never deleted. Somebody whom the tenant knows, and who has no contact
    /// here yet, is left to the next send, which finds this one.
    async fn made(&self, welcome: Vec<Addressed>) -> Result<Vec<(Made, ChangedContact)>> {
        let (services, scope) = (&self.services, &self.integration.scope);
        let identities: Vec<(Option<Identity>, Option<Identity>)> =
            welcome.iter().map(|(email, _)| (None, Some(email.identity()))).collect();
        let mut resolved = services.bulk.resolve_many(scope, &identities).await?;
        let addresses: Vec<Identity> = identities.into_iter().filter_map(|(_, address)| address).collect();
        let gone = services.lifecycle.tombstones(scope, &addresses).await?;
        let known: Vec<RecordKey> = resolved.iter().filter_map(|one| one.by_email.clone()).collect();
        let missing = self.leave_to_send(known).await?;
        for (one, address) in resolved.iter_mut().zip(&addresses) {
            if let Some(key) = one.by_email.take_if(|key| missing.contains(key)) {
                self.end(&key, [address]).await?;
            }
        }
        let new = self.never_deleted(welcome.into_iter().zip(resolved), &gone).await?;
        let catalog = self.catalog().await;
        let (book, by, now) = (self.rulebook(catalog.as_deref()), &scope.integration, self.now());
        let make = |((email, changed), resolved): (Addressed, Resolved)| {
            (Made::of(&changed, &email, resolved.consent, &book, by, now), changed)
        };
        self.with_free_keys(new.into_iter().map(make).collect()).await
    }

    /// The same, those with a key of their own whose first one is void, or a record has that gave the address up. One read for 50.
    async fn with_free_keys(&self, mut made: Vec<(Made, ChangedContact)>) -> Result<Vec<(Made, ChangedContact)>> {
        let keys: Vec<RecordKey> = made.iter().map(|(made, _)| made.key.clone()).collect();
        let stored = self.services.bulk.load_many(&self.integration.scope, &keys).await?;
        for ((made, _), stored) in made.iter_mut().zip(stored) {
            if stored.is_taken() {
                made.key = self.free_key(made.key.clone()).await?;
            }
        }
        Ok(made)
    }

    async fn never_deleted(
        &self,
        welcome: impl Iterator<Item = (Addressed, Resolved)>,
        gone: &HashMap<Identity, Timestamp>,
    ) -> Result<Vec<(Addressed, Resolved)>> {
        let (lifecycle, scope) = (&self.services.lifecycle, &self.integration.scope);
        let unknown = welcome
            .filter(|((email, _), resolved)| resolved.by_email.is_none() && !gone.contains_key(&email.identity()));
        let asked = unknown.map(|one| async move {
            let was_deleted = lifecycle.contact_gone_since(scope, &one.0.1.contact.id).await?.is_some();
            Ok::<_, Failure>((!was_deleted).then_some(one))
        });
        Ok(try_join_all(asked).await?.into_iter().flatten().collect())
    }

    /// Has the send find the contacts of records that have none here; gives the keys at which there is no record. One read and one
    /// write for 50 and 100.
    async fn leave_to_send(&self, known: Vec<RecordKey>) -> Result<BTreeSet<RecordKey>> {
        let (bulk, scope, now) = (&self.services.bulk, &self.integration.scope, self.now());
        let stored = bulk.load_many(scope, &known).await?;
        let missing = known.iter().zip(&stored).filter(|(_, stored)| stored.record.is_none());
        let missing = missing.map(|(key, _)| key.clone()).collect();
        let unlinked = known.into_iter().zip(stored).filter(|(_, stored)| {
            let is_held = stored.lease.as_ref().is_some_and(|lease| lease.is_held(now));
            !is_held && stored.link.as_ref().is_none_or(|link| link.remote_id.is_none())
        });
        let marks: Vec<Mark> =
            unlinked.filter_map(|(key, stored)| Some(Mark::new(key, stored.record?.version, now))).collect();
        bulk.mark_many(scope, &marks).await?;
        Ok(missing)
    }

    /// Tells the source, then stores record, link and what leads to them, all or nothing: whoever dies on the way is followed by a
    /// look that does both.
    async fn adopt(
        &self,
        made: Vec<(Made, ChangedContact)>,
        arrived: &mut Arrived,
        correlation_id: &str,
    ) -> Result<()> {
        if made.is_empty() {
            return Ok(());
        }
        let (services, scope, now) = (&self.services, &self.integration.scope, self.now());
        let told: Vec<Appeared> = made.iter().map(|(made, changed)| self.appeared(made, changed)).collect();
        services.source.appeared(scope, &told).await?;
        let catalog = self.catalog().await;
        let adoptions: Vec<Adoption> = made.iter().map(|(made, _)| self.adoption(made, catalog.as_deref())).collect();
        let attempts = services.bulk.adopt_many(scope, &adoptions, now).await?;
        for ((made, changed), attempt) in made.into_iter().zip(attempts) {
            let contact = changed.contact.id;
            if attempt == Attempt::Contended {
                arrived.left.insert(contact);
                continue;
            }
            arrived.taken += 1;
            if made.ledger.word().is_some() {
                self.tell_source(&contact, &format!("appeared:{contact}"), correlation_id).await?;
            }
        }
        tracing::info!(taken = arrived.taken, left = arrived.left.len(), "people appeared on the platform");
        Ok(())
    }

    fn appeared(&self, made: &Made, changed: &ChangedContact) -> Appeared {
        Appeared {
            record: made.key.clone(),
            email: made.record.email.clone(),
            fields: made.fields(),
            integration: self.integration.scope.integration.clone(),
            at: changed.at,
        }
    }

    /// It is due here, too, when the platform lacks something: an opt-out of the address that it does not know of.
    fn adoption(&self, made: &Made, catalog: Option<&FieldCatalog>) -> Adoption {
        let Made { key, record, link, ledger, has_said } = made.clone();
        let address = record.email.as_ref().map(Email::identity);
        let stored = Stored { record: Some(record.clone()), link: Some(link.clone()), ..Stored::default() };
        let found = Found::known(key.clone(), stored, ledger.clone());
        let draft = plan::plan(&ContactChange::refresh(key.clone()), found, &self.rulebook(catalog), self.now());
        let save = Save {
            claim: address.iter().cloned().collect(),
            consent: address.zip(has_said.then_some(ledger)),
            ..Save::of(&key, &record)
        };
        Adoption { save, link, is_due: !draft.platform_is_settled() }
    }
}

/// Contacts are numbered in the order in which they were made, where ids are numbers.
fn age(contact: &RemoteId) -> (usize, &str) {
    (contact.0.len(), &contact.0)
}

fn being_made() -> Failure {
    Failure::new(FailureKind::Conflict, "a record of the person is being made just now")
}
