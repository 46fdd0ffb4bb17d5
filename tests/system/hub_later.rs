//! Integrations that come to a tenant later, and such as go.

use serde_json::json;
use tandem_core::sync::run::SyncOptions;

use super::hub::{Hub, address, addresses, edit, people, person, writes};

#[tokio::test]
async fn an_integration_that_comes_later_gets_everybody() {
    let hub = Hub::with_one().await;
    let before = writes(&hub.other);
    hub.rows(people(0..5)).await;
    let upsert = json!({"id": "u40", "contact": {"email": address(40), "first_name": "Up"}});
    assert_eq!(hub.one.caller.upsert(upsert).await.unwrap().status, 200);
    let nameless = json!({"contact": {"email": address(42), "first_name": "Nameless"}});
    assert_eq!(hub.one.caller.upsert(nameless).await.unwrap().status, 200);
    let event = json!({"id": "e1", "name": "user_signed_up", "user": {"id": "u41", "email": address(41)}});
    hub.one.send_events("", &event).await.unwrap();
    hub.one.finish().await;
    hub.one.desk().sync(SyncOptions::default()).await.unwrap();
    assert_eq!((addresses(&hub.one).len(), writes(&hub.other) - before), (8, 0));
    hub.integrations.add("second");
    hub.settle().await;
    assert_eq!(addresses(&hub.one), addresses(&hub.other));
    assert_eq!(hub.both(&address(42), "firstname"), [json!("Nameless"), json!("Nameless")]);
    hub.is_quiet().await;
}

#[tokio::test]
async fn an_integration_that_goes_is_forgotten_and_the_other_one_works_on() {
    let hub = Hub::open().await;
    hub.rows(people(0..4)).await;
    hub.settle().await;
    let (scope, key) = (hub.other.foundation.scope.clone(), hub.one.record_of(&address(1)).await);
    hub.integrations.remove("second");
    for _ in 0..2 {
        hub.one.foundation.forget_integration(&scope).await.unwrap();
    }
    let links = hub.one.desk().services.contacts.links(&scope.tenant, &key).await.unwrap();
    assert_eq!(links.iter().map(|one| one.integration.to_string()).collect::<Vec<_>>(), ["mautic"]);
    let before = writes(&hub.other);
    hub.rows(json!([person(4)])).await;
    edit(&hub.one, &address(1), json!({"city": "Sydney"})).await;
    hub.one.desk().sync(SyncOptions { pull: true, ..SyncOptions::default() }).await.unwrap();
    hub.one.finish().await;
    assert_eq!((addresses(&hub.one).len(), writes(&hub.other) - before), (5, 0));
    // It comes back: whom it has is found, and nobody is made twice.
    hub.integrations.add("second");
    hub.settle().await;
    assert_eq!(addresses(&hub.other), addresses(&hub.one));
    assert_eq!(hub.both(&address(1), "city"), [json!("Sydney"), json!("Sydney")]);
    hub.is_quiet().await;
}
