//! Which record a change is about: by the record's key, or by the identities of a person.

use crate::domain::consent::ConsentLedger;
use crate::domain::identity::{Email, ExternalId, Identity, RecordKey};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::record::Record;
use crate::domain::situation::Situation;
use crate::error::{Failure, FailureKind, Result};
use crate::ports::{Resolved, Save, Stored};

use super::super::change::{ContactChange, Subject};
use super::super::plan::Found;
use super::super::services::Desk;

impl Desk {
    /// Reads the record that a change is about.
    pub(crate) async fn find(&self, change: &ContactChange) -> Result<Found> {
        match &change.subject {
            Subject::Known(key) => self.find_known(key).await,
            Subject::Other { kind, id } => self.find_known(&RecordKey::first_known_by(&id.identity_as(*kind))).await,
            Subject::Person { external_id, email } => self.find_person(external_id.as_ref(), email.as_ref()).await,
        }
    }

    /// What is wrong with an address that the platform would change or refuse: the record does without it.
    pub(in crate::sync) fn address_flaw(&self, email: &Email) -> Option<FieldIssue> {
        let flaw = self.integration.vocabulary.address_flaw(email)?;
        Some(FieldIssue::new("contact.email", IssueCode::Invalid, format!("The address {flaw}.")))
    }

    async fn find_known(&self, key: &RecordKey) -> Result<Found> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let stored = contacts.load(scope, key).await?;
        let Some(record) = &stored.record else {
            return Err(forgotten());
        };
        if let Some(email) = self.awaited_now(key, record).await? {
            return self.found_with(key, stored, email).await;
        }
        let identity = record.email.as_ref().map(Email::identity);
        let consent = match &identity {
            Some(identity) => contacts.resolve(scope, None, Some(identity)).await?.consent,
            None => ConsentLedger::default(),
        };
        Ok(Found::known(key.clone(), stored, consent))
    }

    /// The record with the address that it waited for; an opt-out moves along with the person.
    pub(crate) async fn found_with(&self, key: &RecordKey, stored: Stored, email: Email) -> Result<Found> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let mut consent = contacts.resolve(scope, None, Some(&email.identity())).await?.consent;
        let old = stored.record.as_ref().and_then(|record| record.email.as_ref()).map(Email::identity);
        if let Some(old) = old.filter(|_| consent.standing().is_none()) {
            consent = contacts.resolve(scope, None, Some(&old)).await?.consent;
        }
        let unclaimed = vec![email.identity()];
        Ok(Found { unclaimed, email: Some(email), ..Found::known(key.clone(), stored, consent) })
    }

    async fn find_person(&self, external: Option<&ExternalId>, email: Option<&Email>) -> Result<Found> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let flaw = email.and_then(|email| self.address_flaw(email));
        let email = email.filter(|_| flaw.is_none());
        let external_identity = external.map(ExternalId::identity);
        let email_identity = email.map(Email::identity);
        let mut resolved = contacts.resolve(scope, external_identity.as_ref(), email_identity.as_ref()).await?;
        let mut choice = chosen(&resolved, &external_identity, &email_identity, flaw.as_ref())?;
        let mut stored = contacts.load(scope, &choice.key).await?;
        let is_dead_end = is_dead_end(&resolved, &choice.key, &stored);
        if is_dead_end {
            self.end(&choice.key, external_identity.iter().chain(&email_identity)).await?;
        }
        if is_dead_end || self.free_given_up(&resolved, &choice.key, &stored, email).await? {
            resolved = contacts.resolve(scope, external_identity.as_ref(), email_identity.as_ref()).await?;
            choice = chosen(&resolved, &external_identity, &email_identity, flaw.as_ref())?;
            stored = contacts.load(scope, &choice.key).await?;
        }
        choice.issues.extend(flaw);
        if resolved.by_external_id.is_none() && resolved.by_email.is_none() && stored.is_taken() {
            choice.key = self.free_key(choice.key).await?;
            stored = Stored::default();
        }
        let consent = match choice.consent_elsewhere(&stored, &resolved, email) {
            Some(identity) => contacts.resolve(scope, None, Some(&identity)).await?.consent,
            None => resolved.consent,
        };
        Ok(choice.found(stored, consent, external, email))
    }
}

impl Desk {
    /// Frees an address that leads to a record which does not have it: who has it next is somebody else. One read where another
    /// record than the chosen one has it; a write, if the address is free.
    async fn free_given_up(
        &self,
        resolved: &Resolved,
        chosen: &RecordKey,
        stored: &Stored,
        email: Option<&Email>,
    ) -> Result<bool> {
        let Some((holder, email)) = resolved.by_email.as_ref().zip(email) else { return Ok(false) };
        if holder != chosen {
            let record = self.services.contacts.load(&self.integration.scope, holder).await?.record;
            return self.free(holder, record.as_ref(), email).await;
        }
        // Where there is no record yet, all that is known of the person leads to where it will be.
        match &stored.record {
            Some(record) => self.free(holder, Some(record), email).await,
            None => Ok(false),
        }
    }

    /// The record beside this one that has an address, if there is one. An address that leads to a record which does not have it is
    /// freed. Two reads, if it leads elsewhere; a write then, if it is free.
    pub(in crate::sync) async fn other_holder(&self, key: &RecordKey, email: &Email) -> Result<Option<RecordKey>> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let holder = contacts.resolve(scope, None, Some(&email.identity())).await?.by_email;
        let Some(holder) = holder.filter(|holder| holder != key) else { return Ok(None) };
        let record = contacts.load(scope, &holder).await?.record;
        Ok((!self.free(&holder, record.as_ref(), email).await?).then_some(holder))
    }

    /// Frees an address that leads to a record which has another one by now, and whose write to the platform was cut off before that
    /// was noted; or to one that never came. Whether it is free.
    async fn free(&self, holder: &RecordKey, record: Option<&Record>, email: &Email) -> Result<bool> {
        match record {
            Some(record) if record.has_address(email) => return Ok(false),
            Some(record) => self.give_up(holder, record, email).await?,
            None => self.end(holder, [&email.identity()]).await?,
        }
        Ok(true)
    }

    /// Puts an end to a record that never came, and to what leads there of these identities.
    pub(in crate::sync) async fn end(
        &self,
        key: &RecordKey,
        identities: impl IntoIterator<Item = &Identity>,
    ) -> Result<()> {
        let identities: Vec<Identity> = identities.into_iter().cloned().collect();
        tracing::info!(record = key.as_str(), "a record that never came is given up");
        self.services.contacts.void(&self.integration.scope, key, &identities).await
    }

    /// Ends what leads from an address to a record that has another one by now. One write.
    pub(in crate::sync) async fn give_up(&self, holder: &RecordKey, record: &Record, email: &Email) -> Result<()> {
        let next = Record { version: record.version + 1, ..record.clone() };
        let save = Save { release: vec![email.identity()], ..Save::of(holder, &next) };
        // Somebody else changed the record just now: whoever asks reads it anew.
        self.services.contacts.save_record(&self.integration.scope, &save).await.map(drop)
    }

    /// The key for somebody new, where the first one is that of a record which gave its identity up, or void. A read for each that is
    /// taken.
    pub(in crate::sync) async fn free_key(&self, taken: RecordKey) -> Result<RecordKey> {
        let mut key = taken.next();
        while self.services.contacts.load(&self.integration.scope, &key).await?.is_taken() {
            key = key.next();
        }
        Ok(key)
    }
}

/// What the identities mean; a flaw of the address is told with what else is wrong.
fn chosen(
    resolved: &Resolved,
    external: &Option<Identity>,
    email: &Option<Identity>,
    flaw: Option<&FieldIssue>,
) -> Result<Choice> {
    choose(resolved, external.clone(), email.clone()).map_err(|failure| match flaw {
        Some(flaw) => failure.with_fields(vec![flaw.clone()]),
        None => failure,
    })
}

/// There is no record any more.
pub(crate) fn forgotten() -> Failure {
    Failure::new(FailureKind::NotFound, "the record was deleted").because(Situation::Erased)
}

/// Which record the identities mean.
pub(in crate::sync) struct Choice {
    /// The record.
    pub(in crate::sync) key: RecordKey,
    /// Identities that do not point to it yet.
    pub(in crate::sync) unclaimed: Vec<Identity>,
    keep_old_email: bool,
    issues: Vec<FieldIssue>,
}

impl Choice {
    /// The address whose consent counts, when it is not the one that was resolved: the record keeps another one, or the
    /// person changes the address, and an opt-out moves along with the person.
    pub(in crate::sync) fn consent_elsewhere(
        &self,
        stored: &Stored,
        resolved: &Resolved,
        email: Option<&Email>,
    ) -> Option<Identity> {
        let held = stored.record.as_ref()?.email.as_ref()?;
        let given = email.filter(|given| !self.keep_old_email && !is_old_word(stored, given));
        let moves = given.is_some_and(|given| given != held) && resolved.consent.standing().is_none();
        (given.is_none() || moves).then(|| held.identity())
    }

    /// What was found, with what is stored of the record.
    pub(in crate::sync) fn found(
        self,
        stored: Stored,
        consent: ConsentLedger,
        external: Option<&ExternalId>,
        email: Option<&Email>,
    ) -> Found {
        let Self { key, unclaimed, keep_old_email, mut issues } = self;
        let held = stored.record.as_ref().and_then(|record| record.external_id.as_ref());
        if is_anothers(external, held) {
            issues.push(FieldIssue::new(
                "id",
                IssueCode::SharedIdentity,
                "Another record of the application has the same address: both are one contact, the newest write wins.",
            ));
        }
        let awaited = email.filter(|_| keep_old_email).cloned();
        let email = email.filter(|given| !keep_old_email && !is_old_word(&stored, given)).cloned();
        Found { key, stored, consent, unclaimed, issues, email, awaited }
    }
}

/// Whether identities lead to a record that is not there and that nobody can go on with. Identities are reserved before records are
/// stored: who finds one that leads to no record may go on with its key, unless another identity leads to somebody else, or the key was
/// given up.
pub(in crate::sync) fn is_dead_end(resolved: &Resolved, key: &RecordKey, stored: &Stored) -> bool {
    let mut known = resolved.by_external_id.iter().chain(&resolved.by_email).peekable();
    stored.record.is_none() && known.peek().is_some() && (stored.is_void || known.any(|other| other != key))
}

/// The external id decides; an address that another record holds is left to it.
pub(in crate::sync) fn choose(
    resolved: &Resolved,
    external: Option<Identity>,
    email: Option<Identity>,
) -> Result<Choice> {
    let known = resolved.by_external_id.as_ref().or(resolved.by_email.as_ref());
    let Some(key) = known else { return choose_new(external, email) };
    let taken = resolved.by_email.as_ref().is_some_and(|holder| holder != key);
    let claim_external = external.filter(|_| resolved.by_external_id.is_none());
    let claim_email = email.filter(|_| resolved.by_email.is_none());
    let issues = taken.then(|| {
        FieldIssue::new(
            "contact.email",
            IssueCode::Taken,
            "Another record has this address: the record keeps the one it had until that one gives it up. The rest was taken.",
        )
    });
    Ok(Choice {
        key: key.clone(),
        unclaimed: claim_external.into_iter().chain(claim_email).collect(),
        keep_old_email: taken,
        issues: issues.into_iter().collect(),
    })
}

fn choose_new(external: Option<Identity>, email: Option<Identity>) -> Result<Choice> {
    if let Some(other) = external.as_ref().filter(|identity| identity.is_of_other_kind()) {
        // Records that are no people are known by their ids alone.
        let key = RecordKey::first_known_by(other);
        return Ok(Choice { key, unclaimed: vec![other.clone()], keep_old_email: false, issues: Vec::new() });
    }
    let Some(email) = email else {
        let missing = FieldIssue::new(
            "contact.email",
            IssueCode::Missing,
            "No contact is known for this id: give an email address to create one.",
        );
        return Err(Failure::new(FailureKind::Invalid, "an email address is needed").with_fields(vec![missing]));
    };
    let first = external.as_ref().unwrap_or(&email);
    let key = RecordKey::first_known_by(first);
    let unclaimed = external.into_iter().chain([email]).collect();
    Ok(Choice { key, unclaimed, keep_old_email: false, issues: Vec::new() })
}

/// Whether a platform's address stands in the place of the one that is given.
fn is_old_word(stored: &Stored, given: &Email) -> bool {
    stored.record.as_ref().is_some_and(|record| record.is_corrected(given))
}

fn is_anothers(given: Option<&ExternalId>, held: Option<&ExternalId>) -> bool {
    matches!((given, held), (Some(given), Some(held)) if given != held)
}
