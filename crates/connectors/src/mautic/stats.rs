//! What happened in Mautic: rows of its statistics tables by id, and the history of one contact.

use jiff::Timestamp;
use tandem_core::domain::link::RemoteId;
use tandem_core::error::{Failure, FailureKind, Result};

use super::client::Request;
use super::convert::contact_number;
use super::errors::Row;
use super::wire::{Activity, Stats};
use super::{Mautic, errors};

/// A page of a contact's history, the newest entry first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The entries.
    pub events: Vec<HistoryEvent>,
    /// How many there are on all pages.
    pub total: usize,
}

/// Something that happened to a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEvent {
    /// What: `email.sent`, `stage.changed`, …
    pub kind: String,
    /// Mautic's name of the entry, unique for the kind.
    pub id: String,
    /// When, to the second.
    pub at: Timestamp,
}

impl Mautic {
    /// Rows of a table whose id is greater than `after`, by id, at most `limit`: the cursor for what no date shows
    /// (recording `152-stats-dnc`). Numbers come as text; empty columns are left out.
    ///
    /// # Errors
    /// `NotFound` for a table that Mautic does not have: it answers 200 and lists the others (recording `107-stats-tables`).
    pub async fn stats(&self, table: &str, after: u64, limit: u32) -> Result<Vec<Row>> {
        let unknown = || Failure::new(FailureKind::NotFound, "Mautic has no such statistics table.");
        if table.is_empty() || !table.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(unknown());
        }
        let request = Request::get(format!("stats/{table}"))
            .filtered(0, "id", "gt", after)
            .with("order[0][col]", "id")
            .with("order[0][dir]", "asc")
            .with("limit", limit);
        self.rows(request.in_bulk()).await?.ok_or_else(unknown)
    }

    /// The rows that a call of a statistics table gives; `None` for a table that this Mautic does not have.
    pub(super) async fn rows(&self, request: Request) -> Result<Option<Vec<Row>>> {
        let right = request.right();
        let answer: Stats = self.client.call(request).await?;
        errors::rows(answer, right)
    }

    /// A page (from 1) of what happened to a contact (recording `109-contact-activity`).
    pub async fn history(&self, contact: &RemoteId, page: u32) -> Result<History> {
        let request = Request::get(format!("contacts/{}/activity", contact_number(contact)?)).with("page", page);
        let answer: Activity = self.client.call(request).await?;
        let events = answer.events.into_values().map(|event| {
            let at = event.timestamp.parse().map_err(|_| errors::garbled(false))?;
            Ok(HistoryEvent { kind: event.event, id: event.id, at })
        });
        Ok(History { events: events.collect::<Result<_>>()?, total: answer.total.0.unwrap_or_default() })
    }
}
