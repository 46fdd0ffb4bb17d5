//! Segments, campaigns, stages, tags, companies, statistics, history, users.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{FieldValues, Listed, Loose, Loosely};

/// A thing that has an id and a name.
#[derive(Deserialize)]
pub(in crate::mautic) struct Named {
    pub id: Loose,
    pub name: String,
    #[serde(default)]
    pub alias: Option<String>,
    #[serde(default, rename = "isPublished")]
    pub is_published: Loose,
}

/// `{"total": 2, "lists": …}`: segments were once called lists (recording `076-segments-list`).
#[derive(Deserialize)]
pub(in crate::mautic) struct Segments {
    pub lists: Listed<Named>,
}

/// `{"list": …}` (recording `073-segment-create`).
#[derive(Deserialize)]
pub(in crate::mautic) struct OneSegment {
    pub list: Named,
}

/// `{"total": 1, "campaigns": …}` (recording `090-campaigns-list`).
#[derive(Deserialize)]
pub(in crate::mautic) struct Campaigns {
    pub campaigns: Listed<Named>,
}

/// `{"total": 1, "campaigns": …}` of a contact (recording `097-contact-campaigns`).
#[derive(Deserialize)]
pub(in crate::mautic) struct JoinedCampaigns {
    pub campaigns: Listed<JoinedCampaign>,
}

/// A campaign as a contact's membership.
#[derive(Deserialize)]
pub(in crate::mautic) struct JoinedCampaign {
    pub id: Loose,
    #[serde(default, rename = "manuallyRemoved")]
    pub manually_removed: Loose,
}

/// `{"total": 1, "lists": …}` of a contact (recording `083-contact-segments`).
#[derive(Deserialize)]
pub(in crate::mautic) struct JoinedSegments {
    pub lists: Listed<JoinedSegment>,
}

/// A segment as a contact's membership.
#[derive(Deserialize)]
pub(in crate::mautic) struct JoinedSegment {
    pub id: Loose,
    pub name: String,
    #[serde(default)]
    pub alias: Option<String>,
    #[serde(default, rename = "manuallyRemoved")]
    pub manually_removed: Loose,
}

/// `{"total": 1, "stages": …}`.
#[derive(Deserialize)]
pub(in crate::mautic) struct Stages {
    pub stages: Listed<Named>,
}

/// `{"total": 3, "tags": …}` (recording `057-tags-list`).
#[derive(Deserialize)]
pub(in crate::mautic) struct Tags {
    pub tags: Listed<super::contact::Tag>,
}

/// `{"success": 1, "details": {"<contact>": {"success": true}}}`.
#[derive(Deserialize)]
pub(in crate::mautic) struct BulkAdded {
    pub details: Listed<super::Success>,
}

/// `{"total": "1", "companies": …}` (recording `101-company-list`).
#[derive(Deserialize)]
pub(in crate::mautic) struct Companies {
    pub companies: Listed<Company>,
}

/// `{"company": …}` (recording `099-company-create`).
#[derive(Deserialize)]
pub(in crate::mautic) struct OneCompany {
    pub company: Company,
}

/// A company.
#[derive(Deserialize)]
pub(in crate::mautic) struct Company {
    pub id: Loose,
    #[serde(default)]
    pub fields: FieldValues,
}

/// `{"total": "5", "stats": […]}`, or the list of tables when the one asked for is not there (recording `107-stats-tables`),
/// or, with status 200, errors: a table that the role may not see.
#[derive(Deserialize)]
pub(in crate::mautic) struct Stats {
    #[serde(default)]
    pub errors: Listed<super::Error>,
    #[serde(default)]
    pub stats: Option<Listed<BTreeMap<String, Value>>>,
    #[serde(default, rename = "availableTables")]
    pub available_tables: Listed<String>,
}

/// `{"events": […], "total": 8}` (recording `109-contact-activity`).
#[derive(Deserialize)]
pub(in crate::mautic) struct Activity {
    pub events: Listed<Event>,
    pub total: Loosely<usize>,
}

/// An entry of a contact's history.
#[derive(Deserialize)]
pub(in crate::mautic) struct Event {
    pub event: String,
    #[serde(rename = "eventId")]
    pub id: String,
    pub timestamp: String,
}

/// Whom Tandem is for Mautic (recording `146-user-self`).
#[derive(Deserialize)]
pub(in crate::mautic) struct User {
    pub username: String,
    #[serde(default)]
    pub role: Option<Role>,
}

/// The role that its permissions come from.
#[derive(Deserialize)]
pub(in crate::mautic) struct Role {
    pub name: String,
    #[serde(default, rename = "isAdmin")]
    pub is_admin: Loose,
}
