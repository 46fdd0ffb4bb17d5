//! Bodies as PostgREST sends and takes them. Private to this connector.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tandem_core::domain::engagement::EngagementEvent;
use tandem_core::domain::issue::FieldIssue;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::record::Fields;
use tandem_core::ports::runs::RunEnd;
use uuid::Uuid;

/// A row by its columns.
pub(super) type Row = Map<String, Value>;

/// The body of a failure. Its other members quote values and are not read.
#[derive(Deserialize)]
pub(super) struct Error {
    /// PostgREST's own (`PGRST204`) or PostgreSQL's (`23503`).
    pub code: Option<String>,
}

/// A row of `mautic_sync_status`. What is absent is kept as it is.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    pub customer_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mautic_contact_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_synced_at: Option<Timestamp>,
    pub sync_error: Option<&'a str>,
}

/// A row of `mautic_sync_logs`.
#[derive(Serialize)]
pub(super) struct Run<'a> {
    pub id: Uuid,
    pub run_started_at: Timestamp,
    pub run_finished_at: Option<Timestamp>,
    pub contacts_synced: i32,
    pub contacts_failed: i32,
    pub segments_synced: i32,
    pub error_details: Option<RunDetails<'a>>,
}

/// What was wrong in a run.
#[derive(Serialize)]
pub(super) struct RunDetails<'a> {
    pub end: RunEnd,
    pub error: Option<&'a str>,
    pub rejected: u64,
    pub conflicts: u64,
    pub issues: &'a std::collections::BTreeMap<String, u64>,
    pub problems: Vec<Problem<'a>>,
}

/// What was wrong with a row; the issue holds no value.
#[derive(Serialize)]
pub(super) struct Problem<'a> {
    pub id: &'a str,
    #[serde(flatten)]
    pub issue: &'a FieldIssue,
}

/// A row of `customer_email_engagement`.
#[derive(Serialize)]
pub(super) struct Engagement<'a> {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub event_type: &'static str,
    pub campaign_name: Option<&'a str>,
    pub email_subject: Option<&'a str>,
    pub link_url: Option<&'a str>,
    pub occurred_at: Timestamp,
    pub mautic_email_id: Option<&'a str>,
    pub raw_payload: &'a EngagementEvent,
}

/// A row of `mautic_contact_changes`.
#[derive(Serialize)]
pub(super) struct Change<'a> {
    pub customer_id: &'a str,
    pub field: &'a str,
    pub value: &'a Value,
    pub changed_at: Timestamp,
}

/// A row of `mautic_record_changes`.
#[derive(Serialize)]
pub(super) struct RecordChange<'a> {
    pub kind: Kind,
    pub record_id: &'a str,
    pub field: &'a str,
    pub value: &'a Value,
    pub changed_at: Timestamp,
}

/// A row of `mautic_new_contacts`.
#[derive(Serialize)]
pub(super) struct Newcomer<'a> {
    pub record: &'a str,
    pub email: Option<&'a str>,
    pub fields: &'a Fields,
    pub integration: String,
    pub appeared_at: Timestamp,
}
