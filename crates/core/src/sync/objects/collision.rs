//! A create that the platform answered with the thing of another record has overwritten what that one wrote: it is sent once
//! more, as if nothing of it were known there, and the record that was to be made is told.

use std::collections::BTreeSet;

use crate::domain::identity::RecordKey;
use crate::domain::link::{Link, LinkState};
use crate::error::Result;
use crate::ports::Attempt;
use crate::ports::bulk::Mark;

use super::{Became, ObjectSender};

impl ObjectSender<'_> {
    /// Has records sent once more with all that they say; gives those of which somebody else writes the link just now. Who dies
    /// on the way meets the collision again: the other record's link says by which name it was sent. Two reads and two writes.
    pub(super) async fn restore(&mut self, keys: BTreeSet<RecordKey>) -> Result<BTreeSet<RecordKey>> {
        if keys.is_empty() {
            return Ok(BTreeSet::new());
        }
        let (bulk, scope, now) = (&self.desk.services.bulk, &self.desk.integration.scope, self.desk.now());
        let keys: Vec<RecordKey> = keys.into_iter().collect();
        let stored = bulk.load_many(scope, &keys).await?;
        let (mut marks, mut links) = (Vec::new(), Vec::new());
        for (key, stored) in keys.into_iter().zip(stored) {
            let Some((record, link)) = stored.record.zip(stored.link) else { continue };
            marks.push(Mark::new(key.clone(), record.version, now));
            links.push((
                key,
                Link { state: LinkState::Pending, overwritten: true, revision: link.revision + 1, ..link },
            ));
        }
        let attempts = bulk.relink_many(scope, &links, now).await?;
        bulk.mark_many(scope, &marks).await?;
        let contended = links.iter().zip(attempts).filter(|(_, attempt)| *attempt == Attempt::Contended);
        let contended = contended.map(|((key, _), _)| key.clone()).collect();
        self.ended.extend(marks.into_iter().map(|mark| (mark, Became::Held(now))));
        Ok(contended)
    }
}
