//! API keys, with the audit entries that they leave.

use tandem_app::store::{Act, ApiKey, ApiKeySecret, ApiKeys, AuditEntry, AuditTable, Created, NewKey};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::Attempt;

use crate::fixture::{START, World, at, scope, world};

fn entry(action: &str, second: i64) -> AuditEntry {
    let act =
        Act { by: "test".to_owned(), at: at(second), id: format!("{second}-{action}"), correlation_id: "c".to_owned() };
    act.entry(action, "k", &["name"])
}

fn new(tenant: &TenantId, name: &str) -> NewKey {
    let name = name.to_owned().try_into().unwrap();
    NewKey { tenant: tenant.clone(), name, role: Role::Operator, expires_at: Some(at(START + 100)) }
}

async fn made(keys: &ApiKeys, tenant: &TenantId, name: &str, secret: &ApiKeySecret) -> ApiKey {
    match keys.create(new(tenant, name), secret, &entry("key.create", START)).await.unwrap() {
        Created::Done(key) => key,
        Created::NameTaken => panic!("{name} is taken"),
    }
}

fn keys(world: &World) -> ApiKeys {
    ApiKeys::new(world.local.table().clone())
}

#[tokio::test]
async fn a_key_is_found_by_its_hash_until_the_end_of_time_and_says_when_it_was_revoked() {
    let world = world().await;
    let (keys, tenant) = (keys(&world), scope("a").tenant);
    let secret = ApiKeySecret::from_random([7; 32]);
    let made = made(&keys, &tenant, "shop", &secret).await;
    assert!(secret.reveal().starts_with("tdm_"));
    assert_eq!(keys.find(&ApiKeys::hash_of(secret.reveal())).await.unwrap(), Some(made.clone()));
    assert_eq!(keys.find(&ApiKeys::hash_of("tdm_guess")).await.unwrap(), None);
    assert!(made.is_valid(at(START + 99)) && !made.is_valid(at(START + 100)));

    for second in [START + 5, START + 9] {
        assert!(keys.revoke(&tenant, &made.hash, &entry("key.revoke", second)).await.unwrap().is_some());
    }
    let revoked = keys.find(&made.hash).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(START + 5)));
    assert!(!revoked.is_valid(at(START + 6)));
    assert_eq!(keys.list(&tenant, None, 10).await.unwrap(), [revoked]);
    let actions: Vec<String> = AuditTable::new(world.local.table().clone())
        .list(&tenant, None, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    assert_eq!(actions, ["key.revoke", "key.create"], "the second revocation changed nothing");
}

#[tokio::test]
async fn two_valid_keys_of_a_tenant_never_have_one_name_and_a_revoked_one_gives_it_back() {
    let world = world().await;
    let (keys, tenant) = (keys(&world), scope("a").tenant);
    let secret = |byte| ApiKeySecret::from_random([byte; 32]);
    let first = made(&keys, &tenant, "Shop", &secret(1)).await;
    let again = keys.create(new(&tenant, "shop"), &secret(2), &entry("key.create", START)).await.unwrap();
    assert_eq!(again, Created::NameTaken);
    assert_eq!(keys.find(&secret(2).hash()).await.unwrap(), None, "nothing of it is stored");
    made(&keys, &scope("b").tenant, "shop", &secret(3)).await;
    keys.revoke(&tenant, &first.hash, &entry("key.revoke", START)).await.unwrap();
    made(&keys, &tenant, "shop", &secret(4)).await;
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_an_hour() {
    let world = world().await;
    let (keys, tenant) = (keys(&world), scope("a").tenant);
    let key = made(&keys, &tenant, "shop", &ApiKeySecret::from_random([7; 32])).await;
    let times = [(START, Attempt::Done), (START + 3_600, Attempt::Contended), (START + 3_601, Attempt::Done)];
    for (second, noted) in times {
        assert_eq!(keys.note_use(&key, at(second)).await.unwrap(), noted);
    }
    let listed = keys.of_tenant(&tenant, &key.hash).await.unwrap().unwrap();
    assert_eq!(listed.used_at, Some(at(START + 3_601)));
    let revoked = keys.revoke(&tenant, &key.hash, &entry("key.revoke", START)).await.unwrap().unwrap();
    assert_eq!(revoked.used_at, listed.used_at, "kept");
}

#[tokio::test]
async fn a_tenant_can_neither_list_nor_revoke_anothers_key() {
    let world = world().await;
    let keys = keys(&world);
    let made = made(&keys, &scope("a").tenant, "shop", &ApiKeySecret::from_random([7; 32])).await;
    let stranger = scope("b").tenant;
    assert_eq!(keys.revoke(&stranger, &made.hash, &entry("key.revoke", START)).await.unwrap(), None);
    assert_eq!(keys.list(&stranger, None, 10).await.unwrap(), []);
    assert_eq!(keys.find(&made.hash).await.unwrap().unwrap().revoked_at, None);
}
