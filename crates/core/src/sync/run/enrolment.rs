//! What goes through all records of a tenant: an integration that comes to it gets everybody, and where the platform has a field or
//! the integration a mapping set that is new, those records are due that it concerns.

use crate::ports::bulk::{BATCH, Mark, MarkCursor};

use super::planned::is_to_be_sent;
use super::{Run, Step};

impl Run<'_> {
    /// Puts all records of the tenant into the outbox, once in the integration's life; a run that stops on the way is followed
    /// by one that goes on. Those that are there already stay as they are. One read and a write for 200 records.
    pub(super) async fn enrol_everybody(&mut self) -> Step<()> {
        if self.state.enrolled {
            return Ok(());
        }
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let mut cursor = self.state.enrolling.clone().unwrap_or_default();
        loop {
            self.in_time()?;
            let (records, next) = bulk.records(&scope.tenant, &cursor, BATCH).await?;
            let is_empty = records.is_empty();
            self.desk.open_all_segments(&records).await?;
            bulk.mark_all(scope, records, self.now()).await?;
            let Some(next) = next else { break };
            cursor = next;
            if !is_empty {
                self.state.enrolling = Some(cursor.clone());
                self.save().await?;
            }
        }
        (self.state.enrolled, self.state.enrolling) = (true, None::<MarkCursor>);
        // All are compared with every field that the platform has by now, and by the rules of now.
        self.state.rules_seen = self.desk.rules_in_use_everywhere(self.now());
        self.state.fields_seen = self.desk.new_field(&self.state).await?.or(self.state.fields_seen);
        self.save().await
    }

    /// Puts the records into the outbox whose contacts lack something, those among them that never were a row: no pass meets
    /// them. A run that stops on the way is followed by one that goes on. Five reads for 200 records, and a write when one is
    /// due.
    pub(super) async fn mark_concerned(&mut self) -> Step<()> {
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let mut cursor = self.state.comparing.clone().unwrap_or_default();
        loop {
            self.in_time()?;
            let (records, next) = bulk.records(&scope.tenant, &cursor, BATCH).await?;
            let now = self.now();
            let marks = records.into_iter().map(|record| Mark::new(record, FIRST, now));
            let (people, mut concerned): (Vec<Mark>, Vec<Mark>) =
                marks.partition(|mark| mark.record.kind().is_person());
            let planned = self.desk.plan_marked(people).await?;
            let differ = planned.into_iter().filter(|(_, draft)| draft.as_ref().is_some_and(is_to_be_sent));
            // The others are compared when they are sent, and cost no call when they are settled.
            concerned.extend(differ.map(|(mark, _)| mark));
            bulk.mark_many(scope, &concerned).await?;
            self.state.comparing = next.clone();
            let Some(next) = next else { return Ok(()) };
            cursor = next;
            self.save().await?;
        }
    }
}

/// Older than every version that a record has: a mark that is there already stays.
const FIRST: u64 = 0;
