//! The port of bulk work.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use tandem_core::domain::identity::Email;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::{ContactWrite, RemoteContact};
use tandem_core::error::Result;
use tandem_core::ports::bulk::{
    BulkPlatform, ChangeCursor, ChangedContact, ChangedPage, Outcomes, RemoteList, Rewrite, Usage,
};

use super::batches::Replacement;
use super::client::Request;
use super::convert::{WholeContact, contact_number, remote_contact};
use super::wire::Contacts;
use super::{Mautic, errors};

#[async_trait]
impl BulkPlatform for Mautic {
    fn usage(&self) -> Usage {
        Usage { calls: self.client.http().calls(), bytes: self.client.http().bytes() }
    }

    fn makes_by_name(&self) -> &'static [&'static str] {
        &["company"]
    }

    async fn find_many(&self, emails: &[Email]) -> Result<Vec<RemoteContact>> {
        self.find_by_emails(emails).await
    }

    async fn create_many(&self, writes: &[ContactWrite]) -> Result<Outcomes> {
        self.batch_create(writes).await
    }

    async fn update_many(&self, writes: &[(RemoteId, ContactWrite)]) -> Result<Outcomes> {
        self.batch_update(writes).await
    }

    async fn rewrite_many(&self, rewrites: &[Rewrite]) -> Result<Outcomes> {
        let ids: Vec<RemoteId> = rewrites.iter().map(|rewrite| rewrite.id.clone()).collect();
        let found = self.get_many(&ids).await?;
        let replacements: Vec<Option<Replacement>> =
            rewrites.iter().map(|rewrite| replacement(rewrite, &found)).collect();
        let there: Vec<Replacement> = replacements.iter().flatten().cloned().collect();
        let mut written = self.batch_replace(&there).await?.into_iter();
        let outcome = |replacement: Option<Replacement>| match replacement {
            Some(_) => written.next().unwrap_or_else(|| Err(errors::garbled(true))),
            None => Err(errors::gone()),
        };
        Ok(replacements.into_iter().map(outcome).collect())
    }

    async fn delete_many(&self, ids: &[RemoteId]) -> Result<()> {
        self.batch_delete(ids).await.map(drop)
    }

    async fn segments(&self) -> Result<Vec<RemoteList>> {
        let segments = Self::segments(self).await?;
        Ok(segments.into_iter().map(listed).collect())
    }

    async fn create_segment(&self, name: &str) -> Result<RemoteList> {
        Self::create_segment(self, name).await.map(listed)
    }

    async fn add_to_segment(&self, segment: &str, contacts: &[RemoteId]) -> Result<Vec<bool>> {
        Self::add_to_segment(self, segment, contacts).await
    }

    async fn campaigns(&self) -> Result<Vec<RemoteList>> {
        let campaigns = Self::campaigns(self).await?;
        let list = |campaign: super::Campaign| RemoteList {
            id: campaign.id,
            name: campaign.name,
            alias: None,
            published: campaign.published,
        };
        Ok(campaigns.into_iter().map(list).collect())
    }

    async fn addresses(&self, after: Option<&RemoteId>, limit: usize) -> Result<Vec<(RemoteId, Option<String>)>> {
        let after = after.map(contact_number).transpose()?.unwrap_or_default();
        let request = Request::get("contacts").filtered(0, "id", "gt", after).with("minimal", 1);
        let request = request.with("orderBy", "id").with("orderByDir", "asc").with("limit", limit);
        let answer: Contacts = self.client.call(request.in_bulk()).await?;
        let contacts =
            answer.contacts.into_values().map(|one| remote_contact(one).ok_or_else(|| errors::garbled(false)));
        let mut contacts = contacts.collect::<Result<Vec<_>>>()?;
        contacts.sort_by_key(|one| contact_number(&one.id).unwrap_or_default());
        Ok(contacts.into_iter().map(|one| (one.id, one.email)).collect())
    }

    async fn read_many(&self, ids: &[RemoteId]) -> Result<Vec<ChangedContact>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        let request = Request::get("contacts").filtered(0, "id", "in", names.join(",")).with("limit", ids.len());
        let answer: Contacts = self.client.call(request.in_bulk()).await?;
        let found = changed_contacts(answer, Timestamp::UNIX_EPOCH)?;
        Ok(found.into_iter().filter(|changed| ids.contains(&changed.contact.id)).collect())
    }

    /// `date_modified` of a contact that was never changed is null, so both dates are asked for; by id, because an order by
    /// date repeats and skips rows across pages (recording `145-where-date_added`).
    async fn changed(&self, cursor: &ChangeCursor, limit: usize) -> Result<ChangedPage> {
        let since = cursor.since.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let either = |request: Request, index: usize, column: &str| {
            let name = |part: &str| format!("where[0][val][{index}][{part}]");
            request.with(name("col"), column).with(name("expr"), "gte").with(name("val"), &since)
        };
        let request = Request::get("contacts").with("where[0][expr]", "orX");
        let request = either(either(request, 0, "date_modified"), 1, "date_added");
        let after = cursor.after.as_ref().map(contact_number).transpose()?.unwrap_or_default();
        let request = request.filtered(1, "id", "gt", after).with("orderBy", "id").with("orderByDir", "asc");
        let answer: Contacts = self.client.call(request.with("limit", limit).in_bulk()).await?;
        let mut contacts = changed_contacts(answer, cursor.since)?;
        contacts.sort_by_key(|changed| contact_number(&changed.contact.id).unwrap_or_default());
        let more = contacts.len() >= limit;
        Ok(ChangedPage { contacts, more })
    }
}

fn listed(segment: super::Segment) -> RemoteList {
    let alias = Some(segment.alias).filter(|alias| !alias.is_empty());
    RemoteList { id: segment.id, name: segment.name, alias, published: segment.published }
}

fn replacement(rewrite: &Rewrite, found: &[WholeContact]) -> Option<Replacement> {
    let whole = found.iter().find(|whole| whole.contact.id == rewrite.id)?.clone();
    Some(Replacement { whole, write: rewrite.write.clone(), clear: rewrite.clear.clone() })
}

/// The contacts of an answer; one without any date has `undated`.
fn changed_contacts(answer: Contacts, undated: Timestamp) -> Result<Vec<ChangedContact>> {
    let changed = |contact: super::wire::Contact| {
        let at = dated(contact.date_modified.as_deref(), contact.date_added.as_deref());
        let contact = remote_contact(contact).ok_or_else(|| errors::garbled(false))?;
        Ok(ChangedContact { contact, at: at.unwrap_or(undated), times: BTreeMap::new() })
    };
    answer.contacts.into_values().map(changed).collect()
}

fn dated(modified: Option<&str>, added: Option<&str>) -> Option<Timestamp> {
    modified.or(added)?.parse().ok()
}
