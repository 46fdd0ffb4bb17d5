//! API keys: made, used, revoked, and good for their own tenant only.

use serde_json::json;
use tandem_app::system::new_key;
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_tests::system::{Options, System};

#[tokio::test]
async fn a_key_that_was_made_works_and_one_that_was_revoked_does_not() {
    let mut system = System::with(Options::default().without_worker()).await;
    let ping = json!({"action": "ping"});
    let guessed = system.caller.with_key(new_key().reveal());
    assert_eq!(guessed.call(&ping).await.unwrap().status, 401, "nobody made it");
    let (key, secret) = system.make_key(&TenantId::default(), "shop", Role::Operator, None).await;
    assert_eq!(system.caller.with_key(secret.reveal()).call(&ping).await.unwrap().status, 200);
    assert_eq!(system.caller.with_key(&key.hash).call(&ping).await.unwrap().status, 401, "its hash is no key");
    system.admin().revoke_key(&TenantId::default(), &key.hash, &system.actor()).await.unwrap();
    // An instance may remember a key for half a minute; one that has not seen it asks the table.
    let fresh = system.another_instance().await.with_key(secret.reveal());
    assert_eq!(fresh.call(&ping).await.unwrap().status, 401);
    assert_eq!(system.caller.call(&ping).await.unwrap().status, 200, "other keys are not touched");
}

#[tokio::test]
async fn the_key_of_another_tenant_does_not_reach_the_default_tenants_data() {
    let system = System::with(Options::default().without_worker()).await;
    let id = system
        .caller
        .upsert(json!({"contact": {"email": "mine@example.com"}}))
        .await
        .unwrap()
        .contact_id()
        .unwrap()
        .to_owned();
    let stranger = system.caller_of(&system.tenant("another").await, Role::Operator).await;
    let calls = system.calls();
    for body in [
        json!({"action": "ping"}),
        json!({"action": "export_contact", "email": "mine@example.com"}),
        json!({"action": "export_contact", "mauticContactId": id}),
        json!({"action": "delete_contact", "email": "mine@example.com"}),
        json!({"action": "add_to_campaign", "mauticContactId": id, "campaignId": 1}),
        json!({"action": "upsert_contact", "payload": {"contact": {"email": "mine@example.com", "first_name": "Eve"}}}),
        json!({"action": "identify", "payload": {"email": "mine@example.com"}}),
    ] {
        let answer = stranger.call(&body).await.unwrap();
        assert_eq!((answer.status, answer.error_code()), (403, "no_integration"), "{body}");
        assert!(!answer.body.to_string().contains("mine@example.com"));
    }
    assert_eq!(system.calls(), calls);
    assert_eq!(system.contact("mine@example.com").fields.get("firstname"), None);
}

#[tokio::test]
async fn idempotency_keys_of_two_api_keys_of_one_tenant_are_the_same_keys() {
    let system = System::with(Options::default().without_worker()).await;
    let second = system.caller_of(&TenantId::default(), Role::Operator).await;
    let body = json!({"action": "upsert_contact", "payload": {"contact": {"email": "a@example.com"}}});
    for caller in [system.caller.clone(), second] {
        let answer = caller.send(caller.request().header("idempotency-key", "k").json(&body)).await.unwrap();
        assert_eq!(answer.data()["action"], "created");
    }
}
