//! Runs that crash after any of their writes: what the next one finds, writes and tells.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use tandem_app::local_table::LocalTable;
use tandem_app::store::RunTable;
use tandem_core::ports::Clock;
use tandem_core::ports::runs::{RunEnd, RunStore};
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;
use tandem_tests::faulty_table::FaultyTable;
use tandem_tests::hands::Hands;
use tandem_tests::list_source::ListSource;
use tandem_tests::system::{Options, System};

use super::sync_run::row;

/// More than all leases last.
const LEASES: SignedDuration = SignedDuration::from_mins(10);

/// Twelve rows: ten people, four of them with a telephone number that is none, and two rows without an address.
fn rows() -> Vec<SourceRow> {
    let row = |number: usize| match number {
        0 | 1 => row(&format!("none-{number}"), 1, json!({"first_name": "Nobody"})),
        2..6 => row(
            &format!("odd-{number}"),
            1,
            json!({"email": format!("p{number}@example.com"), "mobile": "12", "country": "Germany"}),
        ),
        _ => row(&format!("fine-{number}"), 1, json!({"email": format!("p{number}@example.com")})),
    };
    (0..12).map(row).collect()
}

struct Shop {
    system: System,
    clock: Hands,
    source: ListSource,
}

impl Shop {
    async fn open() -> Self {
        let clock = Hands::default();
        let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        let system = System::with(options.without_worker()).await;
        Self { system, clock, source: ListSource::of(rows()) }
    }

    fn with_source(&self, mut desk: Desk) -> Desk {
        desk.services.source = Arc::new(self.source.clone());
        desk
    }

    /// A run whose process crashes after so many writes; whether it came to its end before.
    async fn crashes_after(&self, writes: u64) -> bool {
        let faulty = FaultyTable::start(self.system.table.access(), 0.0).await.expect("a free port");
        let table = LocalTable::attach(faulty.access());
        let desk = self.with_source(self.system.desk_through(table));
        faulty.crash_after(writes);
        desk.sync(SyncOptions::default()).await.is_ok_and(|ran| ran.stopped.is_none())
    }

    /// Runs until nothing is left, after the leases of the dead are over.
    async fn settle(&self) {
        self.clock.move_on(LEASES);
        let ran = self.with_source(self.system.desk()).sync(SyncOptions::default()).await.expect("nobody else runs");
        assert_eq!((ran.stopped, ran.log.end), (None, RunEnd::Finished));
    }

    /// Rejected rows as all logs count them; the fields of which all logs say that values were left out; the rows that are named.
    async fn told(&self) -> (u64, BTreeSet<String>, BTreeSet<String>) {
        let runs = RunTable::new(self.system.table.table().clone());
        let scope = &self.system.foundation.scope;
        let logs = runs.runs(scope, None, 10).await.expect("logs");
        let mut named = BTreeSet::new();
        for log in &logs {
            named.extend(runs.issues(scope, &log.id).await.expect("issues").into_iter().map(|issue| issue.id));
        }
        let rejected = logs.iter().map(|log| log.rejected).sum();
        let fields = logs.into_iter().flat_map(|log| log.issues.into_keys()).collect();
        (rejected, fields, named)
    }
}

#[tokio::test]
async fn whenever_a_run_crashes_every_row_is_taken_and_every_fault_of_a_row_is_told() {
    let named: BTreeSet<String> = rows().into_iter().map(|row| row.id).filter(|id| !id.starts_with("fine")).collect();
    for writes in 1.. {
        let shop = Shop::open().await;
        let finished = shop.crashes_after(writes).await;
        shop.settle().await;
        let people = shop.system.mautic.contacts().len();
        let (rejected, fields, rows) = shop.told().await;
        assert!(
            fields.iter().any(|field| field.starts_with("contact.mobile:")),
            "after {writes} writes: only {fields:?}"
        );
        assert_eq!((people, rejected, &rows), (10, 2, &named), "after {writes} writes");
        if finished {
            assert!(writes > 8, "a run of {writes} writes is none");
            return;
        }
    }
}

/// A row that comes late stands behind the cursor, among others that are read once more.
#[tokio::test]
async fn a_fault_of_a_row_that_came_late_is_told_whenever_the_run_that_took_it_crashes() {
    for writes in 1.. {
        let shop = Shop::open().await;
        let now = shop.clock.now() + LEASES;
        let at = |id: String, minutes: i64, fields| SourceRow {
            updated_at: Some(now - SignedDuration::from_mins(minutes)),
            ..row(&id, 1, fields)
        };
        shop.source.lose(&rows().into_iter().map(|row| row.id).collect());
        let fine = |number: usize| at(format!("fine-{number}"), 1, json!({"email": format!("p{number}@example.com")}));
        shop.source.put((0..30).map(fine));
        shop.settle().await;
        let odd = json!({"email": "late@example.com", "mobile": "12", "country": "Germany"});
        shop.source.put([at("late".to_owned(), 2, odd)]);
        let finished = shop.crashes_after(writes).await;
        shop.settle().await;
        let (_, fields, rows) = shop.told().await;
        assert!(rows.contains("late"), "after {writes} writes: {fields:?} {rows:?}");
        if finished {
            return;
        }
    }
}
