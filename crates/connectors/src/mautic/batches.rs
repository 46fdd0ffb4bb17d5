//! Up to 200 contacts in one call, each with its own result. HTTP 200 says nothing about the entries.

use serde_json::{Map, Value};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::{ContactWrite, RemoteContact, Written};
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::bulk::Outcomes;

use super::client::Request;
use super::contacts::keeps_address;
use super::convert::{WholeContact, contact_number, partial_body, remote_contact, replacing_body};
use super::wire::{Batch, Contacts, Error};
use super::{Mautic, errors, spellings};

/// The most entries that Mautic takes in a batch (recording `047-batch-new-201`).
pub const BATCH_AT_MOST: usize = 200;

/// One contact's replacement in [`Mautic::batch_replace`].
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The contact as last read.
    pub whole: WholeContact,
    /// What to set.
    pub write: ContactWrite,
    /// Fields to clear.
    pub clear: Vec<String>,
}

type Entry = Map<String, Value>;

impl Mautic {
    /// Creates, or updates the contacts that have the addresses. Zeros are dropped. Two entries with one address become
    /// one contact (recording `046-batch-new-mixed`).
    ///
    /// # Errors
    /// For the whole batch: `Invalid` for more than [`BATCH_AT_MOST`] entries, before any call, or the call's failure.
    pub async fn batch_upsert(&self, writes: &[ContactWrite]) -> Result<Outcomes> {
        let entries = writes.iter().map(|write| Ok((write, partial_body(write)?))).collect();
        self.batch(|| Request::post("contacts/batch/new"), entries).await
    }

    /// Creates and stores zeros; `Taken` for an entry whose address exists, or another value that must be unique (recordings
    /// `161-batch-put-no-id`, `245-batch-put-no-id-other-unique-field-taken`).
    ///
    /// # Errors
    /// For the whole batch, as [`Mautic::batch_upsert`].
    pub async fn batch_create(&self, writes: &[ContactWrite]) -> Result<Outcomes> {
        let entries = writes.iter().map(|write| Ok((write, partial_body(write)?))).collect();
        self.batch(|| Request::put("contacts/batch/edit"), entries).await
    }

    /// Changes the fields given and no other, by id. Zeros are dropped (recording `139-batch-edit-email-change`).
    ///
    /// # Errors
    /// For the whole batch, as [`Mautic::batch_upsert`].
    pub async fn batch_update(&self, writes: &[(RemoteId, ContactWrite)]) -> Result<Outcomes> {
        let entries = writes.iter().map(|(id, write)| Ok((write, identified(id, partial_body(write)?)?))).collect();
        self.batch(|| Request::patch("contacts/batch/edit"), entries).await
    }

    /// Changes fields, zeros and clears included, by writing each contact as a whole (recording `160-batch-put-zero-known`).
    /// A contact that was deleted since it was read comes into being again: `created` says so.
    ///
    /// # Errors
    /// For the whole batch, as [`Mautic::batch_upsert`].
    pub async fn batch_replace(&self, replacements: &[Replacement]) -> Result<Outcomes> {
        let body =
            |one: &Replacement| identified(&one.whole.contact.id, replacing_body(&one.whole, &one.write, &one.clear)?);
        let entries = replacements.iter().map(|one| Ok((&one.write, body(one)?))).collect();
        self.batch(|| Request::put("contacts/batch/edit"), entries).await
    }

    /// Deletes; says of each contact whether it was there (recording `112-batch-delete`).
    ///
    /// # Errors
    /// As [`Mautic::batch_upsert`].
    pub async fn batch_delete(&self, ids: &[RemoteId]) -> Result<Vec<bool>> {
        check_size(ids.len())?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = ids.iter().map(|id| Ok(contact_number(id)?.to_string())).collect::<Result<Vec<_>>>()?;
        let request = Request::delete("contacts/batch/delete").with("ids", numbers.join(",")).in_bulk();
        let answer: Contacts = self.client.call(request).await?;
        let gone: Vec<RemoteId> = answer.contacts.into_values().map(|contact| RemoteId(contact.id.0)).collect();
        Ok(ids.iter().map(|id| gone.contains(id)).collect())
    }

    /// Sends the entries that could be written; the others keep their place, with their own failure.
    async fn batch(
        &self,
        request: impl Fn() -> Request,
        entries: Vec<Result<(&ContactWrite, Entry)>>,
    ) -> Result<Outcomes> {
        check_size(entries.len())?;
        let (mut sound, mut writes) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        for entry in entries {
            writes.push(entry.map(|(write, fields)| {
                sound.push(fields);
                write
            }));
        }
        let mut answered = self.send_spelt(request, sound).await?.into_iter();
        let mut next = |write: &ContactWrite| {
            let mut written = answered.next().unwrap_or_else(|| Err(errors::garbled(true)))?;
            keeps_address(write, &written.contact)?;
            // Of all that Mautic keeps of a contact, the answer has to show what was sent.
            written.contact.fields.retain(|name, _| write.fields.contains_key(name));
            Ok(written)
        };
        Ok(writes.into_iter().map(|write| write.and_then(&mut next)).collect())
    }

    /// Sends the entries with their places spelt as this Mautic takes them; those that it refuses for one, once more with the
    /// other spelling.
    async fn send_spelt(&self, request: impl Fn() -> Request, mut entries: Vec<Entry>) -> Result<Outcomes> {
        let spellings = self.client.spellings();
        let has_several = entries.iter().any(spellings::has_several);
        if has_several {
            spellings.recall().await;
        }
        entries.iter_mut().for_each(|entry| spellings.spell(entry));
        let (count, first) = (entries.len(), request().carrying(&entries)?);
        // Two hundred contacts are much: the text says it all, and what they were made of goes, but for those that may have to
        // be spelt otherwise.
        let doubtful: Vec<(usize, Entry)> =
            entries.into_iter().enumerate().filter(|(_, entry)| spellings::has_several(entry)).collect();
        let mut outcomes = self.send_batch(first, count).await?;
        let misspelt = |(index, entry): &(usize, Entry)| {
            let failure = outcomes.get(*index).and_then(|outcome| outcome.as_ref().err());
            failure.is_some_and(|failure| spellings.learn(failure, entry))
        };
        let (places, mut respelt): (Vec<usize>, Vec<Entry>) = doubtful.into_iter().filter(misspelt).unzip();
        if respelt.is_empty() {
            if has_several {
                spellings.keep().await;
            }
            return Ok(outcomes);
        }
        respelt.iter_mut().for_each(|entry| spellings.spell(entry));
        let second = match self.send_batch(request().carrying(&respelt)?, respelt.len()).await {
            Ok(second) => second,
            Err(failure) => places.iter().map(|_| Err(failure.clone())).collect(),
        };
        spellings.keep().await;
        for (index, outcome) in places.into_iter().zip(second) {
            if let Some(slot) = outcomes.get_mut(index) {
                *slot = outcome;
            }
        }
        Ok(outcomes)
    }

    async fn send_batch(&self, request: Request, count: usize) -> Result<Outcomes> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let request = if count > 1 { request.in_bulk() } else { request };
        let answer: Batch = self.client.call(request).await?;
        Ok(outcomes(answer, count))
    }
}

fn check_size(entries: usize) -> Result<()> {
    if entries <= BATCH_AT_MOST {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Invalid, format!("Mautic takes at most {BATCH_AT_MOST} contacts in a call.")))
}

fn identified(id: &RemoteId, mut entry: Entry) -> Result<Entry> {
    entry.insert("id".to_owned(), contact_number(id)?.into());
    Ok(entry)
}

fn outcomes(answer: Batch, count: usize) -> Outcomes {
    let codes = answer.status_codes.by_index(count);
    let errors = answer.errors.by_index(count);
    let contacts = answer.contacts.by_index(count);
    let entries = codes.into_iter().zip(errors).zip(contacts);
    entries.map(|((code, error), contact)| outcome(code, error.as_ref(), contact.and_then(remote_contact))).collect()
}

/// An entry succeeded when it has no error, a good status and a contact; anything else that says nothing has an unknown effect.
fn outcome(code: Option<u16>, error: Option<&Error>, contact: Option<RemoteContact>) -> Result<Written> {
    match (error, code, contact) {
        (Some(error), _, _) => Err(errors::of_batch_entry(error)),
        (None, Some(code @ (200 | 201)), Some(contact)) => Ok(Written { contact, created: code == 201 }),
        (None, _, _) => Err(errors::garbled(true)),
    }
}
