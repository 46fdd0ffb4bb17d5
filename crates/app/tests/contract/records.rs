//! The application's rows in Tandem's own table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use tandem_app::local_table::LocalTable;
use tandem_app::store::{RecordsTable, RowOutcome};
use tandem_core::domain::kind::Kind;
use tandem_core::ports::RecordSource;
use tandem_core::ports::source::{SourceCursor, SourceOrder, SourceRow};

use crate::fixture::{START, TestClock, at, scope, test_clock};

const BOTH: [SourceOrder; 2] = [SourceOrder::Changed, SourceOrder::Id];

struct Rows {
    local: LocalTable,
    clock: Arc<TestClock>,
    records: Arc<RecordsTable>,
}

async fn rows() -> Rows {
    let (local, clock) = (LocalTable::in_memory().await.unwrap(), test_clock());
    let records = Arc::new(RecordsTable::new(local.table().clone(), clock.clone()));
    Rows { local, clock, records }
}

/// A row that the application changed at this second.
fn row(id: &str, second: i64, name: &str) -> SourceRow {
    let fields = [("name".to_owned(), json!(name)), ("spent".to_owned(), json!(0.1))].into();
    SourceRow { kind: Kind::Person, id: id.to_owned(), updated_at: Some(at(START + second)), fields, deleted: false }
}

fn many(count: usize) -> Vec<SourceRow> {
    (0..count).map(|number| row(&format!("row-{number}"), 0, "first")).collect()
}

impl Rows {
    async fn put(&self, rows: &[SourceRow]) -> Vec<RowOutcome> {
        self.records.put(&scope("a"), rows).await.unwrap()
    }

    async fn put_one(&self, row: SourceRow) -> RowOutcome {
        self.put(&[row]).await[0]
    }

    /// All rows from a cursor on, in pages of this size, and where to read on.
    async fn read(&self, order: SourceOrder, from: SourceCursor, limit: usize) -> (Vec<SourceRow>, SourceCursor) {
        let (mut found, mut cursor) = (Vec::new(), from);
        loop {
            let page = self.records.page(&scope("a"), order, &cursor, limit).await.unwrap();
            assert!(page.rows.len() <= limit);
            found.extend(page.rows);
            // A cursor survives being stored.
            cursor = serde_json::from_str(&serde_json::to_string(&page.next).unwrap()).unwrap();
            if !page.more {
                return (found, cursor);
            }
        }
    }

    async fn all(&self, order: SourceOrder) -> Vec<SourceRow> {
        self.read(order, SourceCursor::default(), 200).await.0
    }

    /// Names by id, when both orders tell the same of every row, once.
    async fn state(&self) -> BTreeMap<String, String> {
        let [changed, by_id] = [self.all(BOTH[0]).await, self.all(BOTH[1]).await];
        let names = |rows: &[SourceRow]| -> BTreeMap<String, String> {
            rows.iter()
                .map(|row| (row.id.clone(), row.fields.get("name").map(ToString::to_string).unwrap_or_default()))
                .collect()
        };
        assert_eq!((names(&changed).len(), names(&by_id).len()), (changed.len(), by_id.len()), "no row twice");
        assert_eq!(names(&changed), names(&by_id));
        names(&by_id)
    }
}

fn ids(rows: &[SourceRow]) -> BTreeSet<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

#[tokio::test]
async fn a_thousand_rows_of_one_moment_are_each_read_once_at_any_limit() {
    let rows = rows().await;
    // The clock stands still, so rows of different calls arrive in the same microsecond.
    for call in many(1_000).chunks(50) {
        assert!(rows.put(call).await.iter().all(|outcome| *outcome == RowOutcome::Stored));
    }
    for order in BOTH {
        for limit in [1_000, 999, 500, 77, 13] {
            let (found, cursor) = rows.read(order, SourceCursor::default(), limit).await;
            assert_eq!((found.len(), ids(&found).len()), (1_000, 1_000), "{order:?} {limit}");
            let behind = rows.records.page(&scope("a"), order, &cursor, limit).await.unwrap();
            assert_eq!((behind.rows.len(), behind.more, behind.next), (0, false, cursor));
        }
    }
}

#[tokio::test]
async fn what_arrived_last_is_read_last_whatever_the_application_calls_its_time() {
    let rows = rows().await;
    for (id, second) in [("late", 50), ("from yesterday", -86_400), ("clock ahead", 86_400), ("now", 60)] {
        rows.put_one(row(id, second, "x")).await;
        rows.clock.advance(1);
    }
    let (found, cursor) = rows.read(SourceOrder::Changed, SourceCursor::default(), 1).await;
    assert_eq!(
        found.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
        ["late", "from yesterday", "clock ahead", "now"]
    );
    rows.put_one(row("a year behind", -31_536_000, "x")).await;
    let (news, _) = rows.read(SourceOrder::Changed, cursor, 10).await;
    assert_eq!(ids(&news), ["a year behind"].into(), "a reader that has passed its time finds it all the same");
    assert_eq!(news[0].updated_at, Some(at(START - 31_536_000)), "and is told the application's time");
}

#[tokio::test]
async fn a_cursor_without_an_id_gives_every_row_of_its_moment_again() {
    let rows = rows().await;
    for row in many(5) {
        rows.put_one(row).await;
    }
    let (_, cursor) = rows.read(SourceOrder::Changed, SourceCursor::default(), 2).await;
    let again = rows.read(SourceOrder::Changed, SourceCursor { id: None, ..cursor.clone() }, 2).await.0;
    assert_eq!(ids(&again).len(), 5);
    let later = SourceCursor { updated_at: Some(at(START + 1)), id: None };
    assert!(rows.read(SourceOrder::Changed, later, 2).await.0.is_empty());
    let before_all_time = SourceCursor { updated_at: Some(jiff::Timestamp::MIN), id: Some("x".to_owned()) };
    assert_eq!(rows.read(SourceOrder::Changed, before_all_time, 2).await.0.len(), 5);
    let after_all_time = SourceCursor { updated_at: Some(jiff::Timestamp::MAX), id: None };
    assert!(rows.read(SourceOrder::Changed, after_all_time, 2).await.0.is_empty());
}

#[tokio::test]
async fn rows_that_move_while_they_are_read_are_read_in_their_newest_state_and_none_is_lost() {
    let rows = rows().await;
    rows.put(&many(300)).await;
    for (order, second) in BOTH.into_iter().zip([1_000, 2_000]) {
        let (mut newest, mut cursor, mut name) = (BTreeMap::new(), SourceCursor::default(), 0);
        loop {
            let page = rows.records.page(&scope("a"), order, &cursor, 17).await.unwrap();
            newest.extend(page.rows.into_iter().map(|row| (row.id, row.fields)));
            cursor = page.next;
            if !page.more {
                break;
            }
            name += 1;
            if name < 10 {
                rows.clock.advance(1);
                let moved = [0, 150, 299]
                    .map(|number| row(&format!("row-{number}"), second + name, &format!("{order:?} {name}")));
                assert_eq!(rows.put(&moved).await, [RowOutcome::Stored; 3]);
            }
        }
        assert_eq!(newest.len(), 300, "{order:?}");
        if order == SourceOrder::Changed {
            assert_eq!(newest["row-150"]["name"], json!("Changed 9"));
        }
        rows.clock.advance(1);
    }
}

#[tokio::test]
async fn parallel_writers_of_one_row_leave_one_state_the_newest() {
    let rows = rows().await;
    rows.clock.advance(1_000);
    for round in 0..5 {
        let writers = (0..12).map(|writer| {
            let records = Arc::new(RecordsTable::new(rows.local.table().clone(), rows.clock.clone()));
            let mine = vec![
                row("contested", round * 100 + writer, &format!("{round}-{writer}")),
                row(&format!("own-{writer}"), round, "x"),
            ];
            tokio::spawn(async move { records.put(&scope("a"), &mine).await.unwrap() })
        });
        for outcome in futures::future::join_all(writers).await {
            let outcome = outcome.unwrap();
            assert!(matches!(outcome[0], RowOutcome::Stored | RowOutcome::Stale) && outcome[1] == RowOutcome::Stored);
        }
        let state = rows.state().await;
        assert_eq!((state.len(), state["contested"].as_str()), (13, format!("\"{round}-11\"").as_str()));
    }
}

#[tokio::test]
async fn an_older_state_changes_nothing_and_the_same_one_writes_nothing() {
    let rows = rows().await;
    rows.clock.advance(20);
    let newest = row("1", 10, "newest");
    assert_eq!(rows.put_one(newest.clone()).await, RowOutcome::Stored);
    rows.clock.advance(5);
    let writes = rows.local.meter().writes();
    assert_eq!(rows.put_one(row("1", 9, "older")).await, RowOutcome::Stale);
    assert_eq!(rows.put_one(newest.clone()).await, RowOutcome::Unchanged);
    assert_eq!(rows.local.meter().writes(), writes);
    assert_eq!(rows.all(SourceOrder::Changed).await, std::slice::from_ref(&newest));
    assert_eq!(rows.put_one(row("1", 10, "same second, other words")).await, RowOutcome::Stored);
    assert_eq!(rows.put_one(row("1", 11, "same second, other words")).await, RowOutcome::Stored, "its time is news");
    assert_eq!(rows.put_one(row("1", 10, "late")).await, RowOutcome::Stale);
}

#[tokio::test]
async fn a_row_without_a_time_is_as_new_as_its_arrival() {
    let rows = rows().await;
    let untimed = |name: &str| SourceRow { updated_at: None, ..row("1", 0, name) };
    assert_eq!(rows.put_one(untimed("first")).await, RowOutcome::Stored);
    rows.clock.advance(5);
    assert_eq!(rows.put_one(untimed("first")).await, RowOutcome::Unchanged);
    assert_eq!(rows.put_one(untimed("second")).await, RowOutcome::Stored);
    assert_eq!(rows.all(SourceOrder::Id).await[0].updated_at, Some(at(START + 5)));
    assert_eq!(rows.put_one(row("1", 4, "older than the second")).await, RowOutcome::Stale);
    assert_eq!(rows.put_one(row("1", 900, "of a clock ahead")).await, RowOutcome::Stored);
    assert_eq!(rows.put_one(untimed("last word")).await, RowOutcome::Stored, "without a time the last word counts");
    assert_eq!(rows.all(SourceOrder::Id).await[0].updated_at, Some(at(START + 5)), "and a clock ahead counts as now");
}

#[tokio::test]
async fn of_several_states_in_one_call_the_newest_is_taken() {
    let rows = rows().await;
    rows.clock.advance(10);
    let call = [row("1", 5, "newest"), row("2", 0, "x"), row("1", 4, "older"), row("2", 0, "x")];
    use RowOutcome::{Stored, Superseded};
    assert_eq!(rows.put(&call).await, [Stored, Superseded, Superseded, Stored]);
    assert_eq!(rows.state().await["1"], "\"newest\"");
}

#[tokio::test]
async fn a_deleted_row_stays_as_a_row_without_fields_until_a_newer_state_comes() {
    let rows = rows().await;
    rows.put_one(row("1", 10, "x")).await;
    let (_, cursor) = rows.read(SourceOrder::Changed, SourceCursor::default(), 5).await;
    rows.clock.advance(60);
    let gone =
        SourceRow { kind: Kind::Person, id: "1".to_owned(), updated_at: None, fields: BTreeMap::new(), deleted: true };
    assert_eq!(rows.put_one(gone.clone()).await, RowOutcome::Stored);
    assert_eq!(rows.put_one(gone.clone()).await, RowOutcome::Unchanged);
    assert_eq!(rows.put_one(row("1", 11, "late")).await, RowOutcome::Stale);
    let expected = SourceRow { updated_at: Some(at(START + 60)), ..gone };
    let (news, _) = rows.read(SourceOrder::Changed, cursor, 5).await;
    assert_eq!(news, std::slice::from_ref(&expected));
    assert_eq!(rows.all(SourceOrder::Id).await, news);
    assert_eq!(rows.records.rows(&scope("a"), &["1".to_owned()]).await.unwrap(), news);
    assert_eq!(rows.put_one(row("1", 61, "back")).await, RowOutcome::Stored);
    assert_eq!(rows.state().await["1"], "\"back\"");
}

#[tokio::test]
async fn reading_goes_on_over_the_months_without_asking_for_empty_ones() {
    let rows = rows().await;
    rows.put(&many(10)).await;
    rows.clock.advance(3 * 366 * 86_400);
    rows.put(&[row("row-3", 1, "moved"), row("new", 1, "x")]).await;
    let reads = rows.local.meter().reads();
    let (found, _) = rows.read(SourceOrder::Changed, SourceCursor::default(), 100).await;
    assert_eq!(rows.local.meter().reads() - reads, 4, "the list of months, a query for each of two, the rows");
    assert_eq!((found.len(), ids(&found[9..])), (11, ["row-3", "new"].into()));
    for limit in [1, 4, 9, 10] {
        assert_eq!(rows.read(SourceOrder::Changed, SourceCursor::default(), limit).await.0, found);
    }
}

#[tokio::test]
async fn tenants_and_integrations_do_not_see_each_others_rows() {
    let rows = rows().await;
    rows.put(&many(3)).await;
    let other = scope("b");
    assert_eq!(rows.records.put(&other, &[row("row-1", 0, "other")]).await.unwrap(), [RowOutcome::Stored]);
    for order in BOTH {
        let page = rows.records.page(&other, order, &SourceCursor::default(), 10).await.unwrap();
        assert_eq!((page.rows.len(), &page.rows[0].fields["name"]), (1, &json!("other")));
    }
    assert_eq!(rows.records.rows(&other, &["row-2".to_owned()]).await.unwrap(), []);
    assert_eq!(rows.state().await["row-1"], "\"first\"");
}

#[tokio::test]
async fn an_id_may_be_anything_and_comes_back_as_it_was() {
    let rows = rows().await;
    let long = "ä".repeat(191);
    let odd =
        ["#", "a#b", "rows#0", "I#b#mautic#rows#0", "2026-11", " ", "..", "'; --", "\u{1F600}", "0", "00", "\"", &long];
    rows.put(&odd.map(|id| row(id, 0, id))).await;
    for order in BOTH {
        for limit in [1, 3] {
            let (found, _) = rows.read(order, SourceCursor::default(), limit).await;
            assert_eq!((found.len(), ids(&found)), (odd.len(), odd.into()), "{order:?}");
        }
    }
    let asked: Vec<String> =
        odd.iter().map(|id| (*id).to_owned()).chain(["#".to_owned(), "nobody".to_owned()]).collect();
    assert_eq!(rows.records.rows(&scope("a"), &asked).await.unwrap().len(), odd.len());
}

#[tokio::test]
async fn large_rows_are_stored_in_as_many_calls_as_they_need() {
    let rows = rows().await;
    let large = |name: char| -> Vec<SourceRow> {
        (0..100)
            .map(|number| row(&number.to_string(), i64::from(u32::from(name)), &name.to_string().repeat(60_000)))
            .collect()
    };
    assert!(rows.put(&large('a')).await.iter().all(|outcome| *outcome == RowOutcome::Stored));
    assert!(rows.put(&large('b')).await.iter().all(|outcome| *outcome == RowOutcome::Stored));
    let ids: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(rows.records.rows(&scope("a"), &ids).await.unwrap().len(), 100);
    let whole = rows.all(SourceOrder::Changed).await;
    assert!(whole.len() == 100 && whole.iter().all(|row| row.fields["name"] == json!("b".repeat(60_000))));
}

#[tokio::test]
async fn two_hundred_rows_cost_two_reads_and_a_write_for_25_places_and_states() {
    let rows = rows().await;
    rows.put(&many(1)).await;
    let meter = rows.local.meter();
    for (second, reads, writes) in [(0, 2, 16), (0, 2, 0), (1, 2, 24)] {
        let (before, all) = ((meter.reads(), meter.writes()), many(200));
        let all: Vec<_> = all.into_iter().map(|r| row(&r.id, second, "first")).collect();
        rows.put(&all).await;
        assert_eq!((meter.reads() - before.0, meter.writes() - before.1), (reads, writes));
        rows.clock.advance(1);
    }
}
