//! One contact's write, made while its lease is held: find or create it there, change what differs, see to consent.

use jiff::Timestamp;

use crate::domain::identity::RecordKey;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::{Lease, Link, LinkState, RemoteId};
use crate::domain::platform::{ContactWrite, RemoteContact};
use crate::error::{Effect, Failure, FailureKind, Result};
use crate::jobs::message::MembershipList;
use crate::mapping::casts_to_zero;
use crate::policy;
use crate::ports::{Commit, MarketingPlatform};

use super::change::{IdentifyCase, PushAction, Pushed, Visitor};
use super::left_out;
use super::plan::{self, Draft};
use super::services::Desk;

/// A write under way: the lease is ours until [`Writing::concluded`] or [`Writing::refused`] is committed.
pub struct Writing<'a> {
    pub(super) desk: &'a Desk,
    pub(super) draft: Draft,
    link: Link,
    lease: Lease,
    refused: Vec<String>,
    in_doubt: bool,
    /// No create made a contact so far, and none is under way.
    unmade: bool,
    made_anew: bool,
    visitor_is_another: bool,
}

/// What the platform holds after the write.
pub struct Wrote {
    contact: RemoteContact,
    action: PushAction,
    case: IdentifyCase,
    consent_learnt: bool,
    not_enrolled: Option<Failure>,
}

/// The contact before the fields are written.
enum Target {
    /// It is there: its fields are to be changed.
    Existing(RemoteId, IdentifyCase),
    /// It was just made, with all fields.
    Made(RemoteContact, PushAction),
}

impl<'a> Writing<'a> {
    pub(crate) fn new(desk: &'a Desk, draft: Draft, link: Link, lease: Lease) -> Self {
        let (refused, unmade) = (draft.refused.keys().cloned().collect(), !draft.may_have_been_created());
        Self { desk, draft, link, lease, refused, in_doubt: false, unmade, made_anew: false, visitor_is_another: false }
    }

    /// The record's key.
    #[must_use]
    pub fn key(&self) -> &RecordKey {
        &self.draft.key
    }

    /// The owner of the lease.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.lease.owner
    }

    /// When the lease ends by itself.
    #[must_use]
    pub fn lease_until(&self) -> Timestamp {
        self.lease.until
    }

    /// Issues so far.
    #[must_use]
    pub fn issues(&self) -> Vec<FieldIssue> {
        self.draft.issues.clone()
    }

    /// The visitor that the person was.
    #[must_use]
    pub fn visitor(&self) -> Option<&Visitor> {
        self.draft.visitor.as_ref()
    }

    /// Whether a create was sent whose outcome is not known.
    #[must_use]
    pub fn creation_is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// The commit of a write that failed before it made a contact: the next one need not look for it. `None` when there is one,
    /// or may be.
    #[must_use]
    pub fn unmade(&self) -> Option<Commit> {
        if !self.unmade || self.link.remote_id.is_some() {
            return None;
        }
        let link = Link { unmade: true, ..self.stamped(self.desk.now()) };
        Some(self.bare_commit(link))
    }

    /// Writes the contact.
    ///
    /// # Errors
    /// As the platform fails; [`Writing::creation_is_in_doubt`] tells whether a contact may have been made all the same.
    pub async fn run(&mut self) -> Result<Wrote> {
        let (mut contact, action, case) = match self.target().await? {
            Target::Made(contact, action) => (contact, action, IdentifyCase::Created),
            Target::Existing(id, case) => {
                let contact = self.change(&id).await?;
                (contact, if self.made_anew { PushAction::Created } else { PushAction::Updated }, case)
            }
        };
        let consent_learnt = self.settle_consent(&mut contact).await?;
        let not_enrolled = self.enrol(&contact.id).await?;
        Ok(Wrote { contact, action, case, consent_learnt, not_enrolled })
    }

    pub(super) fn platform(&self) -> &'a dyn MarketingPlatform {
        &*self.desk.integration.platform
    }

    /// No write to the platform is begun that could outlive the lease.
    async fn still_ours(&self) -> Result<()> {
        // What fails here has had no effect on the contact, whatever became of the token.
        self.platform().ready().await.map_err(|failure| Failure { effect: Effect::None, ..failure })?;
        if policy::after(self.desk.now(), policy::LEASE_MARGIN) < self.lease.until {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Timeout, "the platform took too long for the whole write").maybe_done())
    }

    async fn target(&mut self) -> Result<Target> {
        if let Some(id) = self.draft.remote_id() {
            return Ok(Target::Existing(id.clone(), IdentifyCase::KnownEmail));
        }
        if (self.draft.may_have_been_created() || self.draft.visitor.is_some())
            && let Some(target) = self.look_up().await?
        {
            return Ok(target);
        }
        match self.create().await {
            Err(failure) if failure.kind == FailureKind::Taken => {
                self.look_up().await?.ok_or_else(|| held_elsewhere(&failure))
            }
            Err(failure) if failure.effect == Effect::Unknown => self.resolve_lost_reply(failure).await,
            other => other,
        }
    }

    /// The contact that has the address, or else the visitor, if that is the same person.
    async fn look_up(&mut self) -> Result<Option<Target>> {
        let Some(email) = self.draft.record.email.clone() else { return Ok(None) };
        let found = self.platform().find_by_email(&email).await?;
        self.unmade = found.is_empty();
        if let Some(contact) = oldest(&found) {
            if found.len() > 1 {
                self.draft.issues.push(duplicates(found.len()));
            }
            return Ok(Some(Target::Existing(contact.id.clone(), IdentifyCase::KnownEmail)));
        }
        match self.draft.visitor.clone() {
            Some(visitor) => self.look_up_visitor(&visitor).await,
            None => Ok(None),
        }
    }

    async fn look_up_visitor(&mut self, visitor: &Visitor) -> Result<Option<Target>> {
        let contact = match self.platform().get(&visitor.id).await {
            Ok(contact) => contact,
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let anonymous = contact.email.as_deref().is_none_or(|email| email.trim().is_empty());
        self.visitor_is_another = !anonymous && !visitor.trusted;
        Ok((!self.visitor_is_another).then_some(Target::Existing(contact.id, IdentifyCase::ClaimedAnonymous)))
    }

    async fn create(&mut self) -> Result<Target> {
        let write = self.full_write().await?;
        match self.create_with(&write).await {
            Err(failure) if self.without_refused(&failure) => {
                let write = self.full_write().await?;
                self.create_with(&write).await
            }
            other => other,
        }
    }

    /// A create with zeros must not be the platform's upsert, which drops them; that one in turn spares a look-up.
    async fn create_with(&mut self, write: &ContactWrite) -> Result<Target> {
        self.still_ours().await?;
        let sent =
            if has_zero(write) { self.platform().create(write).await } else { self.platform().upsert(write).await };
        self.unmade = sent.as_ref().is_err_and(is_without_a_contact);
        let written = sent?;
        let action = if written.created { PushAction::Created } else { PushAction::Updated };
        Ok(Target::Made(written.contact, action))
    }

    /// The create may have been done: only the platform knows.
    async fn resolve_lost_reply(&mut self, failure: Failure) -> Result<Target> {
        self.in_doubt = true;
        let found = self.look_up().await.ok().flatten();
        match found {
            Some(Target::Existing(id, _)) => {
                self.in_doubt = false;
                let contact = self.change(&id).await?;
                Ok(Target::Made(contact, PushAction::Created))
            }
            _ => Err(failure),
        }
    }

    async fn full_write(&mut self) -> Result<ContactWrite> {
        let mut wanted = self.draft.wanted.clone();
        wanted.retain(|name, _| !self.refused.contains(name));
        self.with_stage_id(plan::contact_write(&wanted, &Default::default())).await
    }

    /// Changes what differs from what was last sent; everything, when that is not known.
    async fn change(&mut self, id: &RemoteId) -> Result<RemoteContact> {
        match self.change_once(id).await {
            Err(failure) if failure.kind == FailureKind::NotFound => self.create_anew().await,
            Err(failure) if self.without_refused(&failure) => self.change_once(id).await,
            other => other,
        }
    }

    async fn change_once(&mut self, id: &RemoteId) -> Result<RemoteContact> {
        let known = self.draft.remote_id().is_some();
        let mut values = if known { self.draft.set.clone() } else { self.draft.wanted.clone() };
        values.retain(|name, _| !self.refused.contains(name));
        let mut write = self.with_stage_id(plan::contact_write(&values, &self.link.snapshot)).await?;
        // The contact may have an entry already, and its reason must stay: mail is forbidden once the answer shows none.
        write.forbid_mail = None;
        self.still_ours().await?;
        if has_zero(&write) || !self.draft.clear.is_empty() {
            self.platform().rewrite(id, &write, &self.draft.clear).await
        } else if write == ContactWrite::default() {
            self.platform().get(id).await
        } else {
            self.platform().update(id, &write).await
        }
    }

    /// The contact is gone from the platform, and the application says that it should be there.
    async fn create_anew(&mut self) -> Result<RemoteContact> {
        self.draft.link.remote_id = None;
        self.link.remote_id = None;
        self.link.snapshot.clear();
        self.link.campaigns.clear();
        self.link.seen.clear();
        self.draft.withheld.clear();
        self.draft.enrol = self.campaign();
        match Box::pin(self.target()).await? {
            Target::Made(contact, action) => {
                self.made_anew = action == PushAction::Created;
                Ok(contact)
            }
            Target::Existing(id, _) => self.change_once(&id).await,
        }
    }

    /// Leaves out the fields that the platform refused; false when it is the address of a new contact, or nothing is named.
    fn without_refused(&mut self, failure: &Failure) -> bool {
        let email_taken = failure.kind == FailureKind::Taken && self.draft.remote_id().is_some();
        if !email_taken && failure.kind != FailureKind::Refused {
            return false;
        }
        let mut names: Vec<String> = failure.fields.iter().map(|issue| issue.field.clone()).collect();
        if email_taken && names.is_empty() {
            names.push("email".to_owned());
        }
        names.retain(|name| self.draft.wanted.contains_key(name) && !self.refused.contains(name));
        let fatal = names.is_empty() || (names.iter().any(|name| name == "email") && self.draft.remote_id().is_none());
        if fatal {
            return false;
        }
        for name in names {
            self.draft.issues.push(self.refusal(&name, email_taken));
            self.refused.push(name);
        }
        true
    }

    fn refusal(&self, name: &str, taken: bool) -> FieldIssue {
        let field = self.desk.integration.rules.path_of_remote(name);
        if taken && name == "email" {
            return FieldIssue::new(field, IssueCode::Taken, "Another contact of the platform has this address.");
        }
        FieldIssue::new(field, IssueCode::RefusedByPlatform, "The platform refused the value; the rest was taken.")
    }

    /// A stage is written by its id; one that the platform does not have is left out. That is worth an issue when the
    /// record names a stage, and none when the stage only follows from another field.
    async fn with_stage_id(&mut self, mut write: ContactWrite) -> Result<ContactWrite> {
        let Some(name) = write.stage.take() else { return Ok(write) };
        let reference = &self.desk.integration.reference;
        write.stage = reference.stage_id(&name, self.desk.now(), self.platform()).await?;
        let is_named = self.draft.record.fields.get("stage").is_some_and(|stage| !stage.is_null());
        let is_known = self.draft.issues.iter().any(|issue| issue.field == "stage");
        if write.stage.is_none() && is_named && !is_known {
            self.draft.issues.push(FieldIssue::new("stage", IssueCode::NotInList, "The platform has no such stage."));
        }
        Ok(write)
    }

    /// The campaign that the contact belongs in by the rule of high-value enrolment.
    fn campaign(&self) -> Option<String> {
        let rule = self.desk.integration.enrolment.as_ref()?;
        rule.takes(&self.draft.record.fields, &self.draft.consent).then(|| rule.campaign.clone())
    }

    /// Puts the contact into its campaign; gives the failure when that has to be done later.
    async fn enrol(&mut self, contact: &RemoteId) -> Result<Option<Failure>> {
        let Some(campaign) = self.draft.enrol.clone() else { return Ok(None) };
        let list = MembershipList::Campaign(campaign.clone());
        match self.platform().set_membership(contact, &list, true).await {
            Ok(()) => {
                self.link.campaigns.insert(campaign);
                Ok(None)
            }
            Err(failure) => {
                let later = policy::may_be_done_later(failure.kind);
                let code = if later { IssueCode::Deferred } else { IssueCode::RefusedByPlatform };
                self.draft.issues.push(FieldIssue::new("enrolledIn", code, format!("The campaign: {failure}")));
                Ok(later.then_some(failure))
            }
        }
    }

    /// The commit of a finished write, the answer for the caller, and why the contact is not in its campaign yet.
    #[must_use]
    pub fn concluded(mut self, wrote: Wrote) -> (Commit, Pushed, Option<Failure>) {
        let now = self.desk.now();
        let known = self.link.remote_id.as_ref() == Some(&wrote.contact.id);
        self.link.follow_merge(wrote.contact.id.clone());
        let rules = &self.desk.integration.rules;
        let left_out = left_out::of_write(&self.draft, &self.refused, &wrote.contact, rules, now);
        let lost: Vec<_> = left_out.iter().filter(|(name, _)| !self.refused.contains(name)).collect();
        if !lost.is_empty() {
            self.desk.integration.reference.doubt_catalog(now);
        }
        self.draft.issues.extend(lost.into_iter().map(|(name, refusal)| left_out::issue(name, refusal, rules)));
        plan::note_written(&mut self.link, &self.draft, &self.refused, left_out, &wrote.contact);
        let kept_address = self.refused.iter().any(|name| name == "email");
        let release = self.draft.release.clone().filter(|_| !kept_address);
        let identity = self.draft.record.email.as_ref().map(|email| email.identity());
        let learnt = wrote.consent_learnt.then(|| self.draft.consent.clone());
        let commit = Commit {
            key: self.draft.key.clone(),
            link: self.stamped(now),
            owner: self.lease.owner.clone(),
            release: release.into_iter().collect(),
            point: if known { Vec::new() } else { vec![wrote.contact.id.clone()] },
            consent: identity.zip(learnt),
        };
        let pushed = Pushed {
            contact: wrote.contact.id,
            action: wrote.action,
            case: if self.visitor_is_another { IdentifyCase::OtherPerson } else { wrote.case },
            enrolled_in: self.link.campaigns.into_iter().collect(),
            issues: self.draft.issues,
        };
        (commit, pushed, wrote.not_enrolled)
    }

    /// The commit of a refused write.
    #[must_use]
    pub fn refused(mut self, failure: &Failure) -> Commit {
        let now = self.desk.now();
        self.link.state = LinkState::Error;
        self.link.error = Some(failure.message.clone());
        self.link.unmade = self.unmade && self.link.remote_id.is_none();
        self.bare_commit(self.stamped(now))
    }

    /// A commit that leaves this link and changes nothing else.
    fn bare_commit(&self, link: Link) -> Commit {
        Commit {
            key: self.draft.key.clone(),
            link,
            owner: self.lease.owner.clone(),
            release: Vec::new(),
            point: Vec::new(),
            consent: None,
        }
    }

    fn stamped(&self, now: Timestamp) -> Link {
        let mut link = self.link.clone();
        link.revision += 1;
        link.updated_at = now;
        link
    }
}

/// Whether a create that failed so made no contact, and found none.
fn is_without_a_contact(failure: &Failure) -> bool {
    failure.effect == Effect::None && failure.kind != FailureKind::Taken
}

fn has_zero(write: &ContactWrite) -> bool {
    write.fields.values().any(casts_to_zero)
}

/// Of contacts that share an address, the oldest: its number is the lowest.
fn oldest(found: &[RemoteContact]) -> Option<&RemoteContact> {
    found.iter().min_by_key(|contact| (contact.id.0.len(), contact.id.0.clone()))
}

fn duplicates(count: usize) -> FieldIssue {
    let message = format!("The platform has {count} contacts with this address; the oldest was written.");
    FieldIssue::new("contact.email", IssueCode::SharedIdentity, message)
}

/// The platform said that the address is taken, yet finds nobody who has it.
fn held_elsewhere(failure: &Failure) -> Failure {
    let mut failure = failure.clone();
    failure.kind = FailureKind::Garbled;
    failure
}
