//! Single contacts and look-ups.

use tandem_core::domain::identity::Email;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::{ContactWrite, RemoteContact, Written};
use tandem_core::error::{Failure, FailureKind, Result};

use super::client::Request;
use super::convert::{WholeContact, contact_number, partial_body, remote_contact, replacing_body, whole};
use super::wire::{AnyContact, Contacts, OneContact, Success};
use super::{Mautic, errors};

/// How many contacts a look-up takes back: more than were asked for, because one address may have several.
const PLENTY: u32 = 1000;
/// How many addresses one look-up may name: they stand in the URL, which proxies cut at 8 KB.
pub const EMAILS_AT_MOST: usize = 100;
/// How many ids one look-up may name: as many as a batch.
pub const IDS_AT_MOST: usize = 200;

impl Mautic {
    /// The contacts with these addresses, at most [`EMAILS_AT_MOST`] of them, in one call (recording `142-where-email-in`).
    ///
    /// # Errors
    /// `Invalid` for more addresses, before any call.
    pub async fn find_by_emails(&self, emails: &[Email]) -> Result<Vec<RemoteContact>> {
        let names: Vec<&str> = emails.iter().map(Email::as_str).collect();
        let found = self.where_in("email", &names, EMAILS_AT_MOST).await?;
        let wanted = |contact: &RemoteContact| names.iter().any(|name| has_address(contact, name));
        Ok(found.into_iter().map(|whole| whole.contact).filter(wanted).collect())
    }

    /// The contacts with these ids, at most [`IDS_AT_MOST`] of them, in one call. Ids that were merged away or deleted
    /// are missing from the answer; `get` tells the two apart.
    ///
    /// # Errors
    /// `Invalid` for more ids, before any call.
    pub async fn get_many(&self, ids: &[RemoteId]) -> Result<Vec<WholeContact>> {
        let names: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        let found = self.where_in("id", &names, IDS_AT_MOST).await?;
        Ok(found.into_iter().filter(|whole| ids.contains(&whole.contact.id)).collect())
    }

    /// Adds points, or takes them away; fields can only set them, and never to 0 (recording `056-points-plus`).
    pub async fn add_points(&self, contact: &RemoteId, points: i64) -> Result<()> {
        let operator = if points < 0 { "minus" } else { "plus" };
        let path = format!("contacts/{}/points/{operator}/{}", contact_number(contact)?, points.unsigned_abs());
        self.done(Request::post(path)).await
    }

    /// Contacts whose address is `email`. The comparison is Mautic's database's, which may find more than asked for.
    pub(super) async fn with_email(&self, email: &Email) -> Result<Vec<RemoteContact>> {
        let request = Request::get("contacts").filtered(0, "email", "eq", email.as_str());
        let found = self.list(request).await?;
        Ok(found.into_iter().map(|whole| whole.contact).filter(|one| has_address(one, email.as_str())).collect())
    }

    pub(super) async fn whole_contact(&self, id: &RemoteId) -> Result<WholeContact> {
        let request = Request::get(format!("contacts/{}", contact_number(id)?));
        let answer: OneContact = self.client.call(request).await?;
        whole(answer.contact).ok_or_else(|| errors::garbled(false))
    }

    /// POST: 201 when the contact is new, 200 when the address was known (recordings `011-contact-create`,
    /// `012-contact-create-duplicate-email`).
    pub(super) async fn post_contact(&self, write: &ContactWrite) -> Result<Written> {
        let request = Request::post("contacts/new").carrying(&partial_body(write)?)?;
        let answer = self.client.answer(request).await?;
        let created = answer.status == 201;
        let body: OneContact = errors::read(&answer, self.client.clock().now())?;
        let contact = remote_contact(body.contact).ok_or_else(|| errors::garbled(true))?;
        Ok(Written { contact, created })
    }

    /// PATCH: follows a merge and answers with the survivor (recording `166-merge-patch-loser`).
    pub(super) async fn patch_contact(&self, id: &RemoteId, write: &ContactWrite) -> Result<RemoteContact> {
        let path = format!("contacts/{}/edit", contact_number(id)?);
        self.edited(Request::patch(path).carrying(&partial_body(write)?)?).await
    }

    /// GET, then PUT of all fields, to the survivor if the contact was merged (recording `157-put-full-zero`). When the
    /// contact is deleted between the two calls, PUT makes it anew (recording `030-contact-put-404`): the id shows it.
    pub(super) async fn put_contact(
        &self,
        id: &RemoteId,
        write: &ContactWrite,
        clear: &[String],
    ) -> Result<RemoteContact> {
        let whole = self.whole_contact(id).await?;
        let path = format!("contacts/{}/edit", whole.contact.id);
        self.edited(Request::put(path).carrying(&replacing_body(&whole, write, clear)?)?).await
    }

    /// Deletes; a contact that is not there is 404 (recording `111-contact-delete-404`).
    pub(super) async fn delete_contact(&self, id: &RemoteId) -> Result<bool> {
        match self.deleted(id).await {
            Ok(()) => Ok(true),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    async fn deleted(&self, id: &RemoteId) -> Result<()> {
        let request = Request::delete(format!("contacts/{}/delete", contact_number(id)?));
        self.client.call::<AnyContact>(request).await.map(drop)
    }

    /// A call whose answer is `{"success": …}`, which must be true.
    pub(super) async fn done(&self, request: Request) -> Result<()> {
        let answer: Success = self.client.call(request).await?;
        if answer.success.is_truthy() {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Refused, "Mautic says that it did not do what was asked."))
    }

    async fn edited(&self, request: Request) -> Result<RemoteContact> {
        let answer: OneContact = self.client.call(request).await?;
        remote_contact(answer.contact).ok_or_else(|| errors::garbled(true))
    }

    async fn where_in(&self, column: &str, values: &[&str], at_most: usize) -> Result<Vec<WholeContact>> {
        if values.len() > at_most {
            return Err(Failure::new(
                FailureKind::Invalid,
                format!("At most {at_most} contacts can be looked up in a call."),
            ));
        }
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let request = Request::get("contacts").filtered(0, column, "in", values.join(",")).with("limit", PLENTY);
        self.list(request.in_bulk()).await
    }

    async fn list(&self, request: Request) -> Result<Vec<WholeContact>> {
        let answer: Contacts = self.client.call(request).await?;
        answer.contacts.into_values().map(|contact| whole(contact).ok_or_else(|| errors::garbled(false))).collect()
    }
}

fn has_address(contact: &RemoteContact, email: &str) -> bool {
    contact.email.as_deref().is_some_and(|address| address.eq_ignore_ascii_case(email))
}
