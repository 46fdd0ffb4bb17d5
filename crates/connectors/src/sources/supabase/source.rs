//! The port.

use async_trait::async_trait;
use jiff::SignedDuration;
use tandem_core::domain::engagement::EngagementEvent;
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::runs::RunLog;
use tandem_core::ports::source::{
    Appeared, Person, Pulled, RowStatus, SourceCursor, SourceOrder, SourcePage, SourceRow,
};
use tandem_core::ports::{Feedback, RecordSource};

use super::Supabase;
use super::convert::uuid;

/// A project serves one scope: the environment's.
#[async_trait]
impl RecordSource for Supabase {
    async fn tells_changes(&self, _: &Scope) -> Result<bool> {
        self.has_updated_at().await
    }

    /// `updated_at` is set when a transaction begins, and nobody sees the row before it ends.
    fn overlap(&self) -> SignedDuration {
        SignedDuration::from_mins(5)
    }

    async fn page(&self, _: &Scope, order: SourceOrder, after: &SourceCursor, limit: usize) -> Result<SourcePage> {
        self.read_page(order, after, limit).await
    }

    async fn rows(&self, _: &Scope, ids: &[String]) -> Result<Vec<SourceRow>> {
        self.read_rows(ids).await
    }

    async fn report(&self, _: &Scope, statuses: &[RowStatus]) -> Result<()> {
        self.write_statuses(statuses).await
    }

    async fn report_run(&self, _: &Scope, run: &RunLog) -> Result<()> {
        self.write_run(run).await
    }

    async fn take_back(&self, _: &Scope, pulled: &[Pulled]) -> Result<()> {
        self.write_changes(pulled).await
    }

    async fn appeared(&self, _: &Scope, people: &[Appeared]) -> Result<()> {
        self.write_newcomers(people).await
    }

    async fn forget(&self, _: &Scope, _: &ExternalId) -> Result<()> {
        Ok(())
    }

    async fn tell(
        &self,
        scope: &Scope,
        person: &Person,
        feedback: &Feedback,
        events: &[EngagementEvent],
    ) -> Result<()> {
        let customer = person.id.as_ref().and_then(|id| uuid(id.as_str()));
        if let Some(customer) = customer {
            self.write_consent(customer, feedback).await?;
            self.write_events(scope, customer, events).await?;
        }
        let Some(email) = &person.email else { return Ok(()) };
        if let Some(customer) = customer {
            if self.knows_later(customer, feedback.standing.last_event_at).await? {
                return Ok(());
            }
            self.write_bounces(customer, email, feedback, events).await?;
        }
        self.write_lead(email, feedback).await
    }
}
