//! One contact's write, made while its lease is held: find or create it there, change what differs, see to consent.

use jiff::Timestamp;

use crate::domain::association::Association;
use crate::domain::identity::RecordKey;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::{Lease, Link, RemoteId};
use crate::domain::platform::{ContactWrite, RemoteContact};
use crate::domain::situation::{Match, Shown, Situation};
use crate::error::{Effect, Failure, FailureKind, Result};
use crate::jobs::message::MembershipList;
use crate::mapping::situations::WhenFound;
use crate::mapping::{Response, casts_to_zero};
use crate::policy;
use crate::ports::MarketingPlatform;

use super::change::{IdentifyCase, PushAction, Visitor};
use super::decision::{self, Next, Sent};
use super::operations::About;
use super::plan::{self, Draft};
use super::services::Desk;

mod ending;

/// A write under way: the lease is ours until [`Writing::concluded`] or [`Writing::refused`] is committed.
pub struct Writing<'a> {
    pub(super) desk: &'a Desk,
    pub(super) draft: Draft,
    /// What the operation log says of the write.
    pub(super) about: About,
    pub(super) link: Link,
    lease: Lease,
    pub(super) refused: Vec<String>,
    in_doubt: bool,
    /// No create made a contact so far, and none is under way.
    pub(super) unmade: bool,
    made_anew: bool,
    pub(super) visitor_is_another: bool,
    /// All contacts with the address, the oldest first, when there are several.
    pub(super) duplicates: Vec<RemoteId>,
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
pub(super) enum Target {
    /// It is there: its fields are to be changed.
    Existing(RemoteId, IdentifyCase),
    /// It was just made, with all fields.
    Made(RemoteContact, PushAction),
}

impl<'a> Writing<'a> {
    pub(crate) fn new(desk: &'a Desk, draft: Draft, link: Link, lease: Lease) -> Self {
        let (refused, unmade) = (draft.refused.keys().cloned().collect(), !draft.may_have_been_created());
        Self {
            desk,
            about: About::new(&draft.key, draft.situation),
            draft,
            link,
            lease,
            refused,
            in_doubt: false,
            unmade,
            made_anew: false,
            visitor_is_another: false,
            duplicates: Vec::new(),
        }
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
    pub(super) async fn still_ours(&self) -> Result<()> {
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
        if self.is_to_be_looked_up()
            && let Some(target) = self.look_up().await?
        {
            return Ok(target);
        }
        if self.draft.follows != Response::Create {
            return Err(decision::stopped(self.draft.situation));
        }
        match self.create().await {
            Err(failure) if failure.effect == Effect::Unknown => self.resolve_lost_reply(failure).await,
            Err(failure) if self.after(&failure, false, 1) == Next::LookUp => match self.look_up().await? {
                Some(target) => Ok(target),
                None => self.create_once().await.map_err(decision::unclear),
            },
            other => other,
        }
    }

    /// Whether a contact of the record's may be there, though the link names none. Nothing is looked for that would not be made.
    fn is_to_be_looked_up(&self) -> bool {
        let may_be_there = self.draft.may_have_been_created() || self.draft.situation == Situation::Missing;
        let is_wanted = !matches!(self.draft.situation, Situation::Gone | Situation::NotMapped | Situation::Erased);
        is_wanted && (may_be_there || self.draft.visitor.is_some())
    }

    /// What the platform showed is taken in: the situation may be another than was known, and with it what follows.
    pub(super) fn turn_out(&mut self, shown: Shown<'_>) {
        let choices = self.desk.integration.situations();
        self.draft.turn_out(shown, &choices);
        self.about.turned_out(self.draft.situation);
    }

    /// What follows from a write that failed for the `tries`-th time.
    pub(super) fn after(&self, failure: &Failure, known: bool, tries: u8) -> Next {
        decision::after_failure(failure, &Sent { known, wanted: &self.draft.wanted, refused: &self.refused, tries })
    }

    async fn create(&mut self) -> Result<Target> {
        match self.create_once().await {
            Err(failure) => match self.after(&failure, false, 1) {
                Next::LeaveOut(names) => {
                    self.leave_out(names, &failure);
                    self.create_once().await
                }
                Next::LookUp | Next::FindAgain | Next::GiveUp => Err(failure),
            },
            made => made,
        }
    }

    /// Makes a contact, and never writes on one that is there: that may be another person's.
    async fn create_once(&mut self) -> Result<Target> {
        let write = self.full_write().await?;
        self.still_ours().await?;
        let sent = self.platform().create(&write).await;
        self.unmade = sent.as_ref().is_err_and(|failure| {
            is_without_a_contact(failure) || failure.effect == Effect::None && self.leaves_found_to_a_person()
        });
        let written = sent?;
        let action = if written.created { PushAction::Created } else { PushAction::Updated };
        Ok(Target::Made(written.contact, action))
    }

    /// Whether a contact that is found is nothing of the record's: made by others, and a person decides what becomes of it.
    pub(super) fn leaves_found_to_a_person(&self) -> bool {
        let is_issue = self.desk.integration.situations().found == WhenFound::Issue;
        is_issue && !self.draft.may_have_been_created() && !self.in_doubt
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
        self.with_stage_id(plan::contact_write(&wanted, &Default::default(), &self.draft.consent)).await
    }

    /// Changes what differs from what was last sent; everything, when that is not known.
    async fn change(&mut self, id: &RemoteId) -> Result<RemoteContact> {
        let changed = match self.change_once(id).await {
            Ok(contact) => contact,
            Err(failure) => match self.after(&failure, true, 1) {
                Next::FindAgain => {
                    self.link.missing_since = Some(self.desk.now());
                    return self.find_anew().await;
                }
                Next::LeaveOut(names) => {
                    self.leave_out(names, &failure);
                    self.change_once(id).await?
                }
                Next::LookUp => {
                    self.leave_address(id).await?;
                    self.change_once(id).await.map_err(decision::unclear)?
                }
                Next::GiveUp => return Err(failure),
            },
        };
        self.own(id, changed).await
    }

    /// The contact that was changed, unless it turns out to be another record's: then that one is sent again, and the record
    /// gets a contact of its own.
    async fn own(&mut self, asked: &RemoteId, changed: RemoteContact) -> Result<RemoteContact> {
        if !decision::is_in_doubt(Some(asked), self.draft.record.email.as_ref(), &changed) {
            return Ok(changed);
        }
        let owner = self.desk.other_owner(&changed.id, &self.draft.key).await?;
        self.turn_out(Shown::Object(Match { id: &changed.id, anothers: owner.is_some() }));
        match owner {
            None => Ok(changed),
            Some(owner) => {
                self.desk.send_again(&owner, "another record's write").await?;
                self.find_anew().await
            }
        }
    }

    pub(super) async fn change_once(&mut self, id: &RemoteId) -> Result<RemoteContact> {
        let known = self.draft.remote_id().is_some();
        let mut values = if known { self.draft.set.clone() } else { self.draft.wanted.clone() };
        values.retain(|name, _| !self.refused.contains(name));
        let mut write =
            self.with_stage_id(plan::contact_write(&values, &self.link.snapshot, &self.draft.consent)).await?;
        // The contact may have an entry already, and its reason must stay: mail is forbidden once the answer shows none.
        write.forbid_mail = None;
        self.still_ours().await?;
        if write.fields.values().any(casts_to_zero) || !self.draft.clear.is_empty() {
            self.platform().rewrite(id, &write, &self.draft.clear).await
        } else if write == ContactWrite::default() {
            self.platform().get(id).await
        } else {
            self.platform().update(id, &write).await
        }
    }

    /// The link's contact is gone from the platform, or another record's: without it the record is in another situation.
    async fn find_anew(&mut self) -> Result<RemoteContact> {
        self.draft.link.remote_id = None;
        self.draft.link.missing_since = self.link.missing_since;
        // Another contact is in none of its lists yet: they are open again.
        self.draft.link.associations.clear();
        self.link.lose_contact();
        self.draft.withheld.clear();
        self.turn_out(Shown::Unasked);
        self.draft.enrol = self.campaign();
        match Box::pin(self.target()).await? {
            Target::Made(contact, action) => {
                self.made_anew = action == PushAction::Created;
                Ok(contact)
            }
            Target::Existing(id, _) => self.change_once(&id).await,
        }
    }

    /// Leaves out fields that the platform refused, and says so.
    pub(super) fn leave_out(&mut self, names: Vec<String>, failure: &Failure) {
        for name in names {
            let is_taken = failure.fields.iter().any(|issue| issue.field == name && issue.code == IssueCode::Taken);
            self.draft.issues.push(self.refusal(&name, is_taken));
            self.refused.push(name);
        }
    }

    pub(super) fn refusal(&self, name: &str, taken: bool) -> FieldIssue {
        let field = self.desk.integration.rules.path_of_remote(name);
        if taken {
            return FieldIssue::new(field, IssueCode::Taken, "Another contact of the platform has this value.");
        }
        FieldIssue::new(field, IssueCode::RefusedByPlatform, "The platform refused the value; the rest was taken.")
    }

    /// A stage is written by its id; one that the platform does not have is left out. That is worth an issue when the
    /// record names a stage, and none when the stage only follows from another field.
    async fn with_stage_id(&mut self, mut write: ContactWrite) -> Result<ContactWrite> {
        let Some(name) = write.stage.take() else { return Ok(write) };
        let reference = &self.desk.integration.reference;
        write.stage = reference.stage_id(&name, self.desk.now(), self.platform()).await?;
        let rules = &self.desk.integration.rules;
        let named = rules.named_stage(&self.draft.record.fields).filter(|_| write.stage.is_none());
        let field = named.map(|rule| rules.path_of(&rule.local));
        if let Some(field) = field.filter(|field| self.draft.issues.iter().all(|issue| issue.field != *field)) {
            self.draft.issues.push(FieldIssue::new(field, IssueCode::NotInList, "The platform has no such stage."));
        }
        Ok(write)
    }

    /// The campaign that the contact belongs in by the rule of high-value enrolment.
    fn campaign(&self) -> Option<String> {
        let rule = self.desk.integration.enrolment.as_ref()?;
        rule.takes(&self.draft.record.fields, &self.draft.consent).then(|| rule.campaign.clone())
    }

    /// Puts the contact into its campaign; gives the failure when that has to be done later.
    pub(super) async fn enrol(&mut self, contact: &RemoteId) -> Result<Option<Failure>> {
        let Some(campaign) = self.draft.enrol.clone() else { return Ok(None) };
        let list = MembershipList::Campaign(campaign.clone());
        match self.platform().set_membership(contact, &list, true).await {
            Ok(()) => {
                self.link.associations.insert(Association::Campaign(campaign));
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
}

/// Whether a create that failed so made no contact, and found none.
fn is_without_a_contact(failure: &Failure) -> bool {
    failure.effect == Effect::None && failure.kind != FailureKind::Taken
}
