//! Whose the record's address is on the platform, found out while the contact's lease is held.

use crate::domain::identity::Email;
use crate::domain::link::RemoteId;
use crate::domain::platform::{ContactWrite, RemoteContact};
use crate::domain::situation::{Known, Match, Shown, Situation};
use crate::error::{Failure, FailureKind, Result};

use super::change::{IdentifyCase, Visitor};
use super::decision::{self, EMAIL, Follow, Seeker};
use super::write::{Target, Writing};

/// What a look-up led to, with nothing borrowed from its answer.
enum Found {
    Nobody,
    Contact(RemoteId),
    Elsewhere,
}

impl Writing<'_> {
    /// The contact that has the address, or else the visitor, if that is the same person.
    ///
    /// # Errors
    /// `Taken` when the address is another record's contact, or several have it; `Conflict` while another one gives it up.
    pub(super) async fn look_up(&mut self) -> Result<Option<Target>> {
        let Some(email) = self.draft.record.email.clone() else { return Ok(None) };
        match (self.bearer_of(&email, None, false).await?, self.draft.visitor.clone()) {
            (Found::Contact(id), _) => Ok(Some(Target::Existing(id, IdentifyCase::KnownEmail))),
            (Found::Elsewhere, _) => Err(decision::stopped(Situation::Taken)),
            (Found::Nobody, Some(visitor)) => self.look_up_visitor(&visitor).await,
            (Found::Nobody, None) => Ok(None),
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
        if self.visitor_is_another {
            return Ok(None);
        }
        // The visitor and the person are the same, whatever is chosen for contacts that match.
        self.turn_out(Shown::Object(Match { id: &contact.id, anothers: false }));
        Ok(Some(Target::Existing(contact.id, IdentifyCase::ClaimedAnonymous)))
    }

    /// The platform says that the address of a contact which is there is taken: it is left out when another contact has it. When
    /// none is shown any more, it may have come free.
    ///
    /// # Errors
    /// As [`Writing::look_up`].
    pub(super) async fn leave_address(&mut self, id: &RemoteId) -> Result<()> {
        let Some(email) = self.draft.record.email.clone() else { return Ok(()) };
        match self.bearer_of(&email, Some(id), true).await? {
            Found::Elsewhere if !self.refused.iter().any(|name| name == EMAIL) => {
                self.draft.issues.push(self.refusal(EMAIL, true));
                self.refused.push(EMAIL.to_owned());
                Ok(())
            }
            Found::Elsewhere | Found::Nobody | Found::Contact(_) => Ok(()),
        }
    }

    async fn bearer_of(&mut self, email: &Email, own: Option<&RemoteId>, is_taken: bool) -> Result<Found> {
        let found = self.platform().find_by_email(email).await?;
        self.unmade = found.is_empty() || self.leaves_found_to_a_person();
        let owners = self.desk.owners_of(found.iter().map(|one| &one.id)).await?;
        let choices = self.desk.integration.situations();
        let known = Known { object: own, ..self.draft.known() };
        let maybe_made = self.draft.may_have_been_created() || self.creation_is_in_doubt();
        let seeker = Seeker { key: &self.draft.key, email, known, is_taken, maybe_made };
        let (situation, follow) = decision::after_look_up(&seeker, &found, &owners, &choices);
        self.draft.turn_out_as(situation, &choices);
        self.about.turned_out(situation);
        match follow {
            Follow::Stop => Err(decision::stopped(situation)),
            Follow::Make | Follow::Again => Ok(Found::Nobody),
            Follow::Change(contact) => Ok(Found::Contact(contact.id.clone())),
            Follow::WithoutAddress => Ok(Found::Elsewhere),
            Follow::Wait => Err(self.wait_for_address(own).await?),
            Follow::Several(contacts) => {
                let contacts: Vec<RemoteContact> = contacts.into_iter().cloned().collect();
                Err(self.several(&contacts).await?)
            }
        }
    }

    /// Who waits for an address holds none that somebody else may wait for: or two who swap would wait for each other. Until
    /// the write is done, nobody is mailed at the old address, which is the person's no more.
    async fn wait_for_address(&mut self, own: Option<&RemoteId>) -> Result<Failure> {
        let written = self.link.snapshot.get(EMAIL).and_then(serde_json::Value::as_str);
        let email = self.draft.record.email.as_ref();
        let holds_another = written.is_some_and(|held| email.is_none_or(|email| email.as_str() != held));
        if let Some(own) = own.filter(|_| holds_another) {
            self.still_ours().await?;
            self.platform().rewrite(own, &ContactWrite::default(), &[EMAIL.to_owned()]).await?;
        }
        Ok(decision::waits())
    }
}
