//! API keys.

use tandem_app::store::{ApiKeySecret, ApiKeys};

use crate::fixture::{START, at, scope, world};

#[tokio::test]
async fn a_key_is_found_by_its_hash_until_the_end_of_time_and_says_when_it_was_revoked() {
    let world = world().await;
    let keys = ApiKeys::new(world.local.table().clone());
    let tenant = scope("a").tenant;
    let secret = ApiKeySecret::from_random([7; 32]);
    let made = keys.create(&tenant, "shop", &secret, at(START)).await.unwrap();
    assert!(secret.reveal().starts_with("tdm_"));
    assert_eq!(keys.find(&ApiKeys::hash_of(secret.reveal())).await.unwrap(), Some(made.clone()));
    assert_eq!(keys.find(&ApiKeys::hash_of("tdm_guess")).await.unwrap(), None);

    assert!(keys.revoke(&tenant, &made.hash, at(START + 5)).await.unwrap());
    assert!(keys.revoke(&tenant, &made.hash, at(START + 9)).await.unwrap());
    let revoked = keys.find(&made.hash).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(START + 5)));
    assert_eq!(keys.list(&tenant).await.unwrap(), [revoked]);
}

#[tokio::test]
async fn a_tenant_can_neither_list_nor_revoke_anothers_key() {
    let world = world().await;
    let keys = ApiKeys::new(world.local.table().clone());
    let made = keys.create(&scope("a").tenant, "shop", &ApiKeySecret::from_random([7; 32]), at(START)).await.unwrap();
    assert!(!keys.revoke(&scope("b").tenant, &made.hash, at(START)).await.unwrap());
    assert_eq!(keys.list(&scope("b").tenant).await.unwrap(), []);
    assert_eq!(keys.find(&made.hash).await.unwrap().unwrap().revoked_at, None);
}
