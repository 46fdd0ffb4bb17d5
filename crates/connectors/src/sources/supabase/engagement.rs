//! `customer_email_engagement`: a row an event, and what a later one would tell.

use jiff::Timestamp;
use serde_json::Value;
use tandem_core::domain::engagement::{EngagementEvent, EngagementKind};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use uuid::Uuid;

use super::Supabase;
use super::client::Request;
use super::convert::{storable, uuid_of};
use super::upsert::{Known, Upsert};
use super::wire::{Engagement, Row};

const EVENTS: Upsert = Upsert { table: "customer_email_engagement", key: "id", known: Known::Kept };

impl Supabase {
    /// One call for 500 events; those that are there stay as they are.
    pub(super) async fn write_events(&self, scope: &Scope, customer: Uuid, events: &[EngagementEvent]) -> Result<()> {
        let rows: Vec<Value> =
            events.iter().map(|event| storable(&row(scope, customer, event))).collect::<Result<_>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        match self.if_there(EVENTS.table, self.upsert(EVENTS, &rows)).await {
            Err(rejected) if rejected.lacks_parent() => {
                tracing::info!(table = EVENTS.table, "a customer is gone: the events are not told");
                Ok(())
            }
            Err(rejected) if rejected.is_about_a_row() => Ok(self.upsert_sound(EVENTS, &rows).await?),
            written => Ok(written.map(drop)?),
        }
    }

    /// Whether more than the events up to `last` was told of a customer: then what follows from them is out of date.
    pub(super) async fn knows_later(&self, customer: Uuid, last: Option<Timestamp>) -> Result<bool> {
        let Some(last) = last else { return Ok(false) };
        let request = Request::get(EVENTS.table)
            .with("select", "id")
            .with("customer_id", format!("eq.{customer}"))
            .with("occurred_at", format!("gt.{last}"))
            .with("limit", "1");
        let later = self.if_there(EVENTS.table, self.client.read::<Vec<Row>>(request)).await?;
        Ok(later.is_some_and(|rows| !rows.is_empty()))
    }
}

fn row<'a>(scope: &Scope, customer: Uuid, event: &'a EngagementEvent) -> Engagement<'a> {
    let name = format!("event/{}/{}/{}", scope.tenant, scope.integration, event.natural_id);
    Engagement {
        id: uuid_of(&name),
        customer_id: customer,
        event_type: event_type(event.kind),
        campaign_name: event.campaign.as_deref(),
        email_subject: event.subject.as_deref(),
        link_url: event.url.as_deref(),
        occurred_at: event.at,
        mautic_email_id: event.email.as_deref(),
        raw_payload: event,
    }
}

/// Seven types that shops know, and that the platform may mail an address again, which no person does but which counts
/// for [`Supabase::knows_later`].
fn event_type(kind: EngagementKind) -> &'static str {
    match kind {
        EngagementKind::Open => "open",
        EngagementKind::Click => "click",
        EngagementKind::Unsubscribe => "unsubscribe",
        EngagementKind::HardBounce | EngagementKind::SoftBounce => "bounce",
        EngagementKind::Complaint => "complaint",
        EngagementKind::Contactable => "contactable",
        EngagementKind::Form => "form",
        EngagementKind::Page => "page",
    }
}
