//! Deliveries as Mautic 7 repeats them: an hour late, overtaken by newer ones, regrouped with them (recordings
//! `233-queue-retry…` to `237-queue-regrouped…`). Whatever the order, the newest stands and nothing counts twice.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::engagement::EngagementKind;
use tandem_tests::system::System;

const EMAIL: &str = "ada@example.com";

fn contact(system: &System, city: &str, forbidden: bool) -> Value {
    let entries = if forbidden {
        json!([{"id": 7, "reason": 1, "comments": "User unsubscribed.", "channel": "email"}])
    } else {
        json!([])
    };
    // Frozen, as it is in 7.0.
    json!({"id": system.contact(EMAIL).id, "dateAdded": "2026-01-01T00:00:00+00:00",
        "dateModified": "2026-01-01T00:00:00+00:00", "modifiedBy": null, "modifiedByUser": " ", "doNotContact": entries,
        "fields": {"core": {"email": {"value": EMAIL}, "city": {"value": city}}}})
}

fn saved(system: &System, city: &str, at: Timestamp) -> Value {
    json!({"contact": contact(system, city, false), "timestamp": at.to_string()})
}

fn unsubscribed(system: &System, at: Timestamp) -> Value {
    json!({"contact": contact(system, "Perth", true), "channel": "email", "old_status": "contactable",
        "new_status": "unsubscribed", "timestamp": at.to_string()})
}

async fn known() -> System {
    let system = System::start().await;
    let payload = json!({"contact": {"email": EMAIL, "city": "Perth"}, "consent": {"marketing_opt_in": true}});
    assert_eq!(system.caller.upsert(payload).await.unwrap().status, 200);
    system
}

fn ago(system: &System, minutes: i64) -> Timestamp {
    system.now().checked_sub(SignedDuration::from_mins(minutes)).unwrap()
}

#[tokio::test]
async fn an_overtaken_save_that_comes_an_hour_late_and_regrouped_undoes_nothing() {
    let system = known().await;
    let (old, new) = (ago(&system, 65), system.now() + SignedDuration::from_secs(1));
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let id = system.contact(EMAIL).id.to_string();
    for entries in [
        json!([saved(&system, "Darwin", new)]),
        json!([saved(&system, "Darwin", new), saved(&system, "Sydney", old)]),
        json!([saved(&system, "Sydney", old)]),
    ] {
        assert_eq!(system.tell(json!({"mautic.lead_post_save_update": entries})).await.status, 200);
        let observed = system.observed(&id).await.fields.unwrap();
        assert_eq!((observed.0, &observed.1["city"]), (new, &json!("Darwin")));
    }
    let payload = json!({"contact": {"email": EMAIL, "first_name": "Ada"}});
    assert_eq!(system.caller.upsert(payload).await.unwrap().status, 200);
    system.finish().await;
}

#[tokio::test]
async fn an_opt_out_that_is_repeated_late_counts_once_and_from_when_it_was_said() {
    let system = known().await;
    let said = ago(&system, 65);
    let id = system.contact(EMAIL).id.to_string();
    let told = json!({"mautic.lead_channel_subscription_changed": [unsubscribed(&system, said)]});
    assert_eq!(system.tell(told).await.status, 200);
    assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedOut));
    // Half an hour after it the person opted in again, in the application.
    let at = ago(&system, 35).to_string();
    let consent = json!({"marketing_opt_in": true, "explicit": true, "at": at});
    system.caller.upsert(json!({"contact": {"email": EMAIL}, "consent": consent})).await.unwrap();
    assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedIn));
    let again = json!({"mautic.lead_channel_subscription_changed": [unsubscribed(&system, said)],
        "mautic.lead_post_save_update": [saved(&system, "Perth", system.now())]});
    assert_eq!(system.tell(again).await.status, 200);
    system.finish().await;
    assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedIn));
    assert_eq!(system.standing(&id).await.counts[&EngagementKind::Unsubscribe], 1);
}
