use serde_json::Value;
use tandem_connectors::sources::supabase::{Settings, VIEW};
use tandem_core::domain::kind::Kind;
use tandem_core::error::{Effect, FailureKind, Result};
use tandem_core::ports::RecordSource;
use tandem_core::ports::source::{Pulled, RowStatus, SourceCursor, SourceOrder};
use tandem_tests::supabase::Supabase;

use super::{customers, id, scope, source, with_key};

fn status(number: u32) -> RowStatus {
    RowStatus { id: id(number), contact: None, hash: None, synced_at: None, error: Some("timeout".to_owned()) }
}

#[tokio::test]
async fn the_anon_key_reads_and_writes_nothing() {
    let project = Supabase::start().await;
    customers(&project, 3, "2026-01-01T00:00:00Z").await;
    source(&project).report(&scope(), &[status(1)]).await.unwrap();
    assert_eq!(Settings::new(&project.url(), &project.anon_key(), VIEW).unwrap_err().kind, FailureKind::Misconfigured);
    let client = reqwest::Client::new();
    let tables = ["customers_crm_v", "customer_profiles", "customer_emails", "leads"];
    for table in tables {
        let answer = client.get(format!("{}/{table}", project.url())).bearer_auth(project.anon_key()).send().await;
        assert_eq!(answer.unwrap().json::<Value>().await.unwrap(), serde_json::json!([]), "{table}");
    }
    let ours = ["mautic_sync_status", "customer_email_engagement", "mautic_sync_logs", "mautic_contact_changes"];
    for table in ours {
        let address = format!("{}/{table}", project.url());
        for request in
            [client.get(&address), client.post(&address).json(&serde_json::json!({})), client.delete(&address)]
        {
            let with_key = request.try_clone().unwrap().bearer_auth(project.anon_key());
            assert_eq!(with_key.send().await.unwrap().status(), 401, "{table}");
            assert_eq!(request.send().await.unwrap().status(), 401, "{table} without a key");
        }
    }
    assert_eq!(project.value("select count(*) from mautic_sync_status").await, "1");
}

#[tokio::test]
async fn a_key_of_another_project_is_a_matter_of_credentials() {
    let project = Supabase::start().await;
    let source = with_key(&project, &project.foreign_key(), VIEW);
    assert_eq!(source.tells_changes(&scope()).await.unwrap_err().kind, FailureKind::Credentials);
    assert_eq!(source.report(&scope(), &[status(1)]).await.unwrap_err().kind, FailureKind::Credentials);
}

#[tokio::test]
async fn an_outage_of_the_database_passes_and_so_does_one_of_the_api() {
    let mut project = Supabase::start().await;
    customers(&project, 3, "2026-01-01T00:00:00Z").await;
    let source = source(&project);
    let read = async || source.page(&scope(), SourceOrder::Changed, &SourceCursor::default(), 10).await;
    let write = async || source.report(&scope(), &[status(1)]).await;
    project.kill_postgres();
    assert_eq!(read().await.unwrap_err().kind, FailureKind::Unavailable);
    assert_eq!(write().await.unwrap_err().kind, FailureKind::Unavailable);
    project.start_postgres().await;
    passed(write).await;
    assert_eq!(read().await.unwrap().rows.len(), 3);
    project.kill_postgrest();
    assert_eq!(write().await.unwrap_err().kind, FailureKind::Unavailable);
    let refused = write().await.unwrap_err();
    assert_eq!((refused.kind, refused.effect), (FailureKind::Unavailable, Effect::None), "nobody listens any more");
    project.start_postgrest().await;
    assert_eq!(read().await.unwrap().rows.len(), 3);
    project.restart_postgres().await;
    passed(write).await;
}

/// PostgREST finds out of each of its connections by itself that the database was away.
async fn passed(call: impl AsyncFn() -> Result<()>) {
    for _ in 0..20 {
        match call().await {
            Ok(()) => return,
            Err(failure) => assert_eq!(failure.kind, FailureKind::Unavailable),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the outage does not pass");
}

#[tokio::test]
async fn a_database_that_takes_too_long_is_a_time_out() {
    let mut project = Supabase::start().await;
    customers(&project, 1, "2026-01-01T00:00:00Z").await;
    project
        .sql(
            "drop view customers_crm_v;
             create view customers_crm_v as
             select id, email, updated_at, pg_sleep(5)::text as slow from customer_profiles;
             alter role authenticator set statement_timeout = '200ms';
             alter role service_role set statement_timeout = '200ms'",
        )
        .await;
    project.restart_postgrest().await;
    let page = source(&project).page(&scope(), SourceOrder::Id, &SourceCursor::default(), 10).await;
    assert_eq!(page.unwrap_err().kind, FailureKind::Timeout);
}

#[tokio::test]
async fn neither_failures_nor_debug_output_hold_the_key_or_data() {
    let mut project = Supabase::start().await;
    customers(&project, 1, "2026-01-01T00:00:00Z").await;
    project
        .sql(
            "alter table mautic_contact_changes add constraint odd check (field <> 'secret-field');
             create or replace function refuse() returns trigger language plpgsql as
             $$ begin raise exception 'secret-value %', new using errcode = 'P0001'; end $$;
             create trigger refuse before insert on mautic_sync_status for each row execute function refuse()",
        )
        .await;
    project.restart_postgrest().await;
    let source = source(&project);
    let failure = source.report(&scope(), &[status(1)]).await.unwrap_err();
    let pulled = Pulled {
        kind: Kind::Person,
        id: id(1),
        fields: [("secret-field".to_owned(), Value::from("secret-value"))].into(),
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    source.take_back(&scope(), &[pulled]).await.unwrap();
    let page = source.page(&scope(), SourceOrder::Id, &SourceCursor::default(), 10).await.unwrap();
    let settings = Settings::new(&project.url(), &project.service_key(), VIEW).unwrap();
    let text = format!("{failure:?} {failure} {source:?} {settings:?} {page:?}");
    for secret in ["secret", "timeout", "c1@example.com", &project.service_key()] {
        assert!(!text.contains(secret), "{text}");
    }
}
