use jiff::Timestamp;
use tandem_core::automation::event::Customer;
use tandem_core::domain::identity::{Email, ExternalId, Identity, RecordKey};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::Scope;
use tandem_core::jobs::message::MembershipList;
use tandem_core::ports::Feed;

use super::*;

fn scope(tenant: &str, integration: &str) -> Scope {
    Scope { tenant: tenant.to_owned().try_into().unwrap(), integration: integration.to_owned().try_into().unwrap() }
}

fn id_as(kind: Kind) -> Identity {
    ExternalId::try_from("7".to_owned()).unwrap().identity_as(kind)
}

fn address() -> Identity {
    "ada@example.com".parse::<Email>().unwrap().identity()
}

/// What is stored under a key of today is found under it by every later release.
#[test]
fn key_formats_are_what_they_were() {
    let scope = scope("acme", "mautic");
    let (tenant, record_key, contact) =
        (&scope.tenant, RecordKey::from_stored("x-1".to_owned()), RemoteId("7".to_owned()));
    let at: Timestamp = "2026-11-21T10:20:30.000001Z".parse().unwrap();
    let customer_of = Customer { provider: "stripe".to_owned(), id: "cus_1".to_owned() };
    let list = MembershipList::Segment("3".to_owned());
    let organisation = RecordKey::first_known_by(&id_as(Kind::Organisation));
    assert_eq!(organisation.as_str(), "oac0a722f7c6b47972069b941780dc32b");
    let golden: &[(Key, &str, &str)] = &[
        (record(tenant, &record_key), "T#acme#record#x-1", "record"),
        (link(&scope, &record_key), "T#acme#record#x-1", "link#mautic"),
        (listed_record(tenant, &record_key), "T#acme#records#6", "x-1"),
        (feedback(tenant, &record_key), "T#acme#record#x-1", "feedback"),
        (identity(tenant, &address()), "T#acme#identity#email#b5fc85e55755f9e0d030a10ab4429b6b", "pointer"),
        (tombstone(tenant, &address()), "T#acme#gone#email#b5fc85e55755f9e0d030a10ab4429b6b", "gone"),
        (consent(tenant, &address()), "T#acme#consent#b5fc85e55755f9e0d030a10ab4429b6b", "email"),
        (
            identity(tenant, &id_as(Kind::Person)),
            "T#acme#identity#external#7902699be42c8a8e46fbbb4501726517",
            "pointer",
        ),
        (
            identity(tenant, &id_as(Kind::Organisation)),
            "T#acme#identity#external#ac0a722f7c6b47972069b941780dc32b",
            "pointer",
        ),
        (identity(tenant, &id_as(Kind::Deal)), "T#acme#identity#external#662daed2af85c8e4c132fc1b2da4ac2a", "pointer"),
        (
            relative(tenant, &id_as(Kind::Organisation), &record_key),
            "T#acme#related#ac0a722f7c6b47972069b941780dc32b",
            "x-1",
        ),
        (
            relation(tenant, &record_key, &id_as(Kind::Organisation)),
            "T#acme#relations#x-1",
            "ac0a722f7c6b47972069b941780dc32b",
        ),
        (
            relative_of_digest(tenant, id_as(Kind::Organisation).digest(), &record_key),
            "T#acme#related#ac0a722f7c6b47972069b941780dc32b",
            "x-1",
        ),
        (pack(&scope, "p1"), "I#acme#mautic#outbox#others", "pack#p1"),
        (outbox(&scope, &organisation), "I#acme#mautic#outbox#others", organisation.as_str()),
        (remote(&scope, &RemoteId::of_object("company", "7")), "I#acme#mautic#remote#company/7", "pointer"),
        (remote(&scope, &contact), "I#acme#mautic#remote#7", "pointer"),
        (contact_tombstone(&scope, &contact), "I#acme#mautic#gone#contact#7902699be42c8a8e46fbbb4501726517", "gone"),
        (contested(&scope, &record_key), "I#acme#mautic#contested", "x-1"),
        (outbox(&scope, &record_key), "I#acme#mautic#outbox#2", "x-1"),
        (open_lists(&scope, at, &record_key, false), "I#acme#mautic#outbox#lists", "001795256430000001#x-1"),
        (open_lists(&scope, at, &record_key, true), "I#acme#mautic#outbox#lists", "001795256430000001#x-1#all"),
        (membership_wish(&scope, &contact, &list), "I#acme#mautic#wish#7", "segment#3"),
        (token(&scope), "I#acme#mautic#platform", "token"),
        (budget(&scope), "I#acme#mautic#platform", "budget"),
        (spellings(&scope), "I#acme#mautic#platform", "spellings"),
        (circuit(&scope), "I#acme#mautic#platform", "circuit"),
        (ring(&scope), "I#acme#mautic#platform", "ring"),
        (health(&scope), "I#acme#mautic#platform", "health"),
        (catalog(&scope), "I#acme#mautic#platform", "catalog"),
        (cursor(&scope, Feed::DoNotContact), "I#acme#mautic#platform", "cursor#do-not-contact"),
        (cursor(&scope, Feed::Audit), "I#acme#mautic#platform", "cursor#audit"),
        (list_lock(&scope, "Pro"), "I#acme#mautic#platform", "making#957b0b874524d09a5d035007f821a094"),
        (take_state(tenant), "T#acme#take", "state"),
        (run_state(&scope), "I#acme#mautic#runs", "state"),
        (run_stop(&scope), "I#acme#mautic#runs", "stop"),
        (run_log(&scope, "r1"), "I#acme#mautic#run-logs", "r1"),
        (run_issues(&scope, "r1", "p1"), "I#acme#mautic#run-issues#r1", "p1"),
        (run_plan(&scope, "r1", 3), "I#acme#mautic#run-plan#r1", "part#000003"),
        (roster(tenant, 4, "d1"), "T#acme#roster#4", "d1"),
        (row(tenant, &row_digest("7")), "T#acme#rows#7", "7902699be42c8a8e46fbbb4501726517"),
        (row(tenant, &row_digest(&Kind::Deal.qualified("7"))), "T#acme#rows#6", "662daed2af85c8e4c132fc1b2da4ac2a"),
        (arrival(tenant, at, "d1"), "T#acme#arrivals#2026-11", "001795256430000001#d1"),
        (arrival_months(tenant), "T#acme#arrivals", "months"),
        (delivery(&scope, "d1"), "I#acme#mautic#delivery#d1", "head"),
        (delivery_part(&scope, "d1", 2), "I#acme#mautic#delivery#d1", "part#00002"),
        (unfinished(&scope, "d1"), "I#acme#mautic#unfinished", "d1"),
        (event(&scope, &contact, "hit:4"), "I#acme#mautic#ledger#7", "event#n#hit:4"),
        (standing(&scope, &contact), "I#acme#mautic#ledger#7", "standing"),
        (observed(&scope, &contact), "I#acme#mautic#ledger#7", "observed"),
        (write_back_mark(&scope, &contact), "I#acme#mautic#ledger#7", "write-back"),
        (lifecycle_event(tenant, "d1"), "T#acme#event#d1", "event"),
        (unqueued(tenant, "d1"), "T#acme#unqueued", "d1"),
        (event_log(tenant, at, "d1"), "T#acme#event-log#2026-11-21", "001795256430000001#d1"),
        (subject(tenant, &record_key), "T#acme#lifecycle#x-1", "subject"),
        (subject_event(tenant, &record_key, at, "d1"), "T#acme#lifecycle#x-1", "event#001795256430000001#d1"),
        (customer(tenant, &customer_of), "T#acme#customer#e02dc8a2dcc07efe28971b088bfd1cbb", "pointer"),
        (version_head(mappings_partition(&scope)), "I#acme#mautic#mappings", "head"),
        (version(lifecycle_rules_partition(tenant), 12), "T#acme#rules", "version#000012"),
        (parked(tenant, "j1"), "T#acme#parked", "j1"),
        (answer(tenant, "d1"), "T#acme#idempotency#d1", "answer"),
        (api_key("h1"), "K#h1", "key"),
        (listed_api_key(tenant, "h1"), "T#acme#api-keys", "h1"),
        (api_key_name(tenant, "Shop"), "T#acme#api-key-names", "shop"),
        (super::tenant(tenant), "tenants", "acme"),
        (gone_tenant(tenant), "tenants-gone", "acme"),
        (audit(tenant, "a1"), "T#acme#audit", "a1"),
        (issue(tenant, "c1"), "T#acme#issues", "c1"),
        (inventoried(tenant, "T#acme#gone#email#d1"), "T#acme#inventory", "T#acme#gone#email#d1"),
        (integration(tenant, &scope.integration), "T#acme#integrations", "mautic"),
        (integration_name(tenant, "Main"), "T#acme#integration-names", "main"),
        (public_id("p1"), "W#p1", "integration"),
    ];
    for (key, pk, sk) in golden {
        assert_eq!((key.pk.as_str(), key.sk.as_str()), (*pk, *sk));
    }
}

#[test]
fn what_stands_under_an_identity_is_found_by_its_name() {
    let tenant = scope("acme", "mautic").tenant;
    let (address, id) = (address(), id_as(Kind::Person));
    assert_eq!(identity_name(&address), "email#b5fc85e55755f9e0d030a10ab4429b6b");
    assert_eq!(named_identity(&tenant, &identity_name(&id)), identity(&tenant, &id));
    assert_eq!(named_consent(&tenant, &identity_name(&address)), Some(consent(&tenant, &address)));
    assert_eq!(named_consent(&tenant, &identity_name(&id)), None);
}

#[test]
fn two_tenants_and_two_integrations_never_share_a_key() {
    let id = RemoteId("7".to_owned());
    let keys = [("a", "b"), ("b", "a"), ("a-b", "b"), ("a", "b-b")].map(|(t, i)| remote(&scope(t, i), &id));
    let distinct: std::collections::HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn two_integrations_of_a_tenant_share_its_record_and_no_link() {
    let (one, other) = (scope("a", "b"), scope("a", "c"));
    let key = RecordKey::from_stored("x-1".to_owned());
    assert_eq!(link(&one, &key).pk, record(&one.tenant, &key).pk);
    assert_eq!(link(&one, &key).pk, link(&other, &key).pk);
    assert_ne!(link(&one, &key).sk, link(&other, &key).sk);
}

#[test]
fn an_id_of_any_length_makes_a_short_key_and_none_passes_for_another() {
    let scope = scope("a", "b");
    let contact = RemoteId("7".to_owned());
    let long = event(&scope, &contact, &"x".repeat(5_000));
    assert!(long.sk.len() < 1_024);
    assert_ne!(long, event(&scope, &contact, &"x".repeat(5_001)));
    assert_ne!(long, event(&scope, &contact, long.sk.trim_start_matches("event#h#")));
}

#[test]
fn arrivals_sort_by_time_and_then_by_row() {
    let tenant = scope("a", "b").tenant;
    let at = |micros: i64| Timestamp::from_microsecond(micros).unwrap();
    let rising = [(-5, "f"), (1, "0"), (1, "1"), (999_999, "0"), (1_000_000, "0"), (1_795_000_000_000_000, "0")];
    let keys = rising.map(|(micros, digest)| arrival(&tenant, at(micros), digest).sk);
    assert!(keys.is_sorted_by(|one, other| one < other), "{keys:?}");
    assert!(behind_arrival(at(1), None) < keys[1] && behind_arrival(at(1), Some("0")) == keys[1]);
}

#[test]
fn text_from_outside_can_not_reach_another_key() {
    let scope = scope("a", "b");
    let odd = RemoteId("7#x".to_owned());
    let list = MembershipList::Segment("1".to_owned());
    let other = MembershipList::Segment("x#segment#1".to_owned());
    assert_ne!(membership_wish(&scope, &odd, &list), membership_wish(&scope, &RemoteId("7".to_owned()), &other));
}
