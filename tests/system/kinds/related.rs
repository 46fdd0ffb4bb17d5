//! What is kept of who names whom, and what of it outlives the records.

use serde_json::json;
use tandem_core::domain::identity::{ExternalId, RecordKey};
use tandem_core::domain::kind::Kind;

use super::{Shop, deal, organisation, person};

fn id(text: &str) -> ExternalId {
    ExternalId::try_from(text.to_owned()).unwrap()
}

/// Who is noted to name a record, whether or not it does.
async fn noted(shop: &Shop, kind: Kind, of: &str) -> Vec<RecordKey> {
    let desk = shop.system.desk();
    let tenant = &desk.integration.scope.tenant;
    desk.services.relations.relatives(tenant, &id(of).identity_as(kind), None, 10).await.unwrap()
}

/// A person who worked for three organisations, one of which never came.
async fn moved() -> Shop {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("o1", "Globex"), organisation("o2", "Initech"), person("u1", "o1")])).await;
    shop.settle().await;
    for next in ["o3", "o2"] {
        shop.rows(json!([person("u1", next), deal("d1", "o2", "u1")])).await;
        shop.settle().await;
    }
    shop
}

#[tokio::test]
async fn whoever_named_a_record_and_does_not_any_more_is_not_shown() {
    let shop = moved().await;
    assert_eq!(noted(&shop, Kind::Organisation, "o1").await.len(), 1, "the entry is there still");
    let desk = shop.system.desk();
    let named_by = async |of: &str| desk.look_at(Kind::Organisation, &id(of)).await.unwrap().unwrap().named_by;
    assert!(named_by("o1").await.is_empty());
    let keys = [id("d1").identity_as(Kind::Deal), id("u1").identity_as(Kind::Person)];
    assert_eq!(named_by("o2").await, keys.map(|identity| RecordKey::first_known_by(&identity)));
}

#[tokio::test]
async fn nothing_of_what_a_person_ever_named_and_of_who_named_the_person_outlives_an_erasure() {
    let shop = moved().await;
    assert_eq!(noted(&shop, Kind::Person, "u1").await.len(), 1);
    let body = json!({"action": "delete_contact", "email": "u1@example.com"});
    assert_eq!(shop.system.caller.call(&body).await.unwrap().status, 200);
    for organisation in ["o1", "o3"] {
        assert!(noted(&shop, Kind::Organisation, organisation).await.is_empty(), "{organisation}");
    }
    assert_eq!(noted(&shop, Kind::Organisation, "o2").await.len(), 1, "the deal goes on naming it");
    assert!(noted(&shop, Kind::Person, "u1").await.is_empty());
}
