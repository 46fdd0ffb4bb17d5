use serde_json::json;
use tandem_tests::supabase::Supabase;
use tandem_tests::system::{Options, System};

use super::{customers, id};

/// A system over the project, called by Mautic, that knows the project's first customer.
async fn system(project: &Supabase) -> System {
    let options = Options::default()
        .with("SUPABASE_URL", &project.url())
        .with("SUPABASE_SERVICE_ROLE_KEY", &project.service_key());
    let system = System::with(options).await;
    system.guard().await;
    let payload = json!({"id": id(1), "contact": {"email": "c1@example.com"}, "consent": {"marketing_opt_in": true}});
    assert_eq!(system.caller.upsert(payload).await.unwrap().status, 200);
    system
}

#[tokio::test]
async fn an_unsubscription_in_mautic_reaches_the_customer_and_the_lead() {
    let project = Supabase::start().await;
    customers(&project, 2, "2026-01-01T00:00:00Z").await;
    project.sql("insert into leads (email) values ('c1@example.com'), ('c2@example.com')").await;
    let system = system(&project).await;
    system.engage("open", json!({"address": "c1@example.com"})).await;
    system.engage("unsubscribe", json!({"address": "c1@example.com"})).await;
    system.finish().await;
    let told = "select (select count(*) from customer_profiles where not marketing_opt_in)
        || ' ' || (select string_agg(distinct event_type, ',' order by event_type) from customer_email_engagement)
        || ' ' || (select string_agg(email_status, ',') from leads)";
    assert_eq!(project.value(told).await, "1 open,unsubscribe unsubscribed");
}

#[tokio::test]
async fn what_can_not_be_told_during_an_outage_is_told_after_it() {
    let mut project = Supabase::start().await;
    customers(&project, 1, "2026-01-01T00:00:00Z").await;
    let system = system(&project).await;
    project.kill_postgres();
    system.engage("unsubscribe", json!({"address": "c1@example.com"})).await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    project.start_postgres().await;
    system.finish().await;
    assert_eq!(project.value("select marketing_opt_in::text from customer_profiles").await, "false");
}
