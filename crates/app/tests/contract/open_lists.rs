//! Outbox entries about lists that lifecycle events decided, and what is remembered of who lacks them.

use serde_json::json;
use tandem_app::store::{LifecycleTable, OpenListsTable};
use tandem_core::automation::event::Moment;
use tandem_core::automation::subject::{Subject, Written};
use tandem_core::automation::target::Target;
use tandem_core::domain::identity::RecordKey;
use tandem_core::ports::Attempt;
use tandem_core::ports::lifecycle::LifecycleStore;
use tandem_core::ports::lists::{ListOutbox, OpenLists};

use crate::fixture::{START, alone, at, scope, world};

fn record(number: u64) -> RecordKey {
    RecordKey::from_stored(format!("x{number}"))
}

fn open(number: u64, second: i64) -> OpenLists {
    OpenLists::new(record(number), at(second))
}

#[tokio::test]
async fn entries_are_read_in_the_order_in_which_they_are_due_and_others_are_told_of() {
    let world = world().await;
    let lists = OpenListsTable::new(world.local.table().clone());
    let [one, two, later] = [open(1, START + 2), open(2, START + 1), open(3, START + 60)];
    let all = OpenLists { all_segments: true, attempts: 3, since: at(START - 9), ..one.clone() };
    lists.put(&scope("a"), &[one.clone(), two.clone(), later.clone(), all.clone()]).await.unwrap();
    let due = |second| {
        let lists = &lists;
        async move { lists.due(&scope("a"), at(second), 100).await.unwrap() }
    };
    assert_eq!(due(START).await, (Vec::new(), true));
    assert_eq!(due(START + 10).await, (vec![two.clone(), one.clone(), all.clone()], true));
    assert_eq!(lists.due(&scope("a"), at(START + 99), 2).await.unwrap(), (vec![two.clone(), one.clone()], true));
    lists.remove(&scope("a"), &[one, two]).await.unwrap();
    lists.remove(&scope("a"), &[]).await.unwrap();
    assert_eq!(due(START + 99).await, (vec![all.clone(), later.clone()], false));
    lists.remove(&scope("a"), &[all, later]).await.unwrap();
    assert_eq!(due(START + 99).await, (Vec::new(), false));
    assert_eq!(lists.due(&scope("b"), at(START + 99), 9).await.unwrap(), (Vec::new(), false));
}

#[tokio::test]
async fn what_is_remembered_of_a_user_is_revised_by_one_writer_and_leaves_the_lease_alone() {
    let world = world().await;
    let lifecycle = LifecycleTable::new(world.local.table().clone(), alone());
    let by = Moment { at: at(START), rank: 0, id: "e1".to_owned() };
    let target: Target = "segment.pro".parse().unwrap();
    let mut subject = Subject { version: 1, ..Subject::default() };
    subject.decided.insert(target.clone(), Written::new(by, json!(true)));
    assert_eq!(lifecycle.revise(&scope("a"), &record(1), &subject).await.unwrap(), Attempt::Done);
    let lease = crate::fixture::lease("worker", START + 60);
    assert_eq!(lifecycle.take(&scope("a"), &record(1), 1, &lease, at(START)).await.unwrap(), Attempt::Done);
    subject.version = 2;
    subject.set_open(&target, &scope("a").integration, true);
    assert_eq!(lifecycle.revise(&scope("a"), &record(1), &subject).await.unwrap(), Attempt::Done);
    assert_eq!(lifecycle.revise(&scope("a"), &record(1), &subject).await.unwrap(), Attempt::Contended);
    assert_eq!(lifecycle.subject(&scope("a"), &record(1)).await.unwrap(), (subject.clone(), Some(lease)));
    let both = lifecycle.subjects(&scope("a"), &[record(2), record(1)]).await.unwrap();
    assert_eq!(both, [Subject::default(), subject]);
    assert!(lifecycle.subjects(&scope("a"), &[]).await.unwrap().is_empty());
}
