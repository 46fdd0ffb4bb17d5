//! Segments and tags.

use std::collections::HashSet;

use serde_json::json;
use sha2::{Digest, Sha256};
use tandem_core::domain::link::RemoteId;
use tandem_core::error::{Failure, FailureKind, Result};

use super::Mautic;
use super::client::Request;
use super::convert::{contact_number, decoded, number};
use super::vocabulary::without_accents;
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

    /// Makes a segment with an alias made from its name (recording `073-segment-create`); where another segment has that
    /// alias, which Mautic refuses, with one that only this name has.
    pub async fn create_segment(&self, name: &str) -> Result<Segment> {
        let (alias, own) = (alias_of(name), alias_of_its_own(name));
        match self.create_segment_as(name, &alias).await {
            Err(failure) if is_taken(&failure) && alias != own => self.create_segment_as(name, &own).await,
            made => made,
        }
    }

    async fn create_segment_as(&self, name: &str, alias: &str) -> Result<Segment> {
        let body = json!({"name": name, "alias": alias, "isPublished": true});
        let answer: OneSegment = self.client.call(Request::post("segments/new").carrying(&body)?).await?;
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
        Ok(answer.tags.into_values().map(|tag| decoded(&tag.tag)).collect())
    }
}

/// Whether a segment is refused for its alias.
fn is_taken(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Refused | FailureKind::Taken)
        && failure.fields.iter().any(|issue| issue.field == "alias")
}

/// The most characters of a name that get into its alias.
const LONGEST: usize = 60;

/// `über uns!` is `uber-uns`. A name of which letters are lost, such as one in Greek, gets an alias of its own: Mautic would
/// make one alias for all of them.
fn alias_of(name: &str) -> String {
    let slug = slug(name);
    let lost = without_accents(&name.to_lowercase()).chars().any(|c| c.is_alphanumeric() && !c.is_ascii());
    if slug.is_empty() || lost || slug.len() > LONGEST { alias_of_its_own(name) } else { slug }
}

/// An alias that no other name has.
fn alias_of_its_own(name: &str) -> String {
    let digest = hex::encode(Sha256::digest(name.trim().as_bytes()));
    let slug: String = slug(name).chars().take(LONGEST).collect();
    let beginning = if slug.is_empty() { "segment" } else { slug.trim_end_matches('-') };
    format!("{beginning}-{}", &digest[..8])
}

fn slug(name: &str) -> String {
    let plain = without_accents(&name.to_lowercase());
    let words = plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

fn segment(named: Named) -> Segment {
    Segment {
        id: named.id.0,
        name: decoded(&named.name),
        alias: named.alias.unwrap_or_default(),
        published: named.is_published.is_truthy(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_made_of_the_name_and_is_its_own_where_letters_are_lost() {
        assert_eq!(alias_of("VIP Customers"), "vip-customers");
        assert_eq!(alias_of("  Über  uns! "), "uber-uns");
        let greek = [alias_of("Πελάτες"), alias_of("Клиенты"), alias_of("客户")];
        assert!(greek.iter().all(|alias| alias.starts_with("segment-") && alias.len() == 16), "{greek:?}");
        assert!(greek[0] != greek[1] && greek[1] != greek[2]);
        assert!(alias_of("R&D 客户").starts_with("r-d-"), "{}", alias_of("R&D 客户"));
        assert!(alias_of(&"long name ".repeat(40)).len() < 80);
        assert!(alias_of("!!!").starts_with("segment-"));
    }
}
