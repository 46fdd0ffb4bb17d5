//! Records, as answers show them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_core::domain::association::Related;
use tandem_core::domain::consent::{ConsentEntry, ConsentLedger};
use tandem_core::domain::identity::{Email, ExternalId, RecordKey};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::link::{self, FieldConflict, Link, RemoteId};
use tandem_core::domain::record::{Fields, Record, Said};
use tandem_core::domain::scope::IntegrationId;
use tandem_core::ports::{Feedback, LinkOf};

/// A record in a list.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedRecord {
    /// Its key in Tandem.
    pub key: RecordKey,
    /// What it is of.
    pub kind: Kind,
    /// The application's id.
    pub id: Option<ExternalId>,
    /// The address.
    pub email: Option<Email>,
    /// When the application changed it last.
    pub updated_at: Timestamp,
    /// Since when the application does not have it any more.
    pub gone_since: Option<Timestamp>,
    /// How it stands with each integration.
    pub links: Vec<LinkState>,
}

/// How a record stands with an integration.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkState {
    /// The integration.
    pub integration: IntegrationId,
    /// The contact there.
    pub contact: Option<RemoteId>,
    /// Where the link stands.
    pub state: link::LinkState,
    /// Why the last write was refused.
    pub error: Option<String>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// An answer with one record.
#[derive(Clone, Serialize, Deserialize)]
pub struct OneRecord {
    /// The record.
    pub record: RecordView,
}

/// All that the table knows of a record.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordView {
    /// Its key in Tandem.
    pub key: RecordKey,
    /// What it is of.
    pub kind: Kind,
    /// The application's id.
    pub id: Option<ExternalId>,
    /// The address.
    pub email: Option<Email>,
    /// The address that the application gives it while another record has it.
    pub awaited_email: Option<Email>,
    /// The application's own address, where a platform's stands in its place.
    pub application_email: Option<Email>,
    /// What is known, by the application's names.
    pub fields: Fields,
    /// Of fields that a platform said, which integration and when; the application said all others.
    pub said: BTreeMap<String, Said>,
    /// When the application changed it last.
    pub updated_at: Timestamp,
    /// Grows with every change.
    pub version: u64,
    /// Since when the application does not have it any more.
    pub gone_since: Option<Timestamp>,
    /// Its links, one for each integration that it was brought to.
    pub links: Vec<LinkView>,
    /// What was said of being mailed, and what of it stands.
    pub consent: ConsentView,
    /// What its source was last told of it.
    pub feedback: Option<Feedback>,
}

/// A link as it is stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkView {
    /// Where it leads and stands.
    #[serde(flatten)]
    pub link: LinkState,
    /// Ids that the platform merged into the contact's.
    pub aliases: BTreeSet<RemoteId>,
    /// Other contacts with the address.
    pub duplicates: BTreeSet<RemoteId>,
    /// Segments that Tandem put the contact into.
    pub segments: BTreeSet<String>,
    /// Campaigns that Tandem put the contact into.
    pub campaigns: BTreeSet<String>,
    /// What other records are there, as far as Tandem tied the two.
    pub related: Vec<Related>,
    /// What both sides last agreed on, by the platform's names.
    pub snapshot: BTreeMap<String, Value>,
    /// What the platform was last seen to hold where the snapshot does not say it.
    pub seen: BTreeMap<String, Value>,
    /// Fields that a person has to decide, by the application's names.
    pub conflicts: BTreeMap<String, FieldConflict>,
    /// Fields whose values the platform did not take, and why.
    pub refused: BTreeMap<String, link::Refusal>,
    /// Until when somebody writes the contact.
    pub leased_until: Option<Timestamp>,
    /// Grows with every change.
    pub revision: u64,
}

/// What was said of being mailed.
#[derive(Clone, Serialize, Deserialize)]
pub struct ConsentView {
    /// What stands.
    pub standing: Option<ConsentEntry>,
    /// All that is kept, the oldest first.
    pub entries: Vec<ConsentEntry>,
}

impl ListedRecord {
    /// A record without its links.
    #[must_use]
    pub fn of(key: &RecordKey, record: Record) -> Self {
        let Record { external_id, email, updated_at, gone_since, .. } = record;
        Self { key: key.clone(), kind: key.kind(), id: external_id, email, updated_at, gone_since, links: Vec::new() }
    }
}

impl LinkState {
    /// How a link stands.
    #[must_use]
    pub fn of(integration: &IntegrationId, link: &Link) -> Self {
        Self {
            integration: integration.clone(),
            contact: link.remote_id.clone(),
            state: link.state,
            error: link.error.clone(),
            updated_at: link.updated_at,
        }
    }
}

impl LinkView {
    fn of(LinkOf { integration, link, lease }: LinkOf) -> Self {
        Self {
            link: LinkState::of(&integration, &link),
            aliases: link.aliases,
            duplicates: link.duplicates,
            segments: link.associations.segments().map(str::to_owned).collect(),
            campaigns: link.associations.campaigns().map(str::to_owned).collect(),
            related: link.associations.related().cloned().collect(),
            snapshot: link.snapshot,
            seen: link.seen,
            conflicts: link.conflicts,
            refused: link.refused,
            leased_until: lease.map(|lease| lease.until),
            revision: link.revision,
        }
    }
}

impl RecordView {
    /// A record with all that is known beside it.
    #[must_use]
    pub fn of(
        key: &RecordKey,
        record: Record,
        links: Vec<LinkOf>,
        consent: &ConsentLedger,
        feedback: Option<Feedback>,
    ) -> Self {
        let said_of_address = record.corrected.as_ref().map(|corrected| ("email".to_owned(), corrected.said.clone()));
        Self {
            key: key.clone(),
            kind: key.kind(),
            id: record.external_id,
            email: record.email,
            awaited_email: record.awaited,
            application_email: record.corrected.map(|corrected| corrected.application),
            fields: record.fields,
            said: record.said.into_iter().chain(said_of_address).collect(),
            updated_at: record.updated_at,
            version: record.version,
            gone_since: record.gone_since,
            links: links.into_iter().map(LinkView::of).collect(),
            consent: ConsentView { standing: consent.standing().cloned(), entries: consent.entries().to_vec() },
            feedback,
        }
    }
}
