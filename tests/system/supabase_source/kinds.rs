//! A view for each kind of records, read as one source.

use std::sync::Arc;

use tandem_app::system::SystemClock;
use tandem_connectors::http::Http;
use tandem_connectors::sources::supabase::{Settings, Supabase as Source, VIEW};
use tandem_core::domain::kind::Kind;
use tandem_core::ports::RecordSource;
use tandem_core::ports::source::SourceOrder;
use tandem_tests::supabase::Supabase;

use super::{customers, read_all, scope};

fn source_of_all(project: &Supabase) -> Source {
    let settings = Settings::new(&project.url(), &project.service_key(), VIEW).unwrap();
    let settings = settings.with_view(Kind::Deal, "deals_v").unwrap();
    let settings = settings.with_view(Kind::Organisation, "organisations_v").unwrap();
    Source::new(settings, Http::default(), Arc::new(SystemClock)).unwrap()
}

/// A shop with 20 people, 13 organisations and 7 deals, many of which changed at one moment.
async fn shop() -> Supabase {
    let project = Supabase::start().await;
    project
        .sql(
            "create table organisations (id text primary key, name text, updated_at timestamptz not null);
             create table deals (id bigint primary key, name text, person_ids text[], updated_at timestamptz not null);
             create view organisations_v as select * from organisations;
             create view deals_v as select * from deals;
             grant select on organisations_v, deals_v to service_role;
             insert into organisations select 'o' || n, 'Firm ' || n, '2026-01-01'::timestamptz + n % 3 * interval '1 hour'
             from generate_series(1, 13) as n;
             insert into deals select n, 'Deal ' || n, array['1', '2'], '2026-01-01'::timestamptz + n % 2 * interval '1 hour'
             from generate_series(1, 7) as n;
             notify pgrst, 'reload schema'",
        )
        .await;
    customers(&project, 20, "2026-01-01T00:00:00Z").await;
    project
}

#[tokio::test]
async fn views_of_all_kinds_are_read_once_each_row_whatever_the_size_of_a_page() {
    let project = shop().await;
    let source = source_of_all(&project);
    assert!(source.tells_changes(&scope()).await.unwrap());
    for order in [SourceOrder::Changed, SourceOrder::Id] {
        for limit in [1, 3, 10, 500] {
            let (rows, _) = read_all(&source, order, limit).await;
            let mut ids: Vec<String> = rows.iter().map(|row| row.qualified_id().into_owned()).collect();
            let count = |kind| rows.iter().filter(|row| row.kind == kind).count();
            assert_eq!(Kind::ALL.map(count), [20, 13, 7], "{order:?}, {limit} a page");
            if order == SourceOrder::Changed {
                assert!(rows.is_sorted_by_key(|row| (row.updated_at, row.kind)), "{limit} a page");
            }
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 40);
        }
    }
}

#[tokio::test]
async fn rows_of_any_kind_are_found_by_their_ids_and_lists_stay_lists() {
    let project = shop().await;
    let ids =
        [Kind::Organisation.qualified("o3").into_owned(), Kind::Deal.qualified("5").into_owned(), "o3".to_owned()];
    let mut rows = source_of_all(&project).rows(&scope(), &ids).await.unwrap();
    rows.sort_by_key(|row| row.kind);
    let found: Vec<_> = rows.iter().map(|row| (row.kind, row.id.as_str())).collect();
    assert_eq!(found, [(Kind::Organisation, "o3"), (Kind::Deal, "5")]);
    assert_eq!(rows[1].fields["person_ids"], serde_json::json!(["1", "2"]));
}

#[tokio::test]
async fn one_view_without_updated_at_has_all_read_by_id() {
    let project = shop().await;
    project
        .sql(
            "drop view deals_v; create view deals_v as select id, name from deals; grant select on deals_v to service_role;
             notify pgrst, 'reload schema'",
        )
        .await;
    let source = source_of_all(&project);
    assert!(!source.tells_changes(&scope()).await.unwrap());
    assert_eq!(read_all(&source, SourceOrder::Id, 6).await.0.len(), 40);
}

#[tokio::test]
async fn rows_of_which_a_page_is_more_than_an_answer_may_be_are_read_fewer_at_a_time() {
    let project = shop().await;
    project.sql("update organisations set name = repeat('x', 3000000)").await;
    for order in [SourceOrder::Changed, SourceOrder::Id] {
        let (rows, _) = read_all(&source_of_all(&project), order, 500).await;
        let ids: std::collections::BTreeSet<String> = rows.iter().map(|row| row.qualified_id().into_owned()).collect();
        assert_eq!((rows.len(), ids.len()), (40, 40), "{order:?}");
    }
}
