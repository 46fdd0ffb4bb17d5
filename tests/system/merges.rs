//! A visitor gives a known address: Mautic merges the two, and the visitor's contact survives. What the form said is news, and
//! what happens to the survivor happens to the person.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::link::{LinkState, RemoteId};
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::MauticVersion;
use tandem_tests::list_source::ListSource;
use tandem_tests::system::{Options, System};

const EMAIL: &str = "ada@example.com";

/// A form that asks for an address and a city.
async fn form(system: &System) -> Value {
    let field = |alias: &str, kind: &str| json!({"label": alias, "alias": alias, "type": kind, "mappedField": alias});
    let body = json!({"name": "Survey", "formType": "standalone", "isPublished": true, "postAction": "return",
        "fields": [field("email", "email"), field("city", "text")]});
    system.in_mautic(Method::POST, "/api/forms/new", Some(body)).await["form"]["id"].take()
}

/// A known person sends the form from a fresh browser; the survivor's number.
async fn merged(system: &System) -> String {
    let form = form(system).await;
    merged_by(system, &form, EMAIL).await
}

async fn merged_by(system: &System, form: &Value, email: &str) -> String {
    let visitor = system.visitor().await;
    let submission = json!({"contact": visitor, "address": email, "form": form, "fields": {"city": "Sydney"}});
    system.engage("submit", submission).await;
    let survivor = system.contact(email);
    assert_eq!((survivor.id, &survivor.fields["city"]), (visitor, &json!("Sydney")));
    visitor.to_string()
}

async fn says(system: &System, fields: Value) {
    let mut contact = fields;
    contact["email"] = json!(EMAIL);
    let payload = json!({"id": "u1", "contact": contact, "consent": {"marketing_opt_in": true}});
    let answer = system.caller.upsert(payload).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn what_a_known_person_says_in_a_form_survives_the_merge_and_the_next_write() {
    for version in MauticVersion::ALL {
        for hooked in [true, false] {
            let system = System::with(Options::default().mautic_version(version)).await;
            if hooked {
                system.guard().await;
            }
            says(&system, json!({"city": "Perth", "first_name": "Ada", "last_name": "Byron"})).await;
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            let survivor = merged(&system).await;
            if !hooked {
                system.desk().repair_gaps("test").await.unwrap();
            }
            system.finish().await;
            let link = system.link(EMAIL).await;
            assert_eq!((link.remote_id, link.state), (Some(RemoteId(survivor)), LinkState::Synced), "{version}");
            // The application says its old city again, with another change of the row.
            says(&system, json!({"city": "Perth", "first_name": "Ada", "last_name": "Lovelace"})).await;
            system.desk().sync(SyncOptions::default()).await.unwrap();
            system.finish().await;
            let held = system.contact(EMAIL).fields;
            let held = (held["city"].clone(), held["firstname"].clone(), held["lastname"].clone());
            assert_eq!(held, (json!("Sydney"), json!("Ada"), json!("Lovelace")), "{version}, hooked: {hooked}");
        }
    }
}

#[tokio::test]
async fn an_opt_out_after_a_merge_during_an_outage_reaches_the_ledger_at_the_first_repair() {
    for version in MauticVersion::ALL {
        let system = System::with(Options::default().mautic_version(version)).await;
        says(&system, json!({"city": "Perth"})).await;
        system.desk().repair_gaps("test").await.unwrap();
        merged(&system).await;
        system.engage("unsubscribe", json!({"address": EMAIL})).await;
        system.desk().repair_gaps("test").await.unwrap();
        assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedOut), "{version}");
        system.finish().await;
    }
}

#[tokio::test]
async fn a_merge_that_is_learnt_before_the_unsubscription_of_the_survivor_is_read_learns_it_too() {
    let system = System::start().await;
    says(&system, json!({"city": "Perth"})).await;
    let known = system.contact(EMAIL).id.to_string();
    merged(&system).await;
    system.engage("unsubscribe", json!({"address": EMAIL})).await;
    system.desk().check_gone(&RemoteId(known)).await.unwrap();
    assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedOut));
}

/// How many contacts are brought in one call.
const BATCH: usize = 200;

fn address(number: usize) -> String {
    format!("p{number}@example.com")
}

/// The rows of a whole batch and some more, as they are after so many changes.
fn rows(system: &System, name: &str) -> Vec<SourceRow> {
    let row = |number: usize| {
        let fields = json!({"email": address(number), "first_name": name, "last_name": "Byron"});
        let fields = fields.as_object().unwrap().clone().into_iter().collect();
        SourceRow {
            kind: Kind::Person,
            id: format!("u{number}"),
            updated_at: Some(system.now()),
            fields,
            deleted: false,
        }
    };
    (0..BATCH + 10).map(row).collect()
}

#[tokio::test]
async fn of_a_batch_of_changed_rows_those_whose_contacts_were_merged_are_followed_and_no_other_is_lost() {
    for version in MauticVersion::ALL {
        let mut system = System::with(Options::default().mautic_version(version).without_worker()).await;
        let source = ListSource::of(rows(&system, "Ada"));
        let mut desk = system.desk();
        desk.services.source = Arc::new(source.clone());
        assert_eq!(desk.sync(SyncOptions::default()).await.unwrap().log.created as usize, BATCH + 10);
        // Nobody tells Tandem of it: no webhook is set up, and the next look is an hour away.
        let form = form(&system).await;
        let mut survivors = Vec::new();
        for number in [0, 77, BATCH - 1] {
            survivors.push((number, merged_by(&system, &form, &address(number)).await));
        }
        source.put(rows(&system, "Eve"));
        let ran = desk.sync(SyncOptions::default()).await.unwrap();
        assert_eq!((ran.log.created, ran.log.failed), (0, 0), "{version}: {ran:?}");
        system.start_worker();
        system.finish().await;
        for number in 0..BATCH + 10 {
            assert_eq!(system.contact(&address(number)).fields["firstname"], "Eve", "{version}: {number}");
        }
        for (number, survivor) in survivors {
            let email = address(number);
            let (held, link) = (system.contact(&email), system.link(&email).await);
            assert_eq!((held.id.to_string(), &held.fields["city"]), (survivor.clone(), &json!("Sydney")), "{version}");
            assert_eq!((link.remote_id, link.state), (Some(RemoteId(survivor)), LinkState::Synced), "{version}");
        }
        assert!(system.parked().await.is_empty(), "{version}");
    }
}
