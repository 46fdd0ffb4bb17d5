//! Single contacts and look-ups.

use serde_json::{Map, Value};
use tandem_core::domain::identity::Email;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::{ContactWrite, RemoteContact, Written};
use tandem_core::error::{Failure, FailureKind, Result};

use super::client::Request;
use super::convert::{WholeContact, contact_number, partial_body, remote_contact, replacing_body, whole};
use super::spellings::has_several;
use super::wire::{AnyContact, Contacts, OneContact, Success};
use super::{Mautic, errors};
use crate::http::Answer;

/// How often a write is sent with other spellings at most: a place has two.
const MOST_SPELLINGS: usize = 3;
/// How many contacts a look-up takes back: more than were asked for, because one address may have several.
const PLENTY: u32 = 1000;
/// How many addresses one look-up may name.
pub const EMAILS_AT_MOST: usize = 100;
/// How many bytes of a URL are filled with addresses: proxies cut it at 8 KB.
const URL_AT_MOST: usize = 6_000;
/// How many ids one look-up may name: as many as a batch.
pub const IDS_AT_MOST: usize = 200;

impl Mautic {
    /// The contacts with these addresses, at most [`EMAILS_AT_MOST`] of them, oldest first. One call for 6 KB of addresses
    /// (recording `142-where-email-in`).
    ///
    /// Looked up by `in`: with `eq`, Mautic 5.1 finds no address that has an apostrophe (recordings
    /// `213-where-email-eq-apostrophe`, `214-where-email-in-apostrophe`). How the database compares is its own affair, and so
    /// whatever has another address is dropped.
    ///
    /// # Errors
    /// `Invalid` for more addresses, before any call.
    pub async fn find_by_emails(&self, emails: &[Email]) -> Result<Vec<RemoteContact>> {
        let names: Vec<&str> = emails.iter().map(Email::as_str).collect();
        let mut found = Vec::new();
        check_count(names.len(), EMAILS_AT_MOST)?;
        for some in url_fulls(&names) {
            let wanted = |contact: &RemoteContact| some.iter().any(|name| has_address(contact, name));
            let listed = self.where_in("email", some, EMAILS_AT_MOST).await?;
            found.extend(listed.into_iter().map(|whole| whole.contact).filter(wanted));
        }
        found.sort_by_key(|contact| contact_number(&contact.id).unwrap_or(u64::MAX));
        Ok(found)
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

    pub(super) async fn whole_contact(&self, id: &RemoteId) -> Result<WholeContact> {
        let request = Request::get(format!("contacts/{}", contact_number(id)?));
        let answer: OneContact = self.client.call(request).await?;
        whole(answer.contact).ok_or_else(|| errors::garbled(false))
    }

    /// POST: 201 when the contact is new, 200 when the address was known (recordings `011-contact-create`,
    /// `012-contact-create-duplicate-email`). It writes on whoever has the address, or any other value that must be unique, and
    /// drops zeros; whoever must know first uses a create.
    ///
    /// # Errors
    /// As Mautic fails; `Refused` when it changed the address.
    pub async fn upsert(&self, write: &ContactWrite) -> Result<Written> {
        let answer = self.written(partial_body(write)?, || Request::post("contacts/new")).await?;
        let created = answer.status == 201;
        let body: OneContact = errors::read(answer, self.client.clock().now())?;
        let contact = remote_contact(body.contact).ok_or_else(|| errors::garbled(true))?;
        keeps_address(write, &contact)?;
        Ok(Written { contact, created })
    }

    /// PATCH: follows a merge and answers with the survivor (recording `166-merge-patch-loser`).
    pub(super) async fn patch_contact(&self, id: &RemoteId, write: &ContactWrite) -> Result<RemoteContact> {
        let path = format!("contacts/{}/edit", contact_number(id)?);
        let answer = self.written(partial_body(write)?, || Request::patch(path.as_str())).await?;
        self.edited(answer, write)
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
        let answer = self.written(replacing_body(&whole, write, clear)?, || Request::put(path.as_str())).await?;
        self.edited(answer, write)
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

    /// Sends a contact's body with its places spelt as this Mautic takes them; where it refuses one, once more with the other
    /// spelling.
    async fn written(&self, mut body: Map<String, Value>, request: impl Fn() -> Request) -> Result<Answer> {
        let spellings = self.client.spellings();
        if !has_several(&body) {
            return self.client.answer(request().carrying(&body)?).await;
        }
        spellings.recall().await;
        let mut sent = 0;
        let answer = loop {
            spellings.spell(&mut body);
            sent += 1;
            match self.client.answer(request().carrying(&body)?).await {
                Err(failure) if sent <= MOST_SPELLINGS && spellings.learn(&failure, &body) => {}
                answer => break answer,
            }
        };
        spellings.keep().await;
        answer
    }

    fn edited(&self, answer: Answer, write: &ContactWrite) -> Result<RemoteContact> {
        let answer: OneContact = errors::read(answer, self.client.clock().now())?;
        let contact = remote_contact(answer.contact).ok_or_else(|| errors::garbled(true))?;
        keeps_address(write, &contact)?;
        Ok(contact)
    }

    async fn where_in(&self, column: &str, values: &[&str], at_most: usize) -> Result<Vec<WholeContact>> {
        check_count(values.len(), at_most)?;
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let request = Request::get("contacts").filtered(0, column, "in", values.join(",")).with("limit", PLENTY);
        self.list(if values.len() > 1 { request.in_bulk() } else { request }).await
    }

    async fn list(&self, request: Request) -> Result<Vec<WholeContact>> {
        let answer: Contacts = self.client.call(request).await?;
        answer.contacts.into_values().map(|contact| whole(contact).ok_or_else(|| errors::garbled(false))).collect()
    }
}

/// That the answer has the address that was sent, if one was. Mautic drops characters with a 2xx (recordings
/// `218-contact-create-slash`, `219-contact-create-slash-meets-other`): those known are refused before (`address.rs`), and
/// what else it may change must not pass for the person.
pub(super) fn keeps_address(write: &ContactWrite, contact: &RemoteContact) -> Result<()> {
    match write.fields.get("email").and_then(Value::as_str) {
        Some(sent) if !has_address(contact, sent) => Err(errors::altered(&contact.id)),
        Some(_) | None => Ok(()),
    }
}

fn check_count(values: usize, at_most: usize) -> Result<()> {
    if values <= at_most {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Invalid, format!("At most {at_most} contacts can be looked up in a call.")))
}

/// The addresses in portions that fit into a URL.
fn url_fulls<'a>(mut names: &'a [&'a str]) -> Vec<&'a [&'a str]> {
    let mut portions = Vec::new();
    while !names.is_empty() {
        let mut length = 0;
        let fitting = names.iter().take_while(|name| {
            // With the comma before it, which is encoded too.
            length += encoded_length(name) + 3;
            length <= URL_AT_MOST
        });
        let (some, rest) = names.split_at(fitting.count().max(1));
        portions.push(some);
        names = rest;
    }
    portions
}

fn encoded_length(text: &str) -> usize {
    url::form_urlencoded::byte_serialize(text.as_bytes()).map(str::len).sum()
}

/// Whether the contact has this address, in any letter case.
pub(super) fn has_address(contact: &RemoteContact, email: &str) -> bool {
    contact.email.as_deref().is_some_and(|address| address.eq_ignore_ascii_case(email))
}
