//! Addresses that wait for their holders. A record that is given an address of another record keeps its own until that one
//! gives it up. Where records wait for each other in a ring, two who swap for one, none ever would: they change at once.

use crate::domain::identity::{Email, RecordKey};
use crate::domain::record::Record;
use crate::error::Result;
use crate::jobs::message::Task;
use crate::ports::bulk::Mark;
use crate::ports::{Attempt, Exchange};

use super::services::Desk;

/// The longest ring that is followed.
const RING: usize = 8;

/// A record of a ring, and the address that it waits for.
struct Waiting {
    key: RecordKey,
    record: Record,
    wanted: Email,
}

impl Desk {
    /// Lets the records of a ring change addresses, if the record's wish closes one; `true` when they did, or when somebody
    /// changed one of them meanwhile: read again then. Two reads for each record of the ring; one write when there is one.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn exchange(&self, key: &RecordKey, wanted: &Email, correlation_id: &str) -> Result<bool> {
        let Some(ring) = self.ring(key, wanted).await? else { return Ok(false) };
        self.carry_opt_outs(&ring).await?;
        let now = self.now();
        let marks = ring.iter().map(|one| Mark::new(one.key.clone(), one.record.version + 1, now));
        // The marks first: whoever dies behind them is followed by a run that brings all of the ring to the platform.
        self.services.bulk.mark_many(&self.integration.scope, &marks.collect::<Vec<_>>()).await?;
        let holders = ring.iter().cycle().skip(1);
        let moves: Vec<Exchange> =
            ring.iter().zip(holders).map(|(one, holder)| one.taking_from(&holder.key, now)).collect();
        if self.services.contacts.exchange(&self.integration.scope, &moves).await? == Attempt::Done {
            tracing::info!(records = ring.len(), "records changed addresses");
            for other in ring.iter().filter(|one| one.key != *key) {
                let task = Task::PushContact { record: other.key.clone() };
                self.defer(task, correlation_id, std::time::Duration::from_secs(1)).await?;
            }
        }
        Ok(true)
    }

    /// The records that wait for each other, each for the address of the next, the last one for that of the first.
    async fn ring(&self, key: &RecordKey, wanted: &Email) -> Result<Option<Vec<Waiting>>> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let Some(record) = contacts.load(scope, key).await?.record else { return Ok(None) };
        let mut ring = vec![Waiting { key: key.clone(), record, wanted: wanted.clone() }];
        let mut next = wanted.clone();
        while ring.len() < RING {
            let Some(holder) = contacts.resolve(scope, None, Some(&next.identity())).await?.by_email else {
                return Ok(None);
            };
            if holder == *key {
                let closes = ring.len() > 1 && ring[0].record.email.as_ref() == Some(&next);
                return Ok(closes.then_some(ring));
            }
            let stored = contacts.load(scope, &holder).await?;
            // It may have given the address up, and only its contact has it still.
            let Some(record) = stored.record.filter(|record| record.email.as_ref() == Some(&next)) else {
                return Ok(None);
            };
            let Some(wanted) = record.awaited.clone() else { return Ok(None) };
            next = wanted.clone();
            ring.push(Waiting { key: holder, record, wanted });
        }
        Ok(None)
    }

    /// An opt-out moves along with the person.
    async fn carry_opt_outs(&self, ring: &[Waiting]) -> Result<()> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let mut said = Vec::new();
        for one in ring {
            let Some(old) = one.record.email.as_ref().map(Email::identity) else { continue };
            let ledger = contacts.resolve(scope, None, Some(&old)).await?.consent;
            let standing = ledger.standing().filter(|_| ledger.opted_out()).cloned();
            said.extend(standing.map(|entry| (one.wanted.identity(), entry)));
        }
        for (address, entry) in said {
            contacts.amend_consent(scope, &address, entry).await?;
        }
        Ok(())
    }

    /// The address that a record waits for, if nobody else has it by now.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn awaited_now(&self, key: &RecordKey, record: &Record) -> Result<Option<Email>> {
        let Some(awaited) = &record.awaited else { return Ok(None) };
        Ok(self.other_holder(key, awaited).await?.is_none().then(|| awaited.clone()))
    }
}

impl Waiting {
    fn taking_from(&self, holder: &RecordKey, now: jiff::Timestamp) -> Exchange {
        let record = Record {
            email: Some(self.wanted.clone()),
            awaited: None,
            version: self.record.version + 1,
            updated_at: now,
            ..self.record.clone()
        };
        Exchange { key: self.key.clone(), record, address: self.wanted.identity(), holder: holder.clone() }
    }
}
