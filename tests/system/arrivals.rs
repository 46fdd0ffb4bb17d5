//! Rows that the application hands over, in the order of their arrival: a place is noted before its row, and the process may die
//! between any two writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tandem_app::local_table::LocalTable;
use tandem_app::store::RecordsTable;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::RecordSource;
use tandem_core::ports::source::{SourceCursor, SourceOrder, SourceRow};
use tandem_tests::faulty_table::FaultyTable;
use tandem_tests::hands::Hands;

use super::sync_run::row;

fn scope() -> Scope {
    Scope { tenant: "a".to_owned().try_into().unwrap(), integration: "mautic".to_owned().try_into().unwrap() }
}

fn rows(count: usize, minute: i64, name: &str) -> Vec<SourceRow> {
    (0..count).map(|number| row(&format!("row-{number}"), minute, json!({"first_name": name}))).collect()
}

/// Names by id, as one order tells them; every row once.
async fn read(records: &RecordsTable, order: SourceOrder, limit: usize) -> BTreeMap<String, Value> {
    let (mut found, mut cursor) = (BTreeMap::new(), SourceCursor::default());
    loop {
        let page = records.page(&scope(), order, &cursor, limit).await.unwrap();
        assert!(page.rows.len() <= limit);
        for row in page.rows {
            let name = row.fields["first_name"].clone();
            assert_eq!(found.insert(row.id.clone(), name), None, "{} is read twice", row.id);
        }
        if !page.more {
            return found;
        }
        assert!(page.next != cursor, "it goes on");
        cursor = page.next;
    }
}

#[tokio::test]
async fn after_whichever_write_its_process_dies_every_row_is_read_once_as_it_stands() {
    for writes in 0.. {
        let (table, clock) = (LocalTable::in_memory().await.unwrap(), Hands::default());
        let records = RecordsTable::new(table.table().clone(), Arc::new(clock.clone()));
        records.put(&scope(), &rows(30, 1, "first")).await.unwrap();
        clock.move_on(SignedDuration::from_secs(1));
        let faulty = FaultyTable::start(table.access(), 0.0).await.expect("a free port");
        let dying = RecordsTable::new(LocalTable::attach(faulty.access()), Arc::new(clock.clone()));
        faulty.crash_after(writes);
        let finished = dying.put(&scope(), &rows(60, 2, "second")).await.is_ok();
        let stands = read(&records, SourceOrder::Id, 100).await;
        for limit in [1, 7, 100] {
            let arrived = read(&records, SourceOrder::Changed, limit).await;
            assert_eq!(arrived, stands, "after {writes} writes, {limit} at a time");
        }
        clock.move_on(SignedDuration::from_secs(1));
        records.put(&scope(), &rows(60, 2, "second")).await.unwrap();
        let arrived = read(&records, SourceOrder::Changed, 7).await;
        assert!(arrived.len() == 60 && arrived.values().all(|name| name == "second"), "after {writes} writes");
        if finished {
            assert!(writes > 5, "after {writes} writes");
            return;
        }
    }
}
