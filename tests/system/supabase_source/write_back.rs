use reqwest::Method;
use serde_json::json;
use tandem_core::sync::run::SyncOptions;
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

/// Mautic's dates have whole seconds.
async fn a_second_later() {
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
}

#[tokio::test]
async fn a_value_that_is_changed_in_mautic_and_changed_back_ends_as_it_was_for_the_shop() {
    let project = Supabase::start().await;
    customers(&project, 1, "2026-01-01T00:00:00Z").await;
    let system = system(&project).await;
    let said = json!({"id": id(1), "contact": {"email": "c1@example.com", "city": "Perth"}});
    assert_eq!(system.caller.upsert(said).await.unwrap().status, 200);
    let path = format!("/api/contacts/{}/edit", system.contact("c1@example.com").id);
    for city in ["Sydney", "Perth"] {
        a_second_later().await;
        system.in_mautic(Method::PATCH, &path, Some(json!({"city": city}))).await;
        system.finish().await;
        assert_eq!(project.value("select value #>> '{}' from mautic_contact_changes").await, city);
    }
}

#[tokio::test]
async fn who_appears_in_mautic_is_told_to_the_shop_once_and_joins_the_row_that_it_makes() {
    let project = Supabase::start().await;
    let options = Options::default()
        .with("SUPABASE_URL", &project.url())
        .with("SUPABASE_SERVICE_ROLE_KEY", &project.service_key())
        .with("TANDEM_NEWCOMERS", "all");
    let system = System::with(options).await;
    system.desk().sync(SyncOptions::default()).await.unwrap();
    system.guard().await;
    let contact = json!({"email": "c1@example.com", "firstname": "Ada"});
    system.in_mautic(Method::POST, "/api/contacts/new", Some(contact)).await;
    system.finish().await;
    system.desk().sync(SyncOptions { pull: true, ..SyncOptions::default() }).await.unwrap();
    let told = "select email || ' ' || (fields ->> 'first_name') || ' ' || integration from mautic_new_contacts";
    assert_eq!(project.value(told).await, "c1@example.com Ada mautic");
    // The shop makes a customer of her.
    customers(&project, 1, "2026-01-01T00:00:00Z").await;
    system.desk().sync(SyncOptions::default()).await.unwrap();
    assert_eq!(system.mautic.contacts().len(), 1);
    assert_eq!(system.contact("c1@example.com").fields["supabase_id"], json!(id(1)));
    assert_eq!(project.value("select count(*) from mautic_new_contacts").await, "1");
}
