use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::link::RemoteId;
use tandem_core::error::FailureKind;
use tandem_core::ports::RecordSource;
use tandem_core::ports::runs::{RowProblem, RunEnd, RunLog};
use tandem_core::ports::source::{Pulled, RowStatus};
use tandem_tests::supabase::Supabase;

use super::{customers, id, scope, source};

fn synced(number: u32) -> RowStatus {
    RowStatus {
        id: id(number),
        contact: Some(RemoteId(format!("{}", 1000 + number))),
        hash: Some("abc".to_owned()),
        synced_at: Some("2026-02-01T00:00:00Z".parse().unwrap()),
        error: None,
    }
}

fn failed(number: u32, error: &str) -> RowStatus {
    RowStatus { id: id(number), contact: None, hash: None, synced_at: None, error: Some(error.to_owned()) }
}

#[tokio::test]
async fn statuses_told_twice_are_there_once_and_what_is_not_told_stays() {
    let project = Supabase::start().await;
    customers(&project, 1200, "2026-01-01T00:00:00Z").await;
    let (source, statuses) = (source(&project), (1..=1200).map(synced).collect::<Vec<_>>());
    for _ in 0..2 {
        source.report(&scope(), &statuses).await.unwrap();
    }
    source.report(&scope(), &[failed(1, "refused: phone"), synced(2), failed(2, "x"), synced(2)]).await.unwrap();
    let rows = project
        .sql(
            "select count(*), count(sync_error), min(mautic_contact_id), count(sync_hash), count(last_synced_at)
            from mautic_sync_status",
        )
        .await;
    let [count, errors, first, hashes, moments] = rows[0].clone().try_into().unwrap();
    assert_eq!(
        [count, errors, first, hashes, moments],
        ["1200", "1", "1001", "1200", "1200"].map(|text| Some(text.to_owned()))
    );
    source.report(&scope(), &[synced(1)]).await.unwrap();
    assert_eq!(project.value("select count(sync_error) from mautic_sync_status").await, "0");
}

#[tokio::test]
async fn a_customer_that_is_gone_loses_no_other_customers_status() {
    let project = Supabase::start().await;
    customers(&project, 500, "2026-01-01T00:00:00Z").await;
    project.sql(&format!("delete from customer_profiles where id in ('{}', '{}')", id(17), id(444))).await;
    let mut statuses: Vec<RowStatus> = (1..=500).map(synced).collect();
    statuses[5].id = "no uuid".to_owned();
    source(&project).report(&scope(), &statuses).await.unwrap();
    assert_eq!(project.value("select count(*) from mautic_sync_status").await, "497");
}

#[tokio::test]
async fn a_run_that_is_told_again_is_one_row_with_its_newest_state() {
    let project = Supabase::start().await;
    let source = source(&project);
    let mut run = RunLog { id: "01939a7e-0000-7000-8000-000000000001".to_owned(), ..RunLog::default() };
    source.report_run(&scope(), &run).await.unwrap();
    assert_eq!(project.value("select (error_details is null)::text from mautic_sync_logs").await, "true");
    let issue = FieldIssue::new("contact.phone", IssueCode::Invalid, "has no country code");
    run.problems.push(RowProblem { id: id(1), issue });
    (run.end, run.created, run.updated, run.failed, run.segments) = (RunEnd::Paused, 3, 4, 2, 5);
    run.finished_at = Some(Timestamp::UNIX_EPOCH);
    source.report_run(&scope(), &run).await.unwrap();
    let rows = project.sql("select id, contacts_synced, contacts_failed, segments_synced from mautic_sync_logs").await;
    assert_eq!(rows, [[run.id.as_str(), "7", "2", "5"].map(|text| Some(text.to_owned())).to_vec()]);
    let details: Value =
        serde_json::from_str(&project.value("select error_details from mautic_sync_logs").await).unwrap();
    assert_eq!(details["problems"][0]["id"], json!(id(1)));
    let named = RunLog { id: "run 1".to_owned(), ..RunLog::default() };
    source.report_run(&scope(), &named).await.unwrap();
    source.report_run(&scope(), &named).await.unwrap();
    assert_eq!(project.value("select count(*) from mautic_sync_logs").await, "2");
}

fn pulled(number: u32, at: &str, field: &str, value: Value) -> Pulled {
    Pulled { kind: Kind::Person, id: id(number), fields: [(field.to_owned(), value)].into(), at: at.parse().unwrap() }
}

#[tokio::test]
async fn an_older_change_never_replaces_a_newer_one() {
    let project = Supabase::start().await;
    customers(&project, 3, "2026-01-01T00:00:00Z").await;
    let source = source(&project);
    let new = pulled(1, "2026-03-02T00:00:00Z", "city", json!("New\0 \"town\", (x)"));
    let old = pulled(1, "2026-03-01T00:00:00Z", "city", json!("Oldtown"));
    let gone = pulled(9, "2026-03-01T00:00:00Z", "city", json!("x"));
    let emptied = pulled(2, "2026-03-01T00:00:00Z", "mobile", Value::Null);
    source.take_back(&scope(), &[new.clone(), gone, emptied, old.clone()]).await.unwrap();
    source.take_back(&scope(), &[old]).await.unwrap();
    let city = "select value from mautic_contact_changes where field = 'city'";
    assert_eq!(project.value(city).await, r#""New \"town\", (x)""#);
    let emptied = "select (value is null)::text from mautic_contact_changes where field = 'mobile'";
    assert_eq!(project.value(emptied).await, "true");

    // What the application took stays taken until there is something newer.
    project.sql("update mautic_contact_changes set taken_at = now()").await;
    source.take_back(&scope(), &[new]).await.unwrap();
    let open = "select count(*) from mautic_contact_changes where taken_at is null";
    assert_eq!(project.value(open).await, "0");
    source.take_back(&scope(), &[pulled(1, "2026-03-03T00:00:00Z", "city", json!("Third"))]).await.unwrap();
    assert_eq!((project.value(open).await, project.value(city).await), ("1".to_owned(), "\"Third\"".to_owned()));
}

#[tokio::test]
async fn changes_of_organisations_and_deals_have_a_table_of_their_own() {
    let project = Supabase::start().await;
    let source = source(&project);
    let of = |kind, at, value: &str| Pulled { kind, id: "o-1".to_owned(), ..pulled(1, at, "city", json!(value)) };
    let (old, new) = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z");
    let all =
        [of(Kind::Organisation, new, "Sydney"), of(Kind::Deal, old, "Perth"), of(Kind::Organisation, old, "Hobart")];
    source.take_back(&scope(), &all).await.unwrap();
    source.take_back(&scope(), &all[1..]).await.unwrap();
    let held = "select string_agg(kind || ' ' || record_id || ' ' || (value #>> '{}'), ', ' order by kind) from mautic_record_changes";
    assert_eq!(project.value(held).await, "deal o-1 Perth, organisation o-1 Sydney");
}

#[tokio::test]
async fn tables_that_are_not_there_are_left_out_but_for_the_one_whose_rows_would_be_lost() {
    let mut project = Supabase::start().await;
    customers(&project, 1, "2026-01-01T00:00:00Z").await;
    project.sql("drop table mautic_sync_status, mautic_sync_logs, mautic_contact_changes").await;
    project.restart_postgrest().await;
    let source = source(&project);
    source.report(&scope(), &[synced(1)]).await.unwrap();
    source.report_run(&scope(), &RunLog::default()).await.unwrap();
    let lost = source.take_back(&scope(), &[pulled(1, "2026-03-01T00:00:00Z", "city", json!("x"))]).await.unwrap_err();
    assert_eq!(lost.kind, FailureKind::Misconfigured);
}
