//! Who names whom, and where records of other kinds wait.

use tandem_app::store::{BulkTable, RelationTable};
use tandem_core::domain::identity::{ExternalId, Identity, RecordKey};
use tandem_core::domain::kind::Kind;
use tandem_core::ports::bulk::{BulkStore, Mark, MarkCursor};
use tandem_core::ports::relations::{Relation, RelationStore};

use crate::fixture::{START, alone, at, external, scope, world};

fn organisation(id: &str) -> Identity {
    ExternalId::try_from(id.to_owned()).unwrap().identity_as(Kind::Organisation)
}

#[tokio::test]
async fn who_names_a_record_is_read_page_by_page_and_named_once() {
    let world = world().await;
    let (relations, tenant, other) =
        (RelationTable::new(world.local.table().clone()), scope("a").tenant, scope("b").tenant);
    let mut keys: Vec<RecordKey> = (0..250).map(|n| RecordKey::first_known_by(&external(&format!("u{n}")))).collect();
    let all: Vec<Relation> = keys.iter().map(|from| Relation { from: from.clone(), to: organisation("7") }).collect();
    relations.relate(&tenant, &all).await.unwrap();
    relations.relate(&tenant, &all[..7]).await.unwrap();
    let (mut found, mut after) = (Vec::new(), None::<RecordKey>);
    loop {
        let page = relations.relatives(&tenant, &organisation("7"), after.as_ref(), 100).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page);
    }
    keys.sort();
    assert_eq!(found, keys);
    for (tenant, of) in [(&tenant, external("7")), (&tenant, organisation("8")), (&other, organisation("7"))] {
        assert!(relations.relatives(tenant, &of, None, 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn organisations_and_deals_are_the_first_that_an_outbox_shows() {
    let world = world().await;
    let (bulk, scope) = (BulkTable::new(world.local.table().clone(), alone()), scope("a"));
    let id = |n: usize, kind| ExternalId::try_from(format!("{n}")).unwrap().identity_as(kind);
    let keys = (0..40).map(|n| RecordKey::first_known_by(&id(n, Kind::ALL[n % 3])));
    let marks: Vec<Mark> = keys.map(|key| Mark::new(key, 1, at(START))).collect();
    bulk.mark_many(&scope, &marks).await.unwrap();
    let (mut cursor, mut kinds) = (Some(MarkCursor::default()), Vec::new());
    while let Some(after) = cursor {
        let (marks, next) = bulk.marks(&scope, &after, 7).await.unwrap();
        kinds.extend(marks.iter().map(|mark| mark.record.kind().is_person()));
        cursor = next;
    }
    assert_eq!(kinds.len(), 40);
    assert!(kinds.is_sorted(), "no person comes before an organisation");
}
