use std::collections::BTreeSet;

use tandem_core::error::FailureKind;
use tandem_core::ports::RecordSource;
use tandem_core::ports::source::{SourceCursor, SourceOrder};
use tandem_tests::paths;
use tandem_tests::supabase::Supabase;

use super::{customers, id, read_all, scope, source, source_of};

#[tokio::test]
async fn pages_over_equal_moments_lose_and_repeat_no_row() {
    let project = Supabase::start().await;
    customers(&project, 95, "2026-01-01T00:00:00.5Z").await;
    project
        .sql("update customer_profiles set updated_at = '2026-01-01T00:00:00.500001Z' where id::text like '%7'")
        .await;
    for order in [SourceOrder::Changed, SourceOrder::Id] {
        for limit in [1, 10, 95, 500] {
            let (rows, _) = read_all(&source(&project), order, limit).await;
            let ids: BTreeSet<_> = rows.iter().map(|row| row.id.clone()).collect();
            assert_eq!((rows.len(), ids.len()), (95, 95), "{order:?}, {limit} a page");
        }
    }
}

#[tokio::test]
async fn the_cursor_keeps_microseconds_so_that_a_change_within_a_millisecond_is_read() {
    let project = Supabase::start().await;
    customers(&project, 1, "2026-01-01T00:00:00.123456Z").await;
    let source = source(&project);
    let read = source.page(&scope(), SourceOrder::Changed, &SourceCursor::default(), 10).await.unwrap();
    assert_eq!(read.rows[0].updated_at.unwrap().to_string(), "2026-01-01T00:00:00.123456Z");
    let cursor = serde_json::from_str(&serde_json::to_string(&read.next).unwrap()).unwrap();
    assert!(source.page(&scope(), SourceOrder::Changed, &cursor, 10).await.unwrap().rows.is_empty());
    project.sql("update customer_profiles set updated_at = '2026-01-01T00:00:00.123457Z'").await;
    assert_eq!(source.page(&scope(), SourceOrder::Changed, &cursor, 10).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_cursor_without_an_id_reads_every_row_of_its_moment() {
    let project = Supabase::start().await;
    customers(&project, 5, "2026-01-01T00:00:00Z").await;
    let moment = Some("2026-01-01T00:00:00Z".parse().unwrap());
    let cursor = SourceCursor { updated_at: moment, id: None };
    assert_eq!(source(&project).page(&scope(), SourceOrder::Changed, &cursor, 10).await.unwrap().rows.len(), 5);
    let cursor = SourceCursor { updated_at: moment, id: Some(id(3)) };
    assert_eq!(source(&project).page(&scope(), SourceOrder::Changed, &cursor, 10).await.unwrap().rows.len(), 2);
}

#[tokio::test]
async fn pages_that_max_rows_cuts_are_no_end() {
    let mut project = Supabase::start().await;
    customers(&project, 53, "2026-01-01T00:00:00Z").await;
    project.restart_postgrest_with_max_rows(7).await;
    for order in [SourceOrder::Changed, SourceOrder::Id] {
        let (rows, calls) = read_all(&source(&project), order, 500).await;
        assert_eq!((rows.len(), calls), (53, 9), "{order:?}");
    }
    let ids: Vec<String> = (1..=60).map(id).collect();
    assert_eq!(source(&project).rows(&scope(), &ids).await.unwrap().len(), 53);
}

#[tokio::test]
async fn rows_without_a_moment_come_first_and_once() {
    let project = Supabase::start().await;
    project.sql("alter table customer_profiles alter updated_at drop not null").await;
    customers(&project, 30, "2026-01-01T00:00:00Z").await;
    project.sql("update customer_profiles set updated_at = null where id::text like '%5'").await;
    let (rows, _) = read_all(&source(&project), SourceOrder::Changed, 2).await;
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id.clone()).collect();
    assert_eq!((rows.len(), ids.len()), (30, 30));
    assert!(rows[..3].iter().all(|row| row.updated_at.is_none()));
}

#[tokio::test]
async fn a_view_without_updated_at_is_read_by_id() {
    let project = Supabase::start().await;
    customers(&project, 20, "2026-01-01T00:00:00Z").await;
    assert!(source(&project).tells_changes(&scope()).await.unwrap());
    project
        .sql("drop view customers_crm_v; create view customers_crm_v as select id, email from customer_profiles")
        .await;
    let source = source(&project);
    assert!(!source.tells_changes(&scope()).await.unwrap());
    let (rows, calls) = read_all(&source, SourceOrder::Id, 15).await;
    assert_eq!((rows.len(), calls), (20, 3));
    assert!(rows.iter().all(|row| row.updated_at.is_none()));
    let changed = source.page(&scope(), SourceOrder::Changed, &SourceCursor::default(), 10).await.unwrap_err();
    assert_eq!(changed.kind, FailureKind::Misconfigured);
}

#[tokio::test]
async fn rows_are_found_by_id_and_ids_of_another_form_are_simply_not_there() {
    let project = Supabase::start().await;
    customers(&project, 200, "2026-01-01T00:00:00Z").await;
    let source = source(&project);
    let all: Vec<String> = (1..=200).map(id).collect();
    assert_eq!(source.rows(&scope(), &all).await.unwrap().len(), 200);
    let odd = ["", "7", "99999999999999999999", "o'hara", "a,b", "x\"),id.neq.\"", "漢字", "\0", "*", "null", "{1}"];
    let mixed: Vec<String> =
        odd.iter().map(|id| (*id).to_owned()).chain([id(1), id(999), id(2).to_uppercase()]).collect();
    let found: BTreeSet<_> = source.rows(&scope(), &mixed).await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(found, BTreeSet::from([id(1), id(2)]));
    assert!(source.rows(&scope(), &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn ids_of_any_text_are_read_in_order_and_found() {
    let mut project = Supabase::start().await;
    project
        .sql(
            r#"create table people (id text primary key, name text, updated_at timestamptz);
            insert into people select id, 'n', '2026-01-01' from unnest(array[
                'a,b', 'a"b', 'a\b', '(x)', 'x.y:z', 'é', '漢字',
                'a b', 'a+b', 'a%26b', 'a*', 'null', '1', 'o''hara', '{q}'
            ]) as id;
            create view people_v as select * from people"#,
        )
        .await;
    project.restart_postgrest().await;
    let source = source_of(&project, "people_v");
    for order in [SourceOrder::Changed, SourceOrder::Id] {
        let (rows, _) = read_all(&source, order, 1).await;
        let ids: BTreeSet<_> = rows.iter().map(|row| row.id.clone()).collect();
        assert_eq!((rows.len(), ids.len()), (15, 15), "{order:?}");
        let ids: Vec<String> = ids.into_iter().collect();
        assert_eq!(source.rows(&scope(), &ids).await.unwrap().len(), 15);
    }
}

#[tokio::test]
async fn many_long_ids_are_asked_for_in_requests_that_gateways_take() {
    let mut project = Supabase::start().await;
    project
        .sql(
            "create table people (id text primary key);
            insert into people select repeat('é', 180) || n from generate_series(1, 60) as n",
        )
        .await;
    project.restart_postgrest().await;
    let ids: Vec<String> = (1..=200).map(|n| format!("{}{n}", "é".repeat(180))).collect();
    assert_eq!(source_of(&project, "people").rows(&scope(), &ids).await.unwrap().len(), 60);
}

#[tokio::test]
async fn a_row_tells_its_fields_and_its_deletion() {
    let project = Supabase::start().await;
    let count = project.load_customers(&paths::data("customers-500.csv"), 500).await;
    project.sql(&format!("insert into customer_profiles (id, deleted_at) values ('{}', now())", id(1))).await;
    let (rows, calls) = read_all(&source(&project), SourceOrder::Id, 200).await;
    assert_eq!((rows.len(), calls), (count + 1, 4));
    let deleted: Vec<_> = rows.iter().filter(|row| row.deleted).map(|row| row.id.clone()).collect();
    assert_eq!(deleted, [id(1)]);
    let row = &rows[1];
    assert!(row.fields.contains_key("email") && row.fields.contains_key("updated_at"));
    assert!(!row.fields.contains_key("id") && !row.fields.contains_key("deleted_at"));
    assert!(row.fields["customer_segments"].is_array() && row.fields["lead_score"].is_number());
}

#[tokio::test]
async fn eighteen_thousand_rows_are_read_in_as_many_calls_as_are_documented() {
    let project = Supabase::start().await;
    customers(&project, 18_000, "2026-01-01T00:00:00Z").await;
    let source = source(&project);
    for order in [SourceOrder::Changed, SourceOrder::Id] {
        let (rows, calls) = read_all(&source, order, 500).await;
        assert_eq!((rows.len(), calls), (18_000, 37), "{order:?}");
    }
}
