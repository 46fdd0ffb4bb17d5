//! Who names whom is noted before a record says so, and read when the record that is named has come to a platform: so the two
//! may arrive in any order, and whoever waited is sent once more.

use crate::domain::identity::{ExternalId, Identity, RecordKey};
use crate::domain::kind::Kind;
use crate::domain::relationship;
use crate::error::Result;
use crate::ports::Stored;
use crate::ports::bulk::Mark;
use crate::ports::relations::Relation;

use super::plan::Draft;
use super::services::Desk;

/// How many relatives are read and marked at a time.
const AT_ONCE: usize = 100;

impl Desk {
    /// Notes whom drafts name that their stored records do not. Before these are stored: who dies in between leaves an entry
    /// that nobody needs, and never a record that nobody finds. One write for 50; none for drafts that name nobody new.
    pub(super) async fn note_relationships<'a>(&self, drafts: impl Iterator<Item = &'a Draft> + Send) -> Result<()> {
        let named = |draft: &'a Draft| {
            let from = &draft.key;
            draft.newly_related.iter().map(move |to| Relation { from: from.clone(), to: to.clone() })
        };
        let relations: Vec<Relation> = drafts.flat_map(named).collect();
        if relations.is_empty() {
            return Ok(());
        }
        self.services.relations.relate(&self.integration.scope.tenant, &relations).await
    }

    /// Has the records sent once more that name this one: it is on the platform by now, under an id that they were not told.
    /// For 100 of them two reads and one write. Their marks carry the versions of now, so that one that was read before, and is
    /// being worked off, does not stand for them.
    pub(super) async fn announce(&self, kind: Kind, id: &ExternalId) -> Result<()> {
        let (services, scope) = (&self.services, &self.integration.scope);
        let identity = id.identity_as(kind);
        let mut after: Option<RecordKey> = None;
        loop {
            let found = services.relations.relatives(&scope.tenant, &identity, after.as_ref(), AT_ONCE).await?;
            let Some(last) = found.last().cloned() else { return Ok(()) };
            // Of deals nothing is set here, whom they name.
            let found: Vec<RecordKey> = found.into_iter().filter(|key| key.kind().is_person()).collect();
            let there = self.still_naming(&identity, found).await?;
            let now = self.now();
            let marks: Vec<Mark> = there.into_iter().map(|(key, version)| Mark::new(key, version, now)).collect();
            services.bulk.mark_many(scope, &marks).await?;
            after = Some(last);
        }
    }

    /// Those of the records that name an identity by now, with their versions: an entry may be older than what its record says.
    async fn still_naming(&self, identity: &Identity, found: Vec<RecordKey>) -> Result<Vec<(RecordKey, u64)>> {
        let stored = self.services.bulk.load_many(&self.integration.scope, &found).await?;
        let names = |(key, stored): (RecordKey, Stored)| {
            let record = stored.record?;
            let named = relationship::of(key.kind(), &record.fields);
            named.iter().any(|one| one.identity() == *identity).then_some((key, record.version))
        };
        Ok(found.into_iter().zip(stored).filter_map(names).collect())
    }

    /// Records that name this one, at most `most`, in the order of their keys. Three reads for 100 entries.
    pub(super) async fn named_by(&self, identity: &Identity, most: usize) -> Result<Vec<RecordKey>> {
        let (relations, tenant) = (&self.services.relations, &self.integration.scope.tenant);
        let (mut all, mut after) = (Vec::new(), None::<RecordKey>);
        while all.len() < most {
            let found = relations.relatives(tenant, identity, after.as_ref(), AT_ONCE).await?;
            let Some(last) = found.last().cloned() else { break };
            all.extend(self.still_naming(identity, found).await?.into_iter().map(|(key, _)| key));
            after = Some(last);
        }
        all.truncate(most);
        Ok(all)
    }
}
