//! Records that are called alike: Mautic merges companies by their names, and takes names for the same whatever their letter case
//! and accents.

use serde_json::{Value, json};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::link::LinkState;
use tandem_simulators::mautic::{FaultKind, FaultRule};

use super::{Shop, organisation};

fn located(id: &str, name: &str, city: &str) -> Value {
    let mut organisation = organisation(id, name);
    organisation["city"] = json!(city);
    organisation
}

/// The next look-up shows nothing: the other company came between it and the create, or the two names differ for Tandem alone.
fn blind_once(shop: &Shop) {
    let mut blind = FaultRule::new(FaultKind::Status).status(200).method("GET").path("/api/companies").times(1);
    blind.body = Some(json!({"total": "0", "companies": {}}).to_string());
    shop.system.mautic.inject_faults(vec![blind]);
}

#[tokio::test]
async fn a_name_that_differs_by_case_and_accents_is_told_and_never_sent() {
    let shop = Shop::open().await;
    shop.rows(json!([located("o1", "Café Müller", "Perth")])).await;
    shop.settle().await;
    shop.rows(json!([located("o2", "CAFE MULLER", "Sydney")])).await;
    let log = shop.run().await;
    assert_eq!((log.created, log.failed, shop.companies().await.len()), (0, 1, 1), "{log:?}");
    assert_eq!(shop.company("Café Müller").await["companycity"], "Perth");
    assert_eq!(shop.system.calls_of("POST /api/companies/new"), 1);
}

#[tokio::test]
async fn a_create_that_hits_another_records_company_gives_it_its_values_back_and_both_are_named() {
    let shop = Shop::open().await;
    let mut first = located("o1", "Globex", "Perth");
    first["website"] = json!("https://globex.example");
    shop.rows(json!([first])).await;
    shop.settle().await;
    shop.rows(json!([located("o2", "GLOBEX", "Sydney")])).await;
    blind_once(&shop);
    let log = shop.run().await;
    assert_eq!(shop.system.calls_of("POST /api/companies/new"), 2, "it was sent");
    assert_eq!((log.created, log.failed), (0, 1), "{log:?}");
    let problem = &log.problems[0];
    assert_eq!((problem.id.as_str(), problem.issue.field.as_str()), ("organisation o2", "name"));
    for named in ["organisation o1", "organisation o2", "company/1"] {
        assert!(problem.issue.message.contains(named), "{problem:?}");
    }
    shop.hands.move_on(jiff::SignedDuration::from_mins(1));
    shop.run().await;
    let company = shop.company("Globex").await;
    assert_eq!(
        (&company["companycity"], &company["companywebsite"]),
        (&json!("Perth"), &json!("https://globex.example"))
    );
    let link = shop.stored(Kind::Organisation, "o2").await.link.unwrap();
    assert_eq!((link.state, link.remote_id, link.tried), (LinkState::Error, None, None));
    shop.rows(json!([located("o2", "Initech", "Sydney")])).await;
    shop.settle().await;
    assert_eq!(shop.company("Initech").await["companycity"], "Sydney");
    assert_eq!(shop.company("Globex").await["companycity"], "Perth");
}

#[tokio::test]
async fn whenever_the_process_dies_after_such_a_create_the_other_record_gets_its_values_back() {
    for writes in 1.. {
        let shop = Shop::open().await;
        shop.rows(json!([located("o1", "Globex", "Perth")])).await;
        shop.settle().await;
        shop.rows(json!([located("o2", "GLOBEX", "Sydney")])).await;
        blind_once(&shop);
        let ended = shop.dies_after(writes).await;
        shop.system.mautic.clear_faults();
        for _ in 0..3 {
            shop.run().await;
            shop.hands.move_on(jiff::SignedDuration::from_hours(3));
        }
        let company = shop.company("Globex").await;
        assert_eq!(
            (shop.companies().await.len(), &company["companycity"]),
            (1, &json!("Perth")),
            "after {writes} writes"
        );
        assert_eq!(shop.stored(Kind::Organisation, "o2").await.link.unwrap().remote_id, None, "after {writes} writes");
        if ended {
            assert!(writes > 12, "a run of {writes} writes is none");
            return;
        }
    }
}

#[tokio::test]
async fn of_two_new_records_that_one_company_is_answered_for_the_first_has_it_and_is_sent_once_more() {
    let shop = Shop::open().await;
    shop.rows(json!([located("o1", "Globex", "Perth"), located("o2", "Gløbex", "Sydney")])).await;
    // For Tandem the two names differ; the second create is answered as if they did not for Mautic.
    let mut fine = FaultRule::new(FaultKind::Delay).path("/api/companies/new").times(1);
    fine.delay_ms = Some(0);
    let mut merged = FaultRule::new(FaultKind::Status).status(200).path("/api/companies/new").times(1);
    let all = json!({"id": 1, "companyname": "Gløbex", "companycity": "Sydney"});
    merged.body = Some(json!({"company": {"id": 1, "score": 0, "fields": {"all": all}}}).to_string());
    shop.system.mautic.inject_faults(vec![fine, merged]);
    let log = shop.run().await;
    assert_eq!((log.created, log.failed, shop.companies().await.len()), (1, 1, 1), "{log:?}");
    let links = [shop.stored(Kind::Organisation, "o1").await.link, shop.stored(Kind::Organisation, "o2").await.link];
    let linked = links.into_iter().flatten().filter_map(|link| Some((link.state, link.remote_id?))).collect::<Vec<_>>();
    let company = tandem_core::domain::link::RemoteId::of_object("company", "1");
    assert_eq!(linked, [(LinkState::Pending, company)], "one of them has it, and what stands there is not relied on");
    shop.hands.move_on(jiff::SignedDuration::from_mins(1));
    shop.run().await;
    assert_eq!(shop.system.calls_of("PATCH /api/companies/{id}/edit"), 1, "it was sent once more");
}
