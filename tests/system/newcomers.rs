//! People who appear on the platform become records, by the integration's rule: once, whatever way they are told, and nobody who
//! was deleted.

use std::sync::Arc;

use futures::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::record::Record;
use tandem_core::domain::whom::Whom;
use tandem_core::ports::runs::RunLog;
use tandem_core::sync::changes::SeenChange;
use tandem_core::sync::run::SyncOptions;
use tandem_tests::hands::Hands;
use tandem_tests::system::{Options, System};

use super::hub::{self, Hub, writes};

const RULE: &str = "TANDEM_NEWCOMERS";
const EMAIL: &str = "ada@example.com";

/// Mautic's contacts are told by nobody: the look for changes finds them. What was there before its first run is no news.
async fn quiet(rule: &str) -> System {
    let system = System::with(Options::default().with(RULE, rule)).await;
    look(&system).await;
    system
}

/// The same, and Mautic calls.
async fn told(rule: &str) -> System {
    let system = quiet(rule).await;
    system.guard().await;
    system
}

async fn look(system: &System) -> RunLog {
    let ran = system.desk().sync(SyncOptions { pull: true, ..SyncOptions::default() }).await.unwrap();
    assert_eq!(ran.stopped, None);
    ran.log
}

async fn made(system: &System, contact: Value) -> String {
    let answer = system.in_mautic(Method::POST, "/api/contacts/new", Some(contact)).await;
    answer["contact"]["id"].to_string()
}

fn ada() -> Value {
    json!({"email": "Ada@Example.com", "firstname": "Ada", "city": "Perth", "tags": ["expo"], "points": 5})
}

async fn record(system: &System, email: &str) -> Option<(Record, Option<String>)> {
    let whom = Whom { email: Some(email.parse().unwrap()), ..Whom::default() };
    let (_, stored) = system.desk().remember(&whom).await.unwrap().record?;
    Some((stored.record?, stored.link?.remote_id.map(|id| id.0)))
}

/// Calls that change something, by route, and how often they were made.
fn changing(system: &System) -> Vec<(String, u64)> {
    system.mautic.stats().calls.into_iter().filter(|(route, _)| !route.starts_with("GET ")).collect()
}

/// Further runs change nothing in Mautic.
async fn is_quiet(system: &System) {
    let before = writes(system);
    for _ in 0..3 {
        look(system).await;
        system.finish().await;
    }
    assert_eq!(writes(system) - before, 0, "calls that change something, in three rounds");
}

#[tokio::test]
async fn a_contact_that_a_webhook_tells_of_becomes_a_record_without_a_run_and_without_a_write() {
    let system = told("all").await;
    let before = changing(&system);
    let contact = made(&system, ada()).await;
    system.finish().await;
    let (record, link) = record(&system, EMAIL).await.expect("a record");
    assert_eq!(link, Some(contact));
    let values = ["first_name", "city", "tags"].map(|name| record.fields[name].clone());
    assert_eq!(values, [json!("Ada"), json!("Perth"), json!(["expo"])]);
    assert_eq!((record.external_id, record.said["city"].by.to_string()), (None, "mautic".to_owned()));
    let since: Vec<_> = changing(&system).into_iter().filter(|call| !before.contains(call)).collect();
    assert_eq!(since, [("POST /api/contacts/new".to_owned(), 1)], "the test's own");
    is_quiet(&system).await;
    // It is a record like any other: an edit there comes back, and the application's call joins it.
    let upsert = json!({"id": "u1", "contact": {"email": EMAIL, "last_name": "Byron"}});
    assert_eq!(system.caller.upsert(upsert).await.unwrap().status, 200);
    let shown = system.contact(EMAIL);
    assert_eq!((&shown.fields["lastname"], &shown.fields["city"]), (&json!("Byron"), &json!("Perth")));
}

#[tokio::test]
async fn somebody_with_an_address_that_another_record_began_with_becomes_a_record_of_their_own() {
    let system = told("all").await;
    for (id, email) in [(None, EMAIL), (Some("u1"), EMAIL), (Some("u1"), "elsewhere@example.com")] {
        let answer = system.caller.upsert(json!({"id": id, "contact": {"email": email}})).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    system.finish().await;
    let contact = made(&system, ada()).await;
    system.finish().await;
    let (new, link) = record(&system, EMAIL).await.expect("a record");
    assert_eq!((new.external_id, link), (None, Some(contact)));
    let (old, _) = record(&system, "elsewhere@example.com").await.expect("the first record");
    assert_eq!(old.external_id.map(|id| id.as_str().to_owned()), Some("u1".to_owned()));
}

#[tokio::test]
async fn whom_no_webhook_told_of_the_look_for_changes_finds_with_one_call_for_all() {
    let system = quiet("all").await;
    for number in 0..5 {
        made(&system, json!({"email": hub::address(number), "firstname": "New"})).await;
    }
    let nameless = made(&system, json!({"firstname": "Nobody"})).await;
    let before = (system.calls(), writes(&system));
    let log = look(&system).await;
    assert_eq!((log.appeared, log.created), (5, 0));
    assert_eq!((system.calls() - before.0, writes(&system) - before.1), (2, 0), "the log, and all contacts");
    assert_eq!(look(&system).await.appeared, 0);
    // Nobody becomes somebody.
    let path = format!("/api/contacts/{nameless}/edit");
    system.in_mautic(Method::PATCH, &path, Some(json!({"email": "late@example.com"}))).await;
    assert_eq!(look(&system).await.appeared, 1);
    assert_eq!(record(&system, "late@example.com").await.unwrap().1, Some(nameless));
    is_quiet(&system).await;
}

#[tokio::test]
async fn by_default_nobody_is_taken_in_and_nothing_more_is_read() {
    let system = told("none").await;
    made(&system, ada()).await;
    system.finish().await;
    let before = system.calls();
    look(&system).await;
    assert_eq!(system.calls() - before, 1, "the log");
    assert!(record(&system, EMAIL).await.is_none());
}

#[tokio::test]
async fn who_is_made_by_tandem_itself_is_no_newcomer_and_costs_no_call() {
    let system = told("all").await;
    for number in 0..5 {
        let contact = json!({"email": hub::address(number), "first_name": "Ours"});
        let answer = system.caller.upsert(json!({"id": format!("u{number}"), "contact": contact})).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    system.finish().await;
    let before = system.calls();
    let log = look(&system).await;
    assert_eq!((log.appeared, system.calls() - before), (0, 1), "the log");
    assert_eq!(system.mautic.contacts().len(), 5);
}

#[tokio::test]
async fn only_who_opted_in_and_may_be_mailed_is_taken_in_where_the_rule_says_so() {
    let system = told("with_consent").await;
    made(&system, json!({"email": "silent@example.com"})).await;
    made(&system, json!({"email": "yes@example.com", "marketing_opt_in": 1})).await;
    let forbidden = json!({"email": "no@example.com", "marketing_opt_in": 1,
        "doNotContact": [{"channel": "email", "reason": 1, "comments": "unsubscribed"}]});
    made(&system, forbidden).await;
    system.finish().await;
    look(&system).await;
    assert!(record(&system, "yes@example.com").await.is_some());
    for other in ["silent@example.com", "no@example.com"] {
        assert!(record(&system, other).await.is_none(), "{other}");
    }
    assert_eq!(system.consent("yes@example.com").await.unwrap(), Some(ConsentStatus::OptedIn));
    // She says yes later.
    let silent = system.contact("silent@example.com").id;
    let yes = json!({"marketing_opt_in": 1});
    system.in_mautic(Method::PATCH, &format!("/api/contacts/{silent}/edit"), Some(yes)).await;
    look(&system).await;
    assert!(record(&system, "silent@example.com").await.is_some());
    is_quiet(&system).await;
}

#[tokio::test]
async fn only_members_of_the_segment_are_taken_in_also_when_they_join_it_later() {
    let system = told("segment:Web Leads").await;
    let segment = system.made_in_mautic("segments", "Web Leads").await;
    let other = system.made_in_mautic("segments", "Others").await;
    let contact = made(&system, ada()).await;
    system.in_mautic(Method::POST, &format!("/api/segments/{other}/contact/{contact}/add"), None).await;
    system.finish().await;
    assert!(record(&system, EMAIL).await.is_none());
    system.in_mautic(Method::POST, &format!("/api/segments/{segment}/contact/{contact}/add"), None).await;
    system.finish().await;
    assert_eq!(record(&system, EMAIL).await.expect("a record").1, Some(contact));
}

#[tokio::test]
async fn an_opt_out_that_the_contact_shows_is_learnt_and_one_that_stands_reaches_the_contact() {
    let system = told("all").await;
    let forbidden = json!({"email": EMAIL, "doNotContact": [{"channel": "email", "reason": 1, "comments": "no"}]});
    made(&system, forbidden).await;
    system.finish().await;
    assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedOut));
    // Somebody who opted out before, under an address that only the ledger remembers.
    let gone = json!({"id": "u9", "contact": {"email": "out@example.com"},
        "consent": {"marketing_opt_in": false, "explicit": true}});
    assert_eq!(system.caller.upsert(gone).await.unwrap().status, 200);
    let moved = json!({"id": "u9", "contact": {"email": "new@example.com"}});
    assert_eq!(system.caller.upsert(moved).await.unwrap().status, 200);
    made(&system, json!({"email": "out@example.com", "marketing_opt_in": 1})).await;
    system.finish().await;
    look(&system).await;
    assert_eq!(system.consent("out@example.com").await.unwrap(), Some(ConsentStatus::OptedOut));
    assert!(!system.contact("out@example.com").dnc.is_empty(), "nobody mails the address again");
    is_quiet(&system).await;
}

#[tokio::test]
async fn who_was_deleted_does_not_come_back_by_an_import_of_marketing() {
    let system = told("all").await;
    made(&system, ada()).await;
    system.finish().await;
    let delete = json!({"action": "delete_contact", "payload": {"email": EMAIL}});
    assert_eq!(system.caller.call(&delete).await.unwrap().status, 200);
    made(&system, ada()).await;
    system.finish().await;
    look(&system).await;
    assert!(record(&system, EMAIL).await.is_none());
}

#[tokio::test]
async fn a_webhook_a_look_and_a_call_of_the_application_at_once_make_one_record_each() {
    let system = told("all").await;
    let people = 0..8;
    for number in people.clone() {
        made(&system, json!({"email": hub::address(number), "firstname": "There"})).await;
    }
    system.skip_a_minute();
    let upserts = people.clone().map(|number| {
        let contact = json!({"email": hub::address(number), "last_name": "Here"});
        system.caller.upsert(json!({"id": format!("u{number}"), "contact": contact}))
    });
    let (answers, _) = tokio::join!(join_all(upserts.collect::<Vec<_>>()), look(&system));
    assert!(answers.into_iter().all(|answer| [200, 202].contains(&answer.unwrap().status)));
    system.finish().await;
    look(&system).await;
    assert_eq!(system.mautic.contacts().len(), people.len());
    for number in people {
        let (record, contact) = record(&system, &hub::address(number)).await.expect("a record");
        let shown = system.contact(&hub::address(number));
        assert_eq!(record.external_id.unwrap().as_str(), format!("u{number}"));
        assert_eq!((contact, &shown.fields["lastname"]), (Some(shown.id.to_string()), &json!("Here")));
    }
    is_quiet(&system).await;
}

#[tokio::test]
async fn the_application_reads_who_appeared_with_all_that_is_known() {
    let hands = Hands::default();
    let options = Options { clock: Arc::new(hands.clone()), ..Options::default() }.with(RULE, "all");
    let system = System::with(options).await;
    look(&system).await;
    system.guard().await;
    made(&system, json!({"email": EMAIL, "firstname": "Ada", "marketing_opt_in": 1})).await;
    system.finish().await;
    hands.move_on(SignedDuration::from_secs(20));
    let seen: Vec<SeenChange> = system.desk().changes(None, &[Kind::Person], 100).await.unwrap().unwrap().changes;
    let first = &seen[0];
    assert_eq!((first.change, first.said_by), ("appeared", "platform"));
    assert_eq!(first.email.as_ref().map(|email| email.as_str()), Some(EMAIL));
    assert_eq!(first.fields["first_name"], json!("Ada"));
    let consent: Vec<_> = seen.iter().filter(|one| one.fields.contains_key("marketing_opt_in")).collect();
    assert_eq!((consent.len(), consent[0].change), (1, "changed"));
    assert_eq!(consent[0].fields["marketing_opt_in"], json!(true));
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn who_appears_in_one_mautic_is_in_the_other_within_seconds_and_who_appears_in_both_is_one() {
    let hub = Hub::taking_in("all").await;
    made(&hub.one, json!({"email": EMAIL, "firstname": "Ada", "city": "Perth"})).await;
    let both = json!({"email": "both@example.com", "firstname": "Both"});
    made(&hub.one, both.clone()).await;
    made(&hub.other, both).await;
    hub.one.finish().await;
    hub.settle().await;
    assert_eq!(hub::addresses(&hub.one), ["ada@example.com", "both@example.com"]);
    assert_eq!(hub::addresses(&hub.one), hub::addresses(&hub.other));
    assert_eq!(hub.both(EMAIL, "city"), [json!("Perth"), json!("Perth")]);
    let key = hub.one.record_of("both@example.com").await;
    let links = hub.one.desk().services.contacts.links(&hub.one.foundation.scope.tenant, &key).await.unwrap();
    assert_eq!(links.len(), 2);
    hub.is_quiet().await;
}
