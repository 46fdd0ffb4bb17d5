//! Values that Mautic does not take: never called stored, always told of, sent again when that may help and not before.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::store::CatalogTable;
use tandem_core::domain::catalog::{FieldCatalog, RemoteField, RemoteFieldKind};
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::runs::{RunEnd, RunLog};
use tandem_core::ports::source::SourceRow;
use tandem_core::ports::{CatalogStore, MarketingPlatform};
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::MauticVersion;
use tandem_tests::system::{Options, System};

use super::sync_run::{Shop, person, row};

fn on(version: MauticVersion) -> Options {
    Options::default().mautic_version(version)
}

async fn shop_on(version: MauticVersion, rows: impl IntoIterator<Item = SourceRow>) -> Shop {
    Shop::of(rows, on(version)).await
}

/// A select that Tandem makes.
const SEGMENT: &str = "customer_segment";

fn of_segment(id: &str, minute: i64, segment: &str) -> SourceRow {
    let fields = json!({"email": format!("{id}@example.com"), "first_name": id, SEGMENT: segment});
    row(id, minute, fields)
}

fn catalogs(system: &System) -> CatalogTable {
    CatalogTable::new(system.foundation.table.clone())
}

/// Tandem believes that Mautic's select takes `gold`, too: nobody told it that an administrator took the option away.
async fn with_an_option_too_many(shop: &mut Shop) {
    let catalogs = catalogs(&shop.system);
    let mut catalog = catalogs.read(&Scope::default_mautic()).await.unwrap().unwrap();
    catalog.fields.get_mut(SEGMENT).unwrap().options.push("gold".to_owned());
    catalogs.save(&Scope::default_mautic(), &catalog).await.unwrap();
    let source = shop.desk.services.source.clone();
    shop.desk = shop.system.desk();
    shop.desk.services.source = source;
}

/// The platform's fields are listed anew, as they are once an hour and by `tandem connect`.
async fn fields_are_listed(shop: &mut Shop) {
    let mautic = shop.system.foundation.mautic().unwrap().unwrap();
    let catalog = MarketingPlatform::fields(&mautic).await.unwrap();
    catalogs(&shop.system).save(&Scope::default_mautic(), &catalog).await.unwrap();
    let source = shop.desk.services.source.clone();
    shop.desk = shop.system.desk();
    shop.desk.services.source = source;
}

async fn make_field(system: &System, alias: &str) -> String {
    let body = json!({"label": alias, "alias": alias, "type": "text", "isPublished": true});
    let made = system.in_mautic(Method::POST, "/api/fields/contact/new", Some(body)).await;
    made["field"]["id"].to_string()
}

async fn delete_field(system: &System, alias: &str) {
    let listed = system.in_mautic(Method::GET, "/api/fields/contact?limit=500", None).await;
    let field = listed["fields"].as_object().unwrap().values().find(|field| field["alias"] == alias).unwrap();
    system.in_mautic(Method::DELETE, &format!("/api/fields/contact/{}/delete", field["id"]), None).await;
}

fn told(log: &RunLog, name: &str) -> u64 {
    log.issues.get(name).copied().unwrap_or_default()
}

fn writes(system: &System) -> u64 {
    ["PUT /api/contacts/batch/edit", "PATCH /api/contacts/batch/edit", "POST /api/contacts/batch/new"]
        .into_iter()
        .map(|route| system.calls_of(route))
        .sum()
}

#[tokio::test]
async fn a_value_that_mautic_refuses_in_a_batch_is_told_of_and_not_sent_again() {
    for version in MauticVersion::ALL {
        let mut shop = shop_on(version, [of_segment("good", 1, "vip"), of_segment("bad", 1, "gold")]).await;
        with_an_option_too_many(&mut shop).await;
        let first = shop.sync().await;
        assert_eq!((first.created, first.failed, first.end), (2, 0, RunEnd::Finished));
        assert_eq!(told(&first, "customer_segment: refused_by_platform"), 1, "{:?}", first.issues);
        assert_eq!(first.problems.iter().map(|problem| problem.id.as_str()).collect::<Vec<_>>(), ["bad"]);
        let status = shop.source.status("bad").unwrap();
        assert!(status.contact.is_some() && status.error.unwrap().contains(SEGMENT));
        assert_eq!(shop.source.status("good").unwrap().error, None);
        assert!(!shop.system.link("bad@example.com").await.snapshot.contains_key(SEGMENT));

        let (before, calls) = (writes(&shop.system), shop.system.calls());
        let again = shop.full().await.log;
        assert_eq!((again.unchanged, again.updated), (2, 0));
        assert_eq!((writes(&shop.system), shop.system.calls()), (before, calls), "it would be refused again");
        assert_eq!(told(&again, "customer_segment: refused_by_platform"), 1, "and is told of all the same");

        let mended = SourceRow { updated_at: Some(shop.system.now()), ..of_segment("bad", 2, "vip") };
        shop.source.put([mended]);
        assert_eq!(shop.sync().await.updated, 1);
        assert_eq!(shop.system.contact("bad@example.com").fields[SEGMENT], "vip");
        assert_eq!(shop.source.status("bad").unwrap().error, None);
        assert!(shop.system.link("bad@example.com").await.refused.is_empty());
    }
}

#[tokio::test]
async fn a_known_contact_whose_new_value_is_refused_is_known_to_hold_the_old_one() {
    for version in MauticVersion::ALL {
        let mut shop = shop_on(version, [of_segment("a", 1, "new")]).await;
        with_an_option_too_many(&mut shop).await;
        shop.sync().await;
        let mut changed = of_segment("a", 2, "gold");
        changed.fields.insert("first_name".to_owned(), json!("Other"));
        shop.source.put([changed]);
        let log = shop.sync().await;
        assert_eq!((log.updated, told(&log, "customer_segment: refused_by_platform")), (1, 1));
        let held = shop.system.contact("a@example.com").fields;
        assert_eq!((&held[SEGMENT], &held["firstname"]), (&json!("new"), &json!("Other")));
        let link = shop.system.link("a@example.com").await;
        assert_eq!((&link.snapshot[SEGMENT], &link.refused[SEGMENT].value), (&json!("new"), &json!("gold")));
        // What marketing sees there is no change of theirs.
        shop.run(SyncOptions { pull: true, ..SyncOptions::default() }).await;
        assert!(shop.source.pulled().is_empty());
    }
}

#[tokio::test]
async fn a_refused_value_is_sent_again_when_its_field_changed_in_mautic() {
    for version in MauticVersion::ALL {
        let mut shop = shop_on(version, [of_segment("a", 1, "gold")]).await;
        with_an_option_too_many(&mut shop).await;
        shop.sync().await;
        let catalogs = catalogs(&shop.system);
        let mut catalog = catalogs.read(&Scope::default_mautic()).await.unwrap().unwrap();
        catalog.fields.get_mut(SEGMENT).unwrap().options.push("silver".to_owned());
        catalog.read_at = shop.system.now();
        catalogs.save(&Scope::default_mautic(), &catalog).await.unwrap();
        let source = shop.desk.services.source.clone();
        shop.desk = shop.system.desk();
        shop.desk.services.source = source;
        let before = writes(&shop.system);
        shop.full().await;
        // Refused once more, and then the rest without it.
        assert_eq!(writes(&shop.system), before + 2, "the field takes other values by now");
    }
}

#[tokio::test]
async fn an_upsert_says_again_what_was_refused_without_asking_mautic_again() {
    for version in MauticVersion::ALL {
        let mut shop = shop_on(version, []).await;
        with_an_option_too_many(&mut shop).await;
        let change = json!({"contact": {"email": "a@example.com", "first_name": "A"}, SEGMENT: "gold"});
        let first = shop.system.caller.upsert(change.clone()).await.unwrap();
        let issues = |answer: &tandem_tests::client::Answer| answer.data()["fieldIssues"].to_string();
        assert!(issues(&first).contains("refused_by_platform"), "{}", first.body);
        let calls = shop.system.calls();
        let again = shop.system.caller.upsert(change).await.unwrap();
        assert!(issues(&again).contains("refused_by_platform"), "{}", again.body);
        assert_eq!(shop.system.calls(), calls);
    }
}

#[tokio::test]
async fn a_field_that_is_made_after_the_first_sync_gets_its_values_and_nothing_else_is_sent() {
    for version in MauticVersion::ALL {
        let rows = [of_segment("a", 1, "vip"), of_segment("b", 1, "new"), person(3, 1)];
        let mut shop = Shop::of(rows, on(version).without_fields()).await;
        let first = shop.sync().await;
        assert_eq!(
            (first.created, told(&first, "customer_segment: missing_on_platform")),
            (3, 2),
            "{:?}",
            first.issues
        );
        fields_are_listed(&mut shop).await;
        assert_eq!(shop.sync().await.rows, 0);
        make_field(&shop.system, SEGMENT).await;
        fields_are_listed(&mut shop).await;
        let before = writes(&shop.system);
        let second = shop.sync().await;
        assert_eq!((second.rows, second.unchanged, second.updated), (3, 3, 2));
        assert_eq!(writes(&shop.system), before + 1);
        assert_eq!(shop.system.contact("b@example.com").fields[SEGMENT], "new");
        assert_eq!(shop.sync().await.rows, 0, "once is enough");
    }
}

#[tokio::test]
async fn a_field_that_is_made_later_gets_the_values_of_people_who_never_were_a_row() {
    for version in MauticVersion::ALL {
        let mut shop = Shop::of([person(3, 1)], on(version).without_fields()).await;
        let called = json!({"contact": {"email": "called@example.com", SEGMENT: "vip"}});
        shop.system.caller.upsert(called).await.unwrap();
        shop.system.caller.upsert(json!({"contact": {"email": "other@example.com"}})).await.unwrap();
        shop.sync().await;
        make_field(&shop.system, SEGMENT).await;
        fields_are_listed(&mut shop).await;
        let before = writes(&shop.system);
        let second = shop.sync().await;
        assert_eq!((second.updated, second.failed, writes(&shop.system)), (1, 0, before + 1));
        assert_eq!(shop.system.contact("called@example.com").fields[SEGMENT], "vip");
        assert_eq!(shop.sync().await.waiting, 0);
        assert_eq!(writes(&shop.system), before + 1, "once is enough");
    }
}

#[tokio::test]
async fn a_field_that_is_deleted_and_made_anew_gets_its_values_back_and_nobody_takes_the_blanks_for_edits() {
    for version in MauticVersion::ALL {
        let mut shop = shop_on(version, [of_segment("a", 1, "vip"), of_segment("b", 1, "new"), person(3, 1)]).await;
        shop.sync().await;
        delete_field(&shop.system, SEGMENT).await;
        make_field(&shop.system, SEGMENT).await;
        assert!(!shop.system.contact("a@example.com").fields.contains_key(SEGMENT));
        fields_are_listed(&mut shop).await;
        let run = shop.run(SyncOptions { pull: true, ..SyncOptions::default() }).await;
        assert_eq!((run.stopped, run.log.updated, run.log.pulled), (None, 2, 0));
        assert_eq!(shop.system.contact("a@example.com").fields[SEGMENT], "vip");
        assert!(shop.source.pulled().is_empty());
    }
}

#[tokio::test]
async fn a_field_that_is_gone_while_the_list_still_names_it_is_found_out_by_the_answer() {
    for version in MauticVersion::ALL {
        let mut shop = shop_on(version, [of_segment("a", 1, "vip")]).await;
        delete_field(&shop.system, SEGMENT).await;
        let first = shop.sync().await;
        assert_eq!(
            (first.created, told(&first, "customer_segment: missing_on_platform")),
            (1, 1),
            "{:?}",
            first.issues
        );
        assert!(!shop.system.link("a@example.com").await.snapshot.contains_key(SEGMENT));
        let upsert = json!({"contact": {"email": "b@example.com"}, SEGMENT: "vip"});
        let answer = shop.system.caller.upsert(upsert).await.unwrap();
        assert!(answer.data()["fieldIssues"].to_string().contains("missing_on_platform"), "{}", answer.body);
        make_field(&shop.system, SEGMENT).await;
        fields_are_listed(&mut shop).await;
        assert_eq!(shop.sync().await.updated, 2, "who never was a row, too");
        for address in ["a@example.com", "b@example.com"] {
            assert_eq!(shop.system.contact(address).fields[SEGMENT], "vip");
        }
    }
}

#[tokio::test]
async fn a_run_with_contacts_that_failed_says_so_at_its_end_as_long_as_they_do() {
    for version in MauticVersion::ALL {
        let shop = shop_on(version, [person(1, 1)]).await;
        shop.system.mautic_refuses("PUT", "/api/contacts/batch/edit", &["email"]);
        let ran = shop.run(SyncOptions::default()).await;
        assert_eq!((ran.stopped, ran.log.end, ran.log.failed), (None, RunEnd::Incomplete, 1));
        // It is not due again yet.
        let later = shop.run(SyncOptions::default()).await;
        assert_eq!((later.stopped, later.log.end, later.log.failed), (None, RunEnd::Incomplete, 1));
    }
}

#[tokio::test]
async fn a_budget_that_ends_before_a_create_costs_no_look_up_afterwards() {
    for version in MauticVersion::ALL {
        let shop = shop_on(version, (0..60).map(|n| person(n, 1))).await;
        shop.system.mautic_answers(429);
        for _ in 0..2 {
            let paused = shop.run(SyncOptions::default()).await;
            assert_eq!(paused.log.end, RunEnd::Paused);
            shop.desk.services.sleep.sleep(std::time::Duration::from_millis(1_200)).await;
        }
        shop.system.mautic.clear_faults();
        let before = shop.system.calls_of("GET /api/contacts");
        let log = shop.sync().await;
        assert_eq!((log.created, shop.system.calls_of("GET /api/contacts") - before), (60, 0));
    }
}

#[tokio::test]
async fn a_queued_create_that_mautic_never_looked_at_is_created_without_looking_for_it() {
    for version in MauticVersion::ALL {
        let mut system = System::with(on(version).without_worker()).await;
        system.mautic_answers(429);
        let answer = system.caller.upsert(json!({"contact": {"email": "a@example.com"}})).await.unwrap();
        assert_eq!(answer.status, 202);
        // And a second time, by a call that is never made.
        let answer =
            system.caller.upsert(json!({"contact": {"email": "a@example.com", "first_name": "A"}})).await.unwrap();
        assert_eq!(answer.status, 202);
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        system.mautic.clear_faults();
        let before = system.calls();
        system.start_worker();
        system.finish().await;
        assert_eq!(system.contact("a@example.com").fields["firstname"], "A");
        assert_eq!(system.calls() - before, 1, "one create, and no look for what can't be there");
    }
}

#[test]
fn what_is_said_of_a_field_is_read_back_as_it_was_written() {
    let field = RemoteField { id: Some(7), ..RemoteField::of_kind(RemoteFieldKind::Text) };
    let old: Value =
        json!({"fields": {"city": {"kind": "text", "options": [], "scale": null}}, "read_at": "2026-11-01T00:00:00Z"});
    let old: FieldCatalog = serde_json::from_value(old).unwrap();
    assert_eq!(old.fields["city"], RemoteField { id: None, ..field });
    assert_eq!(serde_json::to_value(IssueCode::RefusedByPlatform).unwrap(), "refused_by_platform");
    assert!(old.newest_field() + SignedDuration::ZERO < old.read_at);
}
