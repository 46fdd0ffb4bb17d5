//! Segments are found or made by name in one way, whoever asks.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::kind::Kind;
use tandem_core::error::FailureKind;
use tandem_core::jobs::message::MembershipList;
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::MauticVersion;
use tandem_tests::list_source::ListSource;
use tandem_tests::system::{Options, System};

async fn segments(system: &System) -> Vec<Value> {
    let listed = system.in_mautic(Method::GET, "/api/segments?limit=1000", None).await;
    listed["lists"].as_object().into_iter().flat_map(|lists| lists.values().cloned()).collect()
}

/// Asks until nobody else makes it.
async fn named(system: &System, name: &str) -> MembershipList {
    for _ in 0..200 {
        match system.desk().segment_named(name, "test").await {
            Err(failure) if failure.kind == FailureKind::Conflict => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            found => return found.unwrap(),
        }
    }
    panic!("the segment is never made")
}

#[tokio::test]
async fn many_functions_that_need_one_segment_make_it_once_however_they_spell_it() {
    let system = System::with(Options::default().without_worker()).await;
    let spellings = ["Über uns", "über uns", "U\u{308}ber uns", "Über  uns ", "ÜBER UNS"];
    let asked = spellings.iter().cycle().take(20).map(|name| named(&system, name));
    let found = futures::future::join_all(asked).await;
    assert!(found.iter().all(|list| *list == found[0]), "{found:?}");
    let made = segments(&system).await;
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0]["alias"], "uber-uns");
}

#[tokio::test]
async fn names_in_other_scripts_get_segments_of_their_own() {
    let system = System::with(Options::default().without_worker()).await;
    let found = [named(&system, "Клиенты").await, named(&system, "Πελάτες").await, named(&system, "клиенты").await];
    assert!(found[0] == found[2] && found[0] != found[1], "{found:?}");
    let aliases: Vec<Value> = segments(&system).await.iter().map(|segment| segment["alias"].clone()).collect();
    assert!(aliases.len() == 2 && aliases[0] != aliases[1] && !aliases.contains(&json!("")), "{aliases:?}");
}

#[tokio::test]
async fn a_segment_whose_alias_another_one_has_is_made_with_an_alias_of_its_own() {
    let system = System::with(Options::default().without_worker()).await;
    let other = json!({"name": "Something else", "alias": "vip-customers", "isPublished": true});
    system.in_mautic(Method::POST, "/api/segments/new", Some(other)).await;
    named(&system, "VIP Customers").await;
    let made = segments(&system).await;
    let made = made.iter().find(|segment| segment["name"] == "VIP Customers").unwrap();
    assert!(made["alias"].as_str().unwrap().starts_with("vip-customers-"), "{made}");
}

#[tokio::test]
async fn a_name_that_mautic_5_1_stores_entity_encoded_is_found_and_not_made_twice() {
    for version in MauticVersion::ALL {
        let system = System::with(Options::default().mautic_version(version).without_worker()).await;
        let given = json!({"name": "R&D's <all>", "alias": "rd", "isPublished": true});
        let made = system.in_mautic(Method::POST, "/api/segments/new", Some(given)).await;
        let stored = if version == MauticVersion::V5_1 { "R&#38;D&#39;s &#60;all&#62;" } else { "R&D's <all>" };
        assert_eq!(made["list"]["name"], stored);
        named(&system, "R&D's <all>").await;
        assert_eq!(segments(&system).await.len(), 1, "{version}");
    }
}

#[tokio::test]
async fn a_run_reads_the_list_of_segments_once_though_it_makes_some() {
    let system = System::with(Options::default().without_worker()).await;
    system.made_in_mautic("segments", "Regular Customers").await;
    let fields = json!({"email": "ada@example.com", "customer_segments": "{vip,regular,new}"});
    let fields = fields.as_object().unwrap().clone().into_iter().collect();
    let row =
        SourceRow { kind: Kind::Person, id: "u1".to_owned(), updated_at: Some(system.now()), fields, deleted: false };
    let mut desk = system.desk();
    desk.services.source = Arc::new(ListSource::of([row]));
    let before = system.calls_of("GET /api/segments");
    assert_eq!(desk.sync(SyncOptions::default()).await.unwrap().log.memberships, 3);
    assert_eq!((system.calls_of("GET /api/segments") - before, segments(&system).await.len()), (1, 3));
    assert_eq!(system.contact("ada@example.com").segments.len(), 3);
}

#[tokio::test]
async fn a_segment_that_another_function_made_since_the_list_was_read_is_not_made_twice() {
    let system = System::with(Options::default().without_worker()).await;
    let (one, other) = (system.desk(), system.desk());
    one.segments().await.unwrap();
    let made = other.segment_named("VIP", "test").await.unwrap();
    assert_eq!(one.segment_named("vip", "test").await.unwrap(), made);
    assert_eq!(segments(&system).await.len(), 1);
}
