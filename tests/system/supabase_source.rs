//! The Supabase source against a real PostgreSQL and a real PostgREST with row-level security on.

mod documented;
mod feedback;
mod kinds;
mod outages;
mod reading;
mod reports;
mod write_back;

use std::sync::Arc;

use tandem_app::system::SystemClock;
use tandem_connectors::http::Http;
use tandem_connectors::sources::supabase::{Settings, Supabase as Source, VIEW};
use tandem_core::domain::scope::Scope;
use tandem_core::ports::RecordSource;
use tandem_core::ports::source::{SourceCursor, SourceOrder, SourceRow};
use tandem_tests::supabase::Supabase;

/// The connection that Tandem makes to the project.
fn source(project: &Supabase) -> Source {
    source_of(project, VIEW)
}

fn source_of(project: &Supabase, view: &str) -> Source {
    with_key(project, &project.service_key(), view)
}

fn with_key(project: &Supabase, key: &str, view: &str) -> Source {
    let settings = Settings::new(&project.url(), key, view).unwrap();
    Source::new(settings, Http::default(), Arc::new(SystemClock)).unwrap()
}

fn scope() -> Scope {
    Scope::default_mautic()
}

/// The id of the customer with a number.
fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Puts customers with the numbers `1..=count` into the shop, all changed at `moment`.
async fn customers(project: &Supabase, count: u32, moment: &str) {
    project
        .sql(&format!(
            "insert into customer_profiles (id, email, updated_at, marketing_opt_in)
             select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'c' || n || '@example.com', '{moment}', true
             from generate_series(1, {count}) as n"
        ))
        .await;
}

/// Reads to the end, page by page; gives the rows and how many calls that took.
async fn read_all(source: &Source, order: SourceOrder, limit: usize) -> (Vec<SourceRow>, usize) {
    let (mut rows, mut calls, mut cursor) = (Vec::new(), 0, SourceCursor::default());
    loop {
        let page = source.page(&scope(), order, &cursor, limit).await.unwrap();
        calls += 1;
        rows.extend(page.rows);
        if !page.more {
            return (rows, calls);
        }
        cursor = page.next;
        assert!(calls < 1000, "the pages do not end");
    }
}
