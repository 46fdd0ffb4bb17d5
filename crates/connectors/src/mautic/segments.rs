//! Segments and tags.

use std::collections::HashSet;

use serde_json::json;
use tandem_core::domain::link::RemoteId;
use tandem_core::error::Result;

use super::Mautic;
use super::client::Request;
use super::convert::{contact_number, number};
use super::wire::{BulkAdded, Named, OneSegment, Segments, Tags};

/// More segments or tags than anybody lists.
const ALL: u32 = 10_000;

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its alias, which Mautic makes from the name.
    pub alias: String,
    /// Whether it is in use.
    pub published: bool,
}

impl Mautic {
    /// All segments (recording `076-segments-list`).
    pub async fn segments(&self) -> Result<Vec<Segment>> {
        let answer: Segments = self.client.call(Request::get("segments").with("limit", ALL)).await?;
        Ok(answer.lists.into_values().map(segment).collect())
    }

    /// Makes a segment; an alias that exists is refused (recording `073-segment-create`).
    pub async fn create_segment(&self, name: &str) -> Result<Segment> {
        let request = Request::post("segments/new").carrying(&json!({"name": name, "isPublished": true}))?;
        let answer: OneSegment = self.client.call(request).await?;
        Ok(segment(answer.list))
    }

    /// Adds any number of contacts in one call; says of each whether it could be added. There is no bulk removal.
    pub async fn add_to_segment(&self, segment: &str, contacts: &[RemoteId]) -> Result<Vec<bool>> {
        let ids = contacts.iter().map(contact_number).collect::<Result<Vec<_>>>()?;
        let path = format!("segments/{}/contacts/add", number(segment, "segment")?);
        let request = Request::post(path).carrying(&json!({"ids": ids}))?.in_bulk();
        let answer: BulkAdded = self.client.call(request).await?;
        let added = answer.details.0.into_iter().filter(|(_, outcome)| outcome.success.is_truthy());
        let added: HashSet<String> = added.map(|(contact, _)| contact).collect();
        Ok(contacts.iter().map(|id| added.contains(&id.0)).collect())
    }

    /// The names of all tags (recording `057-tags-list`).
    pub async fn tags(&self) -> Result<Vec<String>> {
        let answer: Tags = self.client.call(Request::get("tags").with("limit", ALL)).await?;
        Ok(answer.tags.into_values().map(|tag| tag.tag).collect())
    }
}

fn segment(named: Named) -> Segment {
    Segment {
        id: named.id.0,
        name: named.name,
        alias: named.alias.unwrap_or_default(),
        published: named.is_published.is_truthy(),
    }
}
