//! All that is known of one record of any kind, for people to look at: what it holds, what it is on the platform, and whom it names.

use serde::Serialize;

use crate::domain::identity::{ExternalId, RecordKey};
use crate::domain::kind::Kind;
use crate::domain::link::Link;
use crate::domain::record::Record;
use crate::domain::relationship::{self, Relationship};
use crate::error::Result;

use super::services::Desk;

/// The most records that are told of those that name one.
const MOST_RELATIVES: usize = 100;

/// A record, as people look at it. It holds personal data.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordView {
    /// Its key.
    pub key: RecordKey,
    /// Its kind.
    pub kind: Kind,
    /// What the application says of it.
    pub record: Record,
    /// Whether records of this kind are sent to the platform at all.
    pub mapped: bool,
    /// What it is on the platform, once it is there.
    pub link: Option<Link>,
    /// Whom it names, the primary one first.
    pub relationships: Vec<Named>,
    /// Keys of records that name it, at most a hundred.
    pub named_by: Vec<RecordKey>,
}

/// A record that is named by another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// Its kind.
    pub kind: Kind,
    /// The application's id of it.
    pub id: String,
    /// Whether it is not known yet: the relationship is open, and closes by itself.
    pub open: bool,
    /// What it is on the platform.
    pub remote: Option<String>,
}

impl Desk {
    /// What is known of the record of an id; `None` when there is none. Four reads, and three for 100 that name it;
    /// no call of the platform.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn look_at(&self, kind: Kind, id: &ExternalId) -> Result<Option<RecordView>> {
        let (services, scope, identity) = (&self.services, &self.integration.scope, id.identity_as(kind));
        let resolved = services.contacts.resolve(scope, Some(&identity), None).await?;
        let Some(key) = resolved.by_external_id else { return Ok(None) };
        let stored = services.contacts.load(scope, &key).await?;
        let Some(record) = stored.record else { return Ok(None) };
        let relationships = self.named(&relationship::of(kind, &record.fields)).await?;
        let named_by = self.named_by(&identity, MOST_RELATIVES).await?;
        let mapped = kind.is_person() || self.integration.rules.takes(kind);
        Ok(Some(RecordView { key, kind, record, mapped, link: stored.link, relationships, named_by }))
    }

    async fn named(&self, relationships: &[Relationship]) -> Result<Vec<Named>> {
        let (bulk, scope) = (&self.services.bulk, &self.integration.scope);
        let identities: Vec<_> = relationships.iter().map(|one| (Some(one.identity()), None)).collect();
        let resolved = bulk.resolve_many(scope, &identities).await?;
        let keys: Vec<RecordKey> = resolved.iter().filter_map(|found| found.by_external_id.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        let there: Vec<(RecordKey, Option<String>)> = keys
            .into_iter()
            .zip(stored)
            .filter(|(_, stored)| stored.record.is_some())
            .map(|(key, stored)| (key, stored.link.and_then(|link| link.remote_id).map(|id| id.0)))
            .collect();
        let named = |(one, found): (&Relationship, crate::ports::Resolved)| {
            let known = there.iter().find(|(key, _)| found.by_external_id.as_ref() == Some(key));
            Named {
                kind: one.kind,
                id: one.id.as_str().to_owned(),
                open: known.is_none(),
                remote: known.and_then(|(_, remote)| remote.clone()),
            }
        };
        Ok(relationships.iter().zip(resolved).map(named).collect())
    }
}
