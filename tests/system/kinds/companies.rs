//! Organisations as Mautic's companies: found, made, changed, told apart.

use serde_json::{Value, json};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::link::{LinkState, RemoteId};
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_tests::system::Options;

use super::{Shop, organisation, person};

#[tokio::test]
async fn sixty_organisations_and_their_people_reach_both_versions_and_a_second_run_calls_nobody() {
    for version in [MauticVersion::V5_1, MauticVersion::V7_0] {
        let shop = Shop::with(Options::default().mautic_version(version)).await;
        let organisations = (0..60).map(|n| organisation(&format!("o{n}"), &format!("Firm {n}")));
        let people = (0..120).map(|n| person(&format!("u{n}"), &format!("o{}", n % 60)));
        shop.rows(people.chain(organisations).collect()).await;
        let log = shop.settle().await;
        assert!(shop.system.calls_of("GET /api/companies") <= 6, "ten are looked up together");
        assert_eq!((log.created, log.failed, shop.companies().await.len()), (180, 0, 60), "{log:?}");
        for n in [0, 17, 59, 61, 119] {
            assert_eq!(shop.belongs_to(&format!("u{n}@example.com")).await, [format!("Firm {}", n % 60)]);
        }
        let before = shop.system.calls();
        shop.run().await;
        assert_eq!(shop.system.calls(), before);
    }
}

#[tokio::test]
async fn a_company_of_the_same_name_is_adopted_and_gets_what_differs() {
    let shop = Shop::open().await;
    let there = shop.system.mautic.plant_companies(&["Initech", "GLOBEX", "Globex Holding"]);
    let mut globex = organisation("o1", "Globex");
    globex["city"] = json!("Perth");
    shop.rows(json!([globex])).await;
    let log = shop.settle().await;
    assert_eq!((log.created, log.updated, shop.companies().await.len()), (0, 1, 3), "{log:?}");
    let link = shop.stored(Kind::Organisation, "o1").await.link.unwrap();
    assert_eq!(link.remote_id, Some(RemoteId::of_object("company", &there[1].to_string())));
    assert_eq!(shop.company("Globex").await["companycity"], "Perth");
}

#[tokio::test]
async fn two_companies_of_one_name_are_told_and_nothing_is_written() {
    let shop = Shop::open().await;
    shop.system.mautic.plant_companies(&["Globex", "globex"]);
    shop.rows(json!([organisation("o1", "Globex"), organisation("o2", "Initech")])).await;
    let log = shop.run().await;
    assert_eq!((log.created, log.failed), (1, 1), "{log:?}");
    let problem = &log.problems[0];
    assert_eq!((problem.id.as_str(), problem.issue.field.as_str()), ("organisation o1", "name"));
    assert!(problem.issue.message.contains("company/1, company/2"), "{problem:?}");
    let link = shop.stored(Kind::Organisation, "o1").await.link.unwrap();
    assert_eq!((link.state, link.remote_id), (LinkState::Error, None));
    assert_eq!(shop.system.calls_of("POST /api/companies/new"), 1);
}

#[tokio::test]
async fn two_organisations_of_one_name_do_not_share_a_company() {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("o1", "Globex"), organisation("o2", "globex ")])).await;
    let log = shop.run().await;
    assert_eq!((log.created, log.failed, shop.companies().await.len()), (1, 1, 1), "{log:?}");
    assert_eq!(log.problems[0].issue.field, "name");
    shop.rows(json!([organisation("o1", "Globex A"), organisation("o2", "Globex B")])).await;
    shop.settle().await;
    let mut names: Vec<String> = shop.companies().await.into_values().collect();
    names.sort();
    assert_eq!(names, ["Globex A", "Globex B"]);
}

#[tokio::test]
async fn a_create_whose_reply_is_lost_makes_no_second_company() {
    for how in [LostReply::Close, LostReply::Status] {
        let shop = Shop::open().await;
        shop.rows(json!([organisation("o1", "Globex"), organisation("o2", "Initech"), person("u1", "o1")])).await;
        let lost = FaultRule::new(FaultKind::LostReply).how(how).path("/api/companies/new").times(1);
        shop.system.mautic.inject_faults(vec![lost]);
        shop.run().await;
        let log = shop.settle().await;
        let mut names: Vec<String> = shop.companies().await.into_values().collect();
        names.sort();
        assert_eq!((names, log.failed), (vec!["Globex".to_owned(), "Initech".to_owned()], 0), "{how:?}");
        assert_eq!(shop.belongs_to("u1@example.com").await, ["Globex"]);
    }
}

#[tokio::test]
async fn changes_blanks_and_a_new_name_reach_the_company() {
    let shop = Shop::open().await;
    let of = |name: &str, city: Value| json!([{"kind": "organisation", "id": "o1", "name": name, "city": city}]);
    shop.rows(of("Globex", json!("Perth"))).await;
    shop.settle().await;
    shop.rows(of("Globex Ltd", json!("Sydney"))).await;
    shop.settle().await;
    assert_eq!(shop.company("Globex Ltd").await["companycity"], "Sydney");
    shop.rows(of("Globex Ltd", Value::Null)).await;
    shop.settle().await;
    assert_eq!(shop.company("Globex Ltd").await["companycity"], Value::Null);
    assert_eq!((shop.companies().await.len(), shop.system.calls_of("PATCH /api/companies/{id}/edit")), (1, 2));
}

#[tokio::test]
async fn a_company_that_is_gone_is_made_anew_and_its_people_join_it_again() {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("o1", "Globex"), person("u1", "o1")])).await;
    shop.settle().await;
    let old = *shop.companies().await.keys().next().unwrap();
    shop.system.in_mautic(reqwest::Method::DELETE, &format!("/api/companies/{old}/delete"), None).await;
    let mut globex = organisation("o1", "Globex");
    globex["city"] = json!("Perth");
    shop.rows(json!([globex])).await;
    shop.settle().await;
    let new = *shop.companies().await.keys().next().unwrap();
    assert!(new != old && shop.company("Globex").await["companycity"] == "Perth");
    assert_eq!(shop.belongs_to("u1@example.com").await.last().unwrap(), "Globex");
}

#[tokio::test]
async fn a_contact_that_is_to_join_a_company_that_is_gone_has_it_made_anew() {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("o1", "Globex")])).await;
    shop.settle().await;
    let old = *shop.companies().await.keys().next().unwrap();
    shop.system.in_mautic(reqwest::Method::DELETE, &format!("/api/companies/{old}/delete"), None).await;
    shop.rows(json!([person("u1", "o1")])).await;
    shop.settle().await;
    assert_eq!(shop.belongs_to("u1@example.com").await, ["Globex"]);
}

#[tokio::test]
async fn a_value_that_mautic_refuses_is_left_out_and_the_rest_is_taken() {
    let shop = Shop::open().await;
    let mut globex = organisation("o1", "Globex");
    (globex["city"], globex["website"]) = (json!("Perth"), json!("https://globex.example"));
    let details = json!({"companywebsite": ["This value is not valid."]});
    let body = json!({"errors": [{"message": "companywebsite: no", "code": 400, "details": details}]});
    let mut refused = FaultRule::new(FaultKind::Status).status(400).path("/api/companies/new").times(1);
    refused.body = Some(body.to_string());
    shop.system.mautic.inject_faults(vec![refused]);
    shop.rows(json!([globex])).await;
    let log = shop.settle().await;
    let company = shop.company("Globex").await;
    assert_eq!((&company["companycity"], &company["companywebsite"]), (&json!("Perth"), &Value::Null));
    assert_eq!(log.problems.len(), 0, "it was told by the run that met it");
}

#[tokio::test]
async fn an_organisation_without_a_name_is_told_and_holds_up_nobody() {
    let shop = Shop::open().await;
    shop.rows(json!([{"kind": "organisation", "id": "o1", "city": "Perth"}, organisation("o2", "Globex"), person("u1", "o2")]))
        .await;
    let log = shop.run().await;
    assert_eq!((log.created, log.failed, log.problems[0].id.as_str()), (2, 1, "organisation o1"), "{log:?}");
    assert_eq!(shop.belongs_to("u1@example.com").await, ["Globex"]);
}

#[tokio::test]
async fn a_mautic_that_is_away_loses_no_organisation() {
    let shop = Shop::open().await;
    shop.system.mautic_answers(503);
    shop.rows((0..25).map(|n| organisation(&format!("o{n}"), &format!("Firm {n}"))).collect()).await;
    shop.run().await;
    shop.system.mautic.clear_faults();
    shop.settle().await;
    assert_eq!(shop.companies().await.len(), 25);
}
