//! What the source of a record was last told, beside the record.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tandem_core::domain::consent::{ConsentEntry, ConsentStatus};
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::{Feedback, FeedbackStore};

use super::condition::Condition;
use super::failure::storage;
use super::keys;
use super::row::{document, item, parsed, row};
use super::table::Table;
use super::transaction::Transacted;

/// More than twice the microseconds of any moment.
const STEP: i64 = 1_000_000_000_000_000_000;

/// [`FeedbackStore`] over the table.
pub struct FeedbackTable {
    table: Table,
}

/// Feedback, and what tells whether other feedback is older.
#[derive(Serialize, Deserialize)]
struct FeedbackRow {
    told_events: u64,
    told_consent: i64,
    document: String,
}

impl FeedbackTable {
    /// The feedback in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

#[async_trait]
impl FeedbackStore for FeedbackTable {
    async fn note(&self, scope: &Scope, key: &RecordKey, feedback: &Feedback) -> Result<()> {
        let row = FeedbackRow {
            told_events: feedback.standing.events,
            told_consent: rank(feedback.consent.as_ref()),
            document: document(feedback)?,
        };
        let newest = Condition::new(
            "attribute_not_exists(pk) OR told_events < :events \
             OR (told_events = :events AND told_consent <= :consent)",
        )
        .number(":events", row.told_events)
        .number(":consent", row.told_consent);
        let writes = vec![
            // Feedback on a record that was erased meanwhile would bring back what had to go.
            self.table
                .checking(keys::record(&scope.tenant, key), Condition::new("attribute_exists(record_version)"))?,
            self.table.putting(item(keys::feedback(&scope.tenant, key), &row)?, Some(newest))?,
        ];
        match self.table.transact(writes).await? {
            Transacted::Refused(failed) if failed.is_empty() => Err(storage("the record is being written just now")),
            Transacted::Done | Transacted::Refused(_) => Ok(()),
        }
    }

    async fn feedback(&self, scope: &Scope, key: &RecordKey) -> Result<Option<Feedback>> {
        let Some(item) = self.table.get(keys::feedback(&scope.tenant, key)).await? else { return Ok(None) };
        parsed(&row::<FeedbackRow>(item)?.document).map(Some)
    }
}

/// Grows with every change of what stands in a consent ledger. Its time alone does not: an opt-out takes the place of what
/// an application said, however old it is.
fn rank(standing: Option<&ConsentEntry>) -> i64 {
    let Some(entry) = standing else { return -STEP };
    let opted_out = entry.status == ConsentStatus::OptedOut;
    let decided = opted_out || entry.source.may_undo();
    i64::from(decided) * 2 * STEP + 2 * entry.at.as_microsecond() + i64::from(opted_out)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tandem_core::domain::consent::ConsentSource;

    use super::*;

    fn entry(status: ConsentStatus, source: ConsentSource, at: Timestamp) -> ConsentEntry {
        ConsentEntry { status, source, at, proof: None }
    }

    #[test]
    fn what_takes_the_place_of_a_statement_ranks_higher() {
        use ConsentSource::{Application, Person, Platform};
        use ConsentStatus::{OptedIn, OptedOut};
        let (early, late) = (Timestamp::from_second(10).unwrap(), Timestamp::from_second(20).unwrap());
        let rising = [
            None,
            Some(entry(OptedIn, Application, Timestamp::MIN)),
            Some(entry(OptedIn, Application, early)),
            Some(entry(OptedIn, Application, Timestamp::MAX)),
            Some(entry(OptedOut, Platform, Timestamp::MIN)),
            Some(entry(OptedIn, Person, early)),
            Some(entry(OptedOut, Platform, early)),
            Some(entry(OptedIn, Person, late)),
            Some(entry(OptedOut, Application, Timestamp::MAX)),
        ];
        let ranks = rising.map(|standing| rank(standing.as_ref()));
        assert!(ranks.is_sorted_by(|one, other| one < other), "{ranks:?}");
    }
}
