//! Where the application's own records live: read by keyset pages, told what became of them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Feedback;
use super::place::TimePlace;
use crate::domain::engagement::EngagementEvent;
use crate::domain::identity::{Email, ExternalId, RecordKey};
use crate::domain::kind::Kind;
use crate::domain::link::RemoteId;
use crate::domain::record::Fields;
use crate::domain::scope::{IntegrationId, Scope};
use crate::error::Result;
use crate::ports::runs::RunLog;

/// A local record as its source holds it: the whole state, not a change.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRow {
    /// What it is a row of.
    #[serde(default, skip_serializing_if = "Kind::is_person")]
    pub kind: Kind,
    /// The application's id.
    pub id: String,
    /// When the application changed it last, as far as the source tells.
    pub updated_at: Option<Timestamp>,
    /// All columns but the id, by the application's names; `null` where there is no value.
    pub fields: Fields,
    /// The application deleted it.
    pub deleted: bool,
}

impl SourceRow {
    /// Its id, told apart from the same id of another kind.
    #[must_use]
    pub fn qualified_id(&self) -> Cow<'_, str> {
        self.kind.qualified(&self.id)
    }
}

impl fmt::Debug for SourceRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceRow").field("id", &self.id).field("updated_at", &self.updated_at).finish_non_exhaustive()
    }
}

/// The order in which rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceOrder {
    /// By `(updated_at, id)`: what changed last comes last. A source that is handed its rows goes by the time at which it
    /// was, for they may come late.
    Changed,
    /// By id: every row once, whatever changes meanwhile.
    Id,
}

/// Up to where rows were read; the default is before the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCursor {
    /// The last row's place in time: its `updated_at`, or when it was handed over. Unused when reading by id.
    pub updated_at: Option<Timestamp>,
    /// The last row's id, as [`SourceRow::qualified_id`] tells it. Absent with an `updated_at`: every row of that moment is still to be read.
    pub id: Option<String>,
}

/// Rows in order.
#[derive(Clone, Debug, Default)]
pub struct SourcePage {
    /// The rows, at most as many as were asked for.
    pub rows: Vec<SourceRow>,
    /// Where to read on.
    pub next: SourceCursor,
    /// Whether there may be more.
    pub more: bool,
}

/// What became of a person's row, for the source to show.
#[derive(Clone, Debug, PartialEq)]
pub struct RowStatus {
    /// The row.
    pub id: String,
    /// Its contact on the platform, when it has one.
    pub contact: Option<RemoteId>,
    /// A digest of what was synced, in hex.
    pub hash: Option<String>,
    /// When the contact was last brought to the platform, by Tandem's clock.
    pub synced_at: Option<Timestamp>,
    /// Why it could not be; `None` clears an earlier reason. No personal data.
    pub error: Option<String>,
}

/// Whom the source is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The application's id, when it gave one.
    pub id: Option<ExternalId>,
    /// The address.
    pub email: Option<Email>,
}

/// Values that people changed on the platform, for the application to take over.
#[derive(Clone, PartialEq)]
pub struct Pulled {
    /// What it is a row of.
    pub kind: Kind,
    /// The row.
    pub id: String,
    /// Values by the application's names; `null` where a value was taken away.
    pub fields: Fields,
    /// When the platform says that it was changed.
    pub at: Timestamp,
}

impl fmt::Debug for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulled").field("id", &self.id).field("at", &self.at).finish_non_exhaustive()
    }
}

/// That something of a record comes from a platform, or from the person by way of it. Values are not kept here: they are read
/// from the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordChange {
    /// The record.
    pub record: RecordKey,
    /// The application's names of what changed; [`MARKETING_OPT_IN`] and [`EMAIL_STATUS`] among them.
    pub fields: BTreeSet<String>,
    /// The integration that told it.
    pub integration: IntegrationId,
    /// When it happened, as far as the platform tells.
    pub at: Timestamp,
    /// Whether the record was made of somebody who appeared on the platform.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub appeared: bool,
}

/// Somebody who appeared on a platform, and whom the application does not know.
#[derive(Clone, PartialEq)]
pub struct Appeared {
    /// The record that is made of the person.
    pub record: RecordKey,
    /// The address.
    pub email: Option<Email>,
    /// Values by the application's names.
    pub fields: Fields,
    /// The integration that told it.
    pub integration: IntegrationId,
    /// When the contact was made or changed last, as far as the platform tells.
    pub at: Timestamp,
}

impl fmt::Debug for Appeared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appeared").field("record", &self.record).field("at", &self.at).finish_non_exhaustive()
    }
}

/// Whether the person may be mailed, among the fields of a [`RecordChange`].
pub const MARKETING_OPT_IN: &str = "marketing_opt_in";
/// Whether mail reaches the person, among the fields of a [`RecordChange`].
pub const EMAIL_STATUS: &str = "email_status";

/// Changes in the order in which they were noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordChanges {
    /// The changes, each with its place.
    pub changes: Vec<(TimePlace, RecordChange)>,
    /// Whether there may be more behind the last one already.
    pub more: bool,
}

/// Where the application's own records live: rows of all kinds in one order. Everything that it is told may be told twice.
#[async_trait]
pub trait RecordSource: Send + Sync {
    /// Whether rows say when they were changed, so that [`SourceOrder::Changed`] can be asked for. One call at most.
    async fn tells_changes(&self, scope: &Scope) -> Result<bool>;
    /// How long before a row can be read its place in [`SourceOrder::Changed`] may be given to it: rows that were read
    /// within this time of their change may have been overtaken by others, and are read once more.
    fn overlap(&self) -> SignedDuration;
    /// At most `limit` rows that come after `after` in `order`. One call.
    async fn page(&self, scope: &Scope, order: SourceOrder, after: &SourceCursor, limit: usize) -> Result<SourcePage>;
    /// The rows with these ids (at most 200; as [`SourceRow::qualified_id`] tells them) that are there, in any order. One call.
    async fn rows(&self, scope: &Scope, ids: &[String]) -> Result<Vec<SourceRow>>;
    /// Tells what became of rows. One call for 500.
    async fn report(&self, scope: &Scope, statuses: &[RowStatus]) -> Result<()>;
    /// Tells of a finished run. One call.
    async fn report_run(&self, scope: &Scope, run: &RunLog) -> Result<()>;
    /// Hands over what people changed on the platform. One call for 500.
    async fn take_back(&self, scope: &Scope, pulled: &[Pulled]) -> Result<()>;
    /// Tells of people who appeared on a platform, before their records are stored. One call for 500; where changes are kept,
    /// one write for each.
    async fn appeared(&self, scope: &Scope, people: &[Appeared]) -> Result<()>;
    /// Whether the rows are Tandem's own to keep and to forget.
    fn keeps_rows(&self) -> bool {
        false
    }
    /// Whether changes that come from platforms are kept for the application to read: where Tandem has no database of the
    /// application's to write them to.
    fn keeps_changes(&self) -> bool {
        false
    }
    /// Keeps changes for 30 days. One write for each; one that is noted twice may be read twice.
    async fn note_changes(&self, _: &Scope, _: &[RecordChange]) -> Result<()> {
        Ok(())
    }
    /// Changes behind a place, at most `limit`, in an order that no later change gets into. One read call, and one more at
    /// the turn of a month.
    async fn changes(&self, _: &Scope, _: Option<&TimePlace>, _limit: usize) -> Result<RecordChanges> {
        Ok(RecordChanges::default())
    }
    /// A person's data are erased: forgets the row, where Tandem itself keeps it. Rows of the application's own database are
    /// the application's to erase. A few calls.
    async fn forget(&self, scope: &Scope, id: &ExternalId) -> Result<()>;
    /// Tells what is known of a person: consent, whether mail arrives, and every event. A few calls.
    async fn tell(&self, scope: &Scope, person: &Person, feedback: &Feedback, events: &[EngagementEvent])
    -> Result<()>;
}
