//! Companies looked up by their names among many.

use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tandem_core::domain::kind::Kind;
use tandem_core::ports::Clock;
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::{MauticSimulator, MauticVersion};
use tandem_tests::hands::Hands;
use tandem_tests::system::{Options, System};

use super::{Shop, organisation, person};

/// A Mautic with this many companies whose names say the same words.
async fn crowded(version: MauticVersion, companies: usize) -> Shop {
    let shop = Shop::with(Options::default().mautic_version(version)).await;
    let names: Vec<String> = (0..companies).map(|n| format!("Acme International {n}")).collect();
    shop.system.mautic.plant_companies(&names.iter().map(String::as_str).collect::<Vec<_>>());
    shop
}

#[tokio::test]
async fn names_with_signs_and_accents_are_found_among_thousands_with_a_few_calls() {
    for version in MauticVersion::ALL {
        let shop = crowded(version, 3_000).await;
        let names = ["O'Brien & Söhne", "Smith/Wesson (AU)", "Acme International — Perth", "C++ Ltd."];
        let there = shop.system.mautic.plant_companies(&["o'brien & sohne", names[1], names[2], names[3]]);
        shop.rows(names.iter().enumerate().map(|(n, name)| organisation(&format!("o{n}"), name)).collect()).await;
        let log = shop.run().await;
        assert_eq!((log.created, log.failed), (0, 0), "{log:?}");
        assert!(shop.system.calls_of("GET /api/companies") <= 8, "{}", shop.system.calls_of("GET /api/companies"));
        for (n, id) in there.iter().enumerate() {
            let link = shop.stored(Kind::Organisation, &format!("o{n}")).await.link.unwrap();
            assert_eq!(link.remote_id.unwrap().within("company"), Some(id.to_string().as_str()));
        }
    }
}

#[tokio::test]
async fn a_name_that_can_not_be_told_from_thousands_is_an_issue_of_its_own_and_ends_no_run() {
    let shop = crowded(MauticVersion::V7_0, 3_000).await;
    shop.rows(json!([
        organisation("o1", "Acme International"),
        organisation("o2", "&&&"),
        organisation("o3", "Globex"),
        person("u1", "o3")
    ]))
    .await;
    let log = shop.run().await;
    assert_eq!((log.created, log.failed), (2, 2), "{log:?}");
    let mut told: Vec<&str> = log.problems.iter().map(|problem| problem.id.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["organisation o1", "organisation o2"]);
    assert_eq!(shop.system.calls_of("POST /api/companies/new"), 1, "what can't be looked for is not made");
    assert!(shop.system.calls_of("GET /api/companies") <= 8);
    assert_eq!(shop.system.contact("u1@example.com").fields["company"], "Globex");
}

/// A clock by which each page of companies takes eight seconds.
#[derive(Clone, Default)]
struct Slow {
    hands: Hands,
    mautic: Arc<OnceLock<MauticSimulator>>,
}

impl Clock for Slow {
    fn now(&self) -> Timestamp {
        let pages =
            self.mautic.get().map_or(0, |mautic| mautic.stats().calls.get("GET /api/companies").copied().unwrap_or(0));
        self.hands.now().saturating_add(SignedDuration::from_secs(8 * i64::try_from(pages).unwrap())).unwrap()
    }
}

#[tokio::test]
async fn a_name_that_takes_too_long_to_look_for_keeps_no_other_waiting_and_ends_no_run() {
    let clock = Slow::default();
    let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
    let shop = Shop { system: System::with(options.without_worker()).await, hands: clock.hands.clone() };
    let names: Vec<String> = (0..450).map(|n| format!("Acme International {n}")).collect();
    shop.system.mautic.plant_companies(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(clock.mautic.set(MauticSimulator::clone(&shop.system.mautic)).is_ok());
    shop.rows(json!([organisation("o1", "Acme International"), organisation("o2", "Globex")])).await;
    let ran = shop.system.desk().sync(SyncOptions::default()).await.unwrap();
    assert_eq!((ran.log.created, ran.log.failed), (1, 1), "{:?}", ran.log);
    assert_eq!(ran.log.problems[0].id, "organisation o1");
    assert!(ran.log.problems[0].issue.message.contains("too long"), "{:?}", ran.log.problems);
    assert_eq!(shop.system.calls_of("GET /api/companies"), 3, "no page is asked for after twenty seconds");
}

#[tokio::test]
async fn a_value_that_mautic_refuses_by_its_own_rules_is_left_out_and_told() {
    let shop = Shop::open().await;
    let mut globex = organisation("o1", "Globex");
    globex["city"] = json!("Perth");
    globex["address_line1"] = json!("x".repeat(200));
    globex["email"] = json!("nobody@localhost");
    shop.rows(json!([globex])).await;
    let log = shop.settle().await;
    let company = shop.company("Globex").await;
    assert_eq!((&company["companycity"], &company["companyemail"]), (&json!("Perth"), &Value::Null), "{log:?}");
}
