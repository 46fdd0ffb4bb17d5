//! Relationships in any order of arrival, twice, interrupted; people who move.

use serde_json::{Value, json};
use tandem_core::domain::kind::Kind;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};

use super::{Shop, deal, organisation, person};

/// All orders of three things.
fn orders(of: [Value; 3]) -> Vec<Vec<Value>> {
    let places = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    places.into_iter().map(|order| order.map(|place| of[place].clone()).to_vec()).collect()
}

#[tokio::test]
async fn three_records_end_related_in_whatever_order_they_come_and_however_often() {
    let all = [organisation("o1", "Globex"), person("u1", "o1"), deal("d1", "o1", "u1")];
    for order in orders(all) {
        let shop = Shop::open().await;
        for record in &order {
            for _ in 0..2 {
                shop.rows(json!([record])).await;
                shop.run().await;
            }
        }
        shop.settle().await;
        assert_eq!(shop.belongs_to("u1@example.com").await, ["Globex"], "{order:?}");
        assert_eq!(shop.system.contact("u1@example.com").fields["company"], "Globex");
        let (adds, deal) = (adds(&shop), shop.stored(Kind::Deal, "d1").await.record.unwrap());
        assert_eq!((adds, &deal.fields["person_id"]), (1, &json!("u1")), "{order:?}");
        let before = shop.system.calls();
        shop.run().await;
        assert_eq!(shop.system.calls(), before, "nothing is left to be said");
    }
}

fn adds(shop: &Shop) -> u64 {
    shop.system.calls_of("POST /api/companies/{id}/contact/{contact}/{action}")
}

#[tokio::test]
async fn a_person_who_moves_leaves_the_old_company_and_joins_the_new_one() {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("o1", "Globex"), organisation("o2", "Initech"), person("u1", "o1")])).await;
    shop.settle().await;
    shop.rows(json!([person("u1", "o2")])).await;
    shop.settle().await;
    assert_eq!(shop.belongs_to("u1@example.com").await, ["Initech"]);
    assert_eq!(shop.system.contact("u1@example.com").fields["company"], "Initech");
    shop.rows(json!([{"id": "u1", "email": "u1@example.com", "first_name": "Ada", "organisation_id": null}])).await;
    shop.settle().await;
    assert!(shop.belongs_to("u1@example.com").await.is_empty());
}

/// Whoever is written is looked at before: the company's name still stands in the contact then.
#[tokio::test]
async fn whoever_leaves_an_organisation_does_not_take_its_name_along() {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("o1", "Globex"), person("u1", "o1")])).await;
    shop.settle().await;
    let left = json!({"id": "u1", "email": "u1@example.com", "first_name": "Adah", "organisation_id": null});
    shop.rows(json!([left, organisation("o1", "Globex International")])).await;
    shop.settle().await;
    assert!(shop.belongs_to("u1@example.com").await.is_empty());
    let contact = shop.system.contact("u1@example.com");
    assert_eq!((contact.fields.get("company"), &contact.fields["firstname"]), (None, &json!("Adah")));
    assert_eq!(shop.stored(Kind::Person, "u1").await.record.unwrap().fields.get("company"), None);
    assert_eq!(shop.companies().await.into_values().collect::<Vec<_>>(), ["Globex International"]);
}

#[tokio::test]
async fn of_several_organisations_the_primary_one_is_joined_last() {
    let shop = Shop::open().await;
    let of = |primary: &str, others: Value| {
        let mut person = person("u1", primary);
        person["organisation_ids"] = others;
        person
    };
    shop.rows(json!([
        organisation("a", "Aa"),
        organisation("b", "Bb"),
        organisation("c", "Cc"),
        of("b", json!("c, a"))
    ]))
    .await;
    shop.settle().await;
    assert_eq!(shop.belongs_to("u1@example.com").await.last().unwrap(), "Bb");
    let before = adds(&shop);
    shop.rows(json!([of("c", json!(["a", "b"]))])).await;
    shop.settle().await;
    let mut held = shop.belongs_to("u1@example.com").await;
    assert_eq!((held.pop().unwrap().as_str(), adds(&shop) - before), ("Cc", 2), "it leaves and joins anew");
    held.sort();
    assert_eq!(held, ["Aa", "Bb"]);
}

#[tokio::test]
async fn the_text_field_of_the_company_gives_way_to_the_relationship_and_nothing_echoes() {
    let shop = Shop::open().await;
    let mut ada = person("u1", "o1");
    ada["company"] = json!("Globex Holding");
    shop.rows(json!([ada, organisation("o1", "Globex")])).await;
    shop.settle().await;
    assert_eq!(shop.companies().await.into_values().collect::<Vec<_>>(), ["Globex"], "no other company was made");
    let before = shop.system.calls();
    let pulled = tandem_core::sync::run::SyncOptions { pull: true, ..Default::default() };
    let log = shop.system.desk().sync(pulled).await.unwrap().log;
    assert_eq!((log.pulled, log.conflicts), (0, 0), "the name that Mautic writes is no edit of people");
    assert!(shop.system.calls() - before <= 2, "the log is read, and no contact");
    assert_eq!(shop.system.contact("u1@example.com").fields["company"], "Globex");
}

#[tokio::test]
async fn an_upsert_names_an_organisation_too() {
    let shop = Shop::open().await;
    let upsert = json!({"contact": {"email": "u1@example.com", "organisation_id": "o1"}});
    let answer = shop.system.caller.upsert(upsert).await.unwrap();
    assert_eq!((answer.status, &answer.data()["fieldIssues"]), (200, &json!([])), "{}", answer.body);
    shop.rows(json!([organisation("o1", "Globex")])).await;
    shop.settle().await;
    assert_eq!(shop.belongs_to("u1@example.com").await, ["Globex"]);
    let wrong = json!({"contact": {"email": "u1@example.com", "organisation_id": [1]}});
    let answer = shop.system.caller.upsert(wrong).await.unwrap();
    assert_eq!(answer.data()["fieldIssues"][0]["field"], "contact.organisation_id", "{}", answer.body);
}

#[tokio::test]
async fn a_relationship_that_mautic_does_not_take_just_now_is_set_later() {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("o1", "Globex"), person("u1", "o1")])).await;
    let away = FaultRule::new(FaultKind::Status).status(503).path("/api/companies/1/contact/").times(2);
    shop.system.mautic.inject_faults(vec![away]);
    shop.run().await;
    assert_eq!((shop.belongs_to("u1@example.com").await.len(), shop.marks().await), (0, 1));
    shop.settle().await;
    assert_eq!(shop.belongs_to("u1@example.com").await, ["Globex"]);
}

/// An organisation and its people, all of them new.
async fn globex() -> Shop {
    let shop = Shop::open().await;
    let all = json!([person("u1", "o1"), organisation("o1", "Globex"), deal("d1", "o1", "u1"), person("u2", "o1")]);
    shop.rows(all).await;
    shop
}

async fn assert_related(shop: &Shop, after: &str) {
    assert_eq!(shop.companies().await.into_values().collect::<Vec<_>>(), ["Globex"], "{after}");
    assert_eq!(shop.system.mautic.contacts().len(), 2, "{after}");
    for email in ["u1@example.com", "u2@example.com"] {
        assert_eq!(shop.belongs_to(email).await, ["Globex"], "{after}");
    }
}

#[tokio::test]
async fn whichever_call_is_cut_off_nobody_is_left_unrelated() {
    for calls in 0.. {
        let shop = globex().await;
        // Mautic does what is asked, and the answer never comes.
        let mut fine = FaultRule::new(FaultKind::Delay).times(calls);
        fine.delay_ms = Some(0);
        let lost = FaultRule::new(FaultKind::LostReply).how(LostReply::Close).times(1);
        let rules = if calls == 0 { vec![lost] } else { vec![fine, lost] };
        shop.system.mautic.inject_faults(rules);
        let before = shop.system.calls();
        shop.run().await;
        // The one that is cut off is the last of so many, or there are not so many.
        let was_cut_off = shop.system.calls() - before > calls;
        shop.system.mautic.clear_faults();
        shop.settle().await;
        assert_related(&shop, &format!("call {calls}")).await;
        if !was_cut_off {
            assert!(calls > 4, "a run of {calls} calls is none");
            return;
        }
    }
}

#[tokio::test]
async fn a_run_that_dies_after_any_of_its_writes_is_followed_by_one_that_ends_it() {
    for writes in 1.. {
        let shop = globex().await;
        let ended = shop.dies_after(writes).await;
        shop.settle().await;
        assert_related(&shop, &format!("after {writes} writes")).await;
        if ended {
            assert!(writes > 20, "a run of {writes} writes is none");
            return;
        }
    }
}

#[tokio::test]
async fn a_record_is_shown_with_whom_it_names_and_what_is_open() {
    let shop = Shop::open().await;
    shop.rows(json!([person("u1", "o1"), deal("d1", "o1", "u1")])).await;
    shop.settle().await;
    let desk = shop.system.desk();
    let id = |text: &str| tandem_core::domain::identity::ExternalId::try_from(text.to_owned()).unwrap();
    let deal = desk.look_at(Kind::Deal, &id("d1")).await.unwrap().unwrap();
    let named: Vec<_> = deal.relationships.iter().map(|one| (one.kind, one.id.as_str(), one.open)).collect();
    assert_eq!(named, [(Kind::Organisation, "o1", true), (Kind::Person, "u1", false)]);
    assert!(!deal.mapped && deal.link.is_none());
    shop.rows(json!([organisation("o1", "Globex")])).await;
    shop.settle().await;
    let globex = desk.look_at(Kind::Organisation, &id("o1")).await.unwrap().unwrap();
    assert_eq!((globex.mapped, globex.named_by.len()), (true, 2));
    let ada = desk.look_at(Kind::Person, &id("u1")).await.unwrap().unwrap();
    assert!(!ada.relationships[0].open && ada.relationships[0].remote.as_deref().unwrap().starts_with("company/"));
    assert!(desk.look_at(Kind::Deal, &id("o1")).await.unwrap().is_none(), "another kind, another record");
}

#[tokio::test]
async fn whoever_is_erased_is_named_by_nobody_and_names_nobody() {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("o1", "Globex"), person("u1", "o1")])).await;
    shop.settle().await;
    let body = json!({"action": "delete_contact", "email": "u1@example.com"});
    assert_eq!(shop.system.caller.call(&body).await.unwrap().status, 200);
    let desk = shop.system.desk();
    let identity =
        tandem_core::domain::identity::ExternalId::try_from("o1".to_owned()).unwrap().identity_as(Kind::Organisation);
    let tenant = &desk.integration.scope.tenant;
    let relatives = desk.services.relations.relatives(tenant, &identity, None, 10).await.unwrap();
    assert!(relatives.is_empty(), "{relatives:?}");
}
