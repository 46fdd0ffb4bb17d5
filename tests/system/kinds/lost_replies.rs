//! Creates of companies of which it is not known how they ended.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use tandem_core::domain::kind::Kind;
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};

use super::{Shop, organisation};

/// A desk whose rules leave companies that are found to a person.
fn asking(shop: &Shop) -> Desk {
    let mut desk = shop.system.desk();
    let rules = (*desk.integration.rules).clone();
    let mut organisations = rules.object_of(Kind::Organisation).unwrap().clone();
    let chosen = serde_json::from_value(json!({"found": "issue"})).unwrap();
    organisations.rules = organisations.rules.in_situations(chosen);
    desk.integration.rules = Arc::new(rules.with_objects([(Kind::Organisation, organisations)].into()));
    desk
}

fn lose_the_answer(shop: &Shop) {
    let lost = FaultRule::new(FaultKind::LostReply).how(LostReply::Close).path("/api/companies/new").times(1);
    shop.system.mautic.inject_faults(vec![lost]);
}

async fn run(shop: &Shop, desk: &Desk) -> u64 {
    let log = desk.sync(SyncOptions::default()).await.unwrap().log;
    shop.hands.move_on(SignedDuration::from_hours(3));
    log.failed
}

#[tokio::test]
async fn where_people_decide_what_is_found_the_own_create_whose_answer_was_lost_is_no_question() {
    let shop = Shop::open().await;
    let desk = asking(&shop);
    shop.system.mautic.plant_companies(&["Initech"]);
    shop.rows(json!([organisation("o1", "Globex"), organisation("o2", "Initech")])).await;
    lose_the_answer(&shop);
    run(&shop, &desk).await;
    assert_eq!(shop.stored(Kind::Organisation, "o1").await.link.unwrap().tried.as_deref(), Some("Globex"));
    assert_eq!(run(&shop, &desk).await, 1, "Initech is a question, Globex is none");
    let link = shop.stored(Kind::Organisation, "o1").await.link.unwrap();
    assert_eq!((link.remote_id.is_some(), link.tried), (true, None));
    let link = shop.stored(Kind::Organisation, "o2").await.link.unwrap();
    assert_eq!((link.remote_id, link.tried), (None, None), "nothing was sent for it");
}

#[tokio::test]
async fn a_record_that_is_renamed_after_its_create_was_lost_has_one_company() {
    for desk_of in [asking as fn(&Shop) -> Desk, |shop| shop.system.desk()] {
        let shop = Shop::open().await;
        let desk = desk_of(&shop);
        shop.rows(json!([organisation("o1", "Globex")])).await;
        lose_the_answer(&shop);
        run(&shop, &desk).await;
        shop.rows(json!([organisation("o1", "Hooli")])).await;
        run(&shop, &desk).await;
        assert_eq!(shop.companies().await.into_values().collect::<Vec<_>>(), ["Hooli"]);
    }
}

#[tokio::test]
async fn whenever_the_process_dies_a_record_that_is_renamed_then_has_one_company() {
    for writes in 1.. {
        let shop = Shop::open().await;
        shop.rows(json!([organisation("o1", "Globex")])).await;
        let ended = shop.dies_after(writes).await;
        shop.rows(json!([organisation("o1", "Hooli")])).await;
        shop.settle().await;
        assert_eq!(shop.companies().await.into_values().collect::<Vec<_>>(), ["Hooli"], "after {writes} writes");
        if ended {
            assert!(writes > 12, "a run of {writes} writes is none");
            return;
        }
    }
}

#[tokio::test]
async fn a_create_that_was_refused_is_not_looked_for() {
    let shop = Shop::open().await;
    let desk = asking(&shop);
    shop.rows(json!([organisation("o1", "Globex")])).await;
    let mut refused = FaultRule::new(FaultKind::Status).status(400).path("/api/companies/new").times(1);
    let details = json!({"companyname": ["This value is not valid."]});
    refused.body = Some(json!({"errors": [{"message": "no", "code": 400, "details": details}]}).to_string());
    shop.system.mautic.inject_faults(vec![refused]);
    run(&shop, &desk).await;
    assert_eq!(shop.stored(Kind::Organisation, "o1").await.link.unwrap().tried, None);
    shop.system.mautic.plant_companies(&["Globex"]);
    shop.hands.move_on(SignedDuration::from_hours(30));
    assert_eq!(run(&shop, &desk).await, 1, "somebody else made it");
    assert_eq!(shop.stored(Kind::Organisation, "o1").await.link.unwrap().remote_id, None);
}
