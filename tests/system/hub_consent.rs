//! Consent and erasure belong to the person, whichever of a tenant's platforms told of them.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_tests::system::System;

use super::hub::{Hub, address, addresses, people, run};

fn is_mailable(system: &System, email: &str) -> bool {
    system.contact(email).dnc.is_empty()
}

async fn unsubscribe(system: &System, email: &str) {
    system.engage("unsubscribe", json!({"address": email})).await;
}

fn opted_in(number: usize) -> Value {
    json!({"id": format!("u{number}"), "email": address(number), "marketing_opt_in": true})
}

#[tokio::test]
async fn an_unsubscribe_in_one_forbids_mail_in_the_other_and_is_never_undone() {
    let hub = Hub::open().await;
    hub.rows((0..3).map(opted_in).collect()).await;
    hub.settle().await;
    assert!(is_mailable(&hub.one, &address(1)) && is_mailable(&hub.other, &address(1)));
    unsubscribe(&hub.one, &address(1)).await;
    unsubscribe(&hub.other, &address(2)).await;
    hub.settle().await;
    for email in [address(1), address(2)] {
        assert!(!is_mailable(&hub.one, &email) && !is_mailable(&hub.other, &email), "{email}");
    }
    assert!(is_mailable(&hub.one, &address(0)) && is_mailable(&hub.other, &address(0)));
    // The application still says yes, in a newer state of the row.
    let mut rows: Vec<Value> = (0..3).map(opted_in).collect();
    rows.iter_mut().for_each(|row| row["first_name"] = json!("New"));
    hub.rows(rows.into()).await;
    hub.settle().await;
    for email in [address(1), address(2)] {
        assert!(!is_mailable(&hub.one, &email) && !is_mailable(&hub.other, &email), "{email}");
        assert_eq!(hub.both(&email, "firstname"), [json!("New"), json!("New")]);
    }
    hub.is_quiet().await;
}

#[tokio::test]
async fn who_is_erased_is_gone_from_both_and_comes_back_by_neither() {
    let hub = Hub::open().await;
    hub.rows(people(0..3)).await;
    hub.settle().await;
    let body = json!({"action": "delete_contact", "email": address(1)});
    let answer = hub.one.caller.call(&body).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    hub.one.finish().await;
    assert_eq!(addresses(&hub.one), [address(0), address(2)]);
    assert_eq!(addresses(&hub.one), addresses(&hub.other));
    // The row is sent once more, as it was.
    hub.rows(people(0..3)).await;
    hub.settle().await;
    assert_eq!(addresses(&hub.one), [address(0), address(2)]);
    assert_eq!(addresses(&hub.one), addresses(&hub.other));
    hub.is_quiet().await;
}

#[tokio::test]
async fn an_erasure_while_one_is_away_is_done_there_when_it_is_back() {
    let hub = Hub::open().await;
    hub.rows(people(0..2)).await;
    hub.settle().await;
    hub.other.mautic_answers(503);
    let body = json!({"action": "delete_contact", "email": address(1)});
    let answer = hub.one.caller.call(&body).await.unwrap();
    assert!([200, 202].contains(&answer.status), "{}", answer.body);
    assert_eq!(addresses(&hub.one), [address(0)]);
    run(&hub.other.desk()).await;
    hub.other.mautic.clear_faults();
    hub.one.finish().await;
    assert_eq!(addresses(&hub.other), [address(0)]);
    let shown = hub.other.in_mautic(Method::GET, "/api/contacts", None).await;
    assert_eq!(shown["total"].to_string().trim_matches('"'), "1");
}
