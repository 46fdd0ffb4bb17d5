//! What the items of a record hold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::link::Lease;
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::IntegrationId;
use tandem_core::error::Result;
use tandem_core::ports::{LinkOf, Stored};

use crate::store::keys;
use crate::store::row::{Item, key_of, moment, parsed, row};
use crate::store::void::is_void;

/// A record. `record_version` guards optimistic writes.
#[derive(Serialize, Deserialize)]
pub(super) struct RecordRow {
    pub(super) record_version: u64,
    pub(super) document: String,
}

/// A link and, while somebody writes the contact, the lease. `lease_until` is in microseconds.
#[derive(Serialize, Deserialize)]
pub(super) struct LinkRow {
    pub(super) link_revision: u64,
    pub(super) document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease_until: Option<i64>,
}

/// The attributes of a link that it has only while somebody writes the contact.
pub(in crate::store) const OPTIONAL_OF_LINK: &[&str] = &["lease_owner", "lease_until"];

/// What leads to a record: an identity, a contact of the platform.
#[derive(Serialize, Deserialize)]
pub(super) struct PointerRow {
    pub(super) record_key: String,
    /// When it was written, if that was before its record; in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reserved_at: Option<i64>,
}

/// A record's place in the list of the tenant's records.
#[derive(Serialize, Deserialize)]
pub(super) struct PlaceRow {
    pub(super) record_key: String,
    /// The names of the identities that were reserved for it, if its record was written after them and may never have come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) identity_names: Vec<String>,
}

/// The record that a pointer's item leads to.
pub(in crate::store) fn pointed_to(item: Item) -> Result<RecordKey> {
    Ok(RecordKey::from_stored(row::<PointerRow>(item)?.record_key))
}

/// When an identity was reserved for a record that was written after it.
pub(in crate::store) fn reserved_at(item: Item) -> Result<Option<Timestamp>> {
    row::<PointerRow>(item)?.reserved_at.map(moment).transpose()
}

/// The names of the identities that were reserved for the record of a place in the list of records.
pub(in crate::store) fn reserved_for(item: Item) -> Result<Vec<String>> {
    Ok(row::<PlaceRow>(item)?.identity_names)
}

/// The items of a record's partition, put together: the record with its link to this integration.
pub(in crate::store) fn stored(items: Vec<Item>, integration: &IntegrationId) -> Result<Stored> {
    let mut stored = Stored::default();
    let own = keys::link_of(integration);
    for item in items {
        match key_of(&item).map(|key| key.sk).as_deref() {
            Some(keys::RECORD) if is_void(&item) => stored.is_void = true,
            Some(keys::RECORD) => stored.record = Some(parsed(&row::<RecordRow>(item)?.document)?),
            Some(sk) if sk == own => {
                let row: LinkRow = row(item)?;
                stored.link = Some(parsed(&row.document)?);
                stored.lease = lease(row.lease_owner, row.lease_until)?;
            }
            // Links to other integrations; and a newer release may keep more with a record.
            _ => {}
        }
    }
    Ok(stored)
}

/// The links among the items of a record's partition.
pub(in crate::store) fn links(items: Vec<Item>) -> Result<Vec<LinkOf>> {
    let mut links = Vec::new();
    for item in items {
        let named = key_of(&item).and_then(|key| Some(key.sk.strip_prefix(keys::LINKS)?.to_owned()));
        // No other name can stand in a key.
        let Some(integration) = named.and_then(|name| IntegrationId::try_from(name).ok()) else { continue };
        let row: LinkRow = row(item)?;
        let lease = lease(row.lease_owner, row.lease_until)?;
        links.push(LinkOf { integration, link: parsed(&row.document)?, lease });
    }
    Ok(links)
}

/// The items of a record's partition, put together: the record with all its links.
pub(in crate::store) fn whole(items: Vec<Item>) -> Result<Option<(Record, Vec<LinkOf>)>> {
    let is_record = |item: &Item| key_of(item).is_some_and(|key| key.sk == keys::RECORD);
    let (record, others): (Vec<Item>, Vec<Item>) = items.into_iter().partition(is_record);
    let Some(record) = record.into_iter().find(|item| !is_void(item)) else { return Ok(None) };
    Ok(Some((parsed(&row::<RecordRow>(record)?.document)?, links(others)?)))
}

fn lease(owner: Option<String>, until: Option<i64>) -> Result<Option<Lease>> {
    let Some((owner, until)) = owner.zip(until) else { return Ok(None) };
    Ok(Some(Lease { owner, until: moment(until)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::row::item;

    fn pointer(reserved_at: Option<i64>) -> Item {
        let key = keys::Key { pk: "T#acme#identity#email#d1".to_owned(), sk: "pointer".to_owned() };
        item(key, &PointerRow { record_key: "x-1".to_owned(), reserved_at }).unwrap()
    }

    /// What is stored today is understood by every later release.
    #[test]
    fn pointers_and_places_are_what_they_were() {
        assert_eq!(pointer(None).len(), 3, "the key, and where it leads");
        let reserved = pointer(Some(1_795_000_000_000_000));
        assert_eq!(reserved["reserved_at"].as_n().unwrap(), "1795000000000000");
        assert_eq!(reserved_at(reserved.clone()).unwrap().unwrap().as_microsecond(), 1_795_000_000_000_000);
        assert_eq!(pointed_to(reserved).unwrap().as_str(), "x-1");
        let key = || keys::Key { pk: "T#acme#records#6".to_owned(), sk: "x-1".to_owned() };
        let names = vec!["external#d2".to_owned(), "email#d1".to_owned()];
        let place = item(key(), &PlaceRow { record_key: "x-1".to_owned(), identity_names: names.clone() }).unwrap();
        assert_eq!(place["identity_names"].as_l().unwrap().len(), 2);
        assert_eq!(reserved_for(place).unwrap(), names);
        let older = item(key(), &PointerRow { record_key: "x-1".to_owned(), reserved_at: None }).unwrap();
        assert_eq!(reserved_for(older).unwrap(), Vec::<String>::new());
    }
}
