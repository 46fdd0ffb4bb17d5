//! Consent wins: an opt-out reaches Mautic, stays, and is undone by nobody but the person.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_simulators::mautic::ContactDump;
use tandem_tests::client::Answer;
use tandem_tests::system::{Options, System};

async fn said(system: &System, email: &str, consent: Value) -> Answer {
    let answer = system.caller.upsert(json!({"contact": {"email": email}, "consent": consent})).await.unwrap();
    assert!(answer.is_taken(), "{}", answer.body);
    answer
}

fn opt_in() -> Value {
    json!({"marketing_opt_in": true})
}

fn opt_out() -> Value {
    json!({"marketing_opt_in": false})
}

fn is_opted_out(contact: &ContactDump) -> bool {
    !contact.dnc.is_empty() && contact.fields.get("marketing_opt_in") == Some(&json!(0))
}

fn reason(contact: &ContactDump) -> Option<i64> {
    contact.dnc.first().and_then(|entry| entry["reason"].as_i64())
}

#[tokio::test]
async fn an_opt_out_sets_the_field_and_forbids_mail_for_new_and_known_contacts() {
    let system = System::start().await;
    said(&system, "new@example.com", opt_out()).await;
    assert!(is_opted_out(&system.contact("new@example.com")));
    said(&system, "known@example.com", opt_in()).await;
    let known = system.contact("known@example.com");
    assert_eq!((known.dnc.len(), &known.fields["marketing_opt_in"]), (0, &json!(1)));
    said(&system, "known@example.com", opt_out()).await;
    assert!(is_opted_out(&system.contact("known@example.com")));
    // With a zero in the same write, which takes another way.
    let payload = json!({"contact": {"email": "zero@example.com"}, "consent": opt_out(), "ml": {"score": 0}});
    system.caller.upsert(payload).await.unwrap();
    assert!(is_opted_out(&system.contact("zero@example.com")));
    assert_eq!(said(&system, "new@example.com", opt_out()).await.data()["action"], "unchanged");
}

#[tokio::test]
async fn without_a_word_about_consent_nothing_is_said_to_mautic() {
    let system = System::start().await;
    for consent in [
        Value::Null,
        json!({}),
        json!({"marketing_opt_in": null}),
        json!({"marketing_opt_in": ""}),
        json!({"explicit": true}),
    ] {
        said(&system, "unknown@example.com", consent).await;
    }
    let contact = system.contact("unknown@example.com");
    assert_eq!((contact.dnc.len(), contact.fields.get("marketing_opt_in")), (0, None));
}

#[tokio::test]
async fn a_record_that_says_yes_later_does_not_undo_an_opt_out() {
    let mut system = System::start().await;
    said(&system, "stays@example.com", opt_out()).await;
    let other = system.another_instance().await;
    for caller in [&system.caller, &other] {
        let payload = json!({"contact": {"email": "stays@example.com", "first_name": "Ada"}, "consent": opt_in(), "ml": {"score": 0}});
        let answer = caller.upsert(payload).await.unwrap();
        assert_eq!(answer.complaints(), ["consent.marketing_opt_in:opt_out_kept"]);
    }
    let contact = system.contact("stays@example.com");
    assert!(is_opted_out(&contact));
    assert_eq!(contact.fields["firstname"], "Ada");
}

#[tokio::test]
async fn an_unsubscription_in_mautic_wins_over_a_record_that_says_yes() {
    let options = Options::default().with("MAUTIC_ENROLLMENT_ENABLED", "true").with("MAUTIC_CAMPAIGN_HIGH_VALUE", "1");
    let system = System::with(options).await;
    system.made_in_mautic("campaigns", "High value").await;
    said(&system, "link@example.com", opt_in()).await;
    system.engage("unsubscribe", json!({"address": "link@example.com"})).await;
    let payload = json!({"contact": {"email": "link@example.com", "first_name": "Ada"}, "consent": opt_in(), "ml": {"score": 90}, "crm_status": "qualified"});
    let answer = system.caller.upsert(payload.clone()).await.unwrap();
    assert_eq!((answer.status, answer.complaints()), (200, vec!["consent.marketing_opt_in:opt_out_kept".to_owned()]));
    assert_eq!(answer.data()["enrolledIn"], json!([]));
    let contact = system.contact("link@example.com");
    assert!(is_opted_out(&contact));
    assert_eq!((contact.campaigns.len(), &contact.fields["firstname"]), (0, &json!("Ada")));
    let calls = system.calls();
    let again = system.caller.upsert(payload).await.unwrap();
    assert_eq!(
        (again.complaints(), &again.data()["action"], system.calls() - calls),
        (answer.complaints(), &json!("unchanged"), 0)
    );
}

#[tokio::test]
async fn the_reason_of_an_opt_out_in_mautic_is_kept_through_later_writes() {
    let system = System::start().await;
    for (action, number) in [("unsubscribe", 1), ("bounce", 2)] {
        let email = format!("{action}@example.com");
        said(&system, &email, opt_in()).await;
        system.engage(action, json!({"address": email})).await;
        for (name, score) in [("Ada", 5), ("Eve", 0), ("Zoe", 7)] {
            let payload =
                json!({"contact": {"email": email, "first_name": name}, "consent": opt_in(), "ml": {"score": score}});
            system.caller.upsert(payload).await.unwrap();
            let contact = system.contact(&email);
            assert_eq!((reason(&contact), contact.dnc.len()), (Some(number), 1), "{action} {name}");
        }
        said(&system, &email, opt_out()).await;
        assert_eq!(reason(&system.contact(&email)), Some(number), "{action}");
    }
}

#[tokio::test]
async fn an_opt_out_of_the_application_leaves_the_reason_that_mautic_has() {
    let system = System::start().await;
    said(&system, "reason@example.com", opt_in()).await;
    system.engage("unsubscribe", json!({"address": "reason@example.com"})).await;
    said(&system, "reason@example.com", opt_out()).await;
    let contact = system.contact("reason@example.com");
    assert_eq!((reason(&contact), is_opted_out(&contact)), (Some(1), true));
}

#[tokio::test]
async fn a_later_word_of_the_person_undoes_an_opt_out() {
    let system = System::start().await;
    said(&system, "again@example.com", opt_out()).await;
    let answer = said(
        &system,
        "again@example.com",
        json!({"marketing_opt_in": true, "explicit": true, "at": system.now().to_string(), "proof": "form 7"}),
    )
    .await;
    assert_eq!((answer.status, answer.complaints().len()), (200, 0));
    let contact = system.contact("again@example.com");
    assert_eq!((contact.dnc.len(), &contact.fields["marketing_opt_in"]), (0, &json!(1)));
    // An unsubscription that Tandem had learnt of is undone in the same way.
    system.engage("unsubscribe", json!({"address": "again@example.com"})).await;
    system.caller.upsert(json!({"contact": {"email": "again@example.com", "first_name": "Ada"}})).await.unwrap();
    assert!(is_opted_out(&system.contact("again@example.com")));
    said(&system, "again@example.com", json!({"marketing_opt_in": true, "explicit": true})).await;
    assert_eq!(system.contact("again@example.com").dnc.len(), 0);
}

#[tokio::test]
async fn a_word_of_the_person_that_is_older_than_the_opt_out_changes_nothing() {
    let system = System::start().await;
    said(&system, "older@example.com", opt_out()).await;
    for at in ["2020-01-01T00:00:00Z", "1970-01-01T00:00:00+14:00"] {
        let answer =
            said(&system, "older@example.com", json!({"marketing_opt_in": true, "explicit": true, "at": at})).await;
        assert_eq!(answer.complaints(), ["consent.marketing_opt_in:opt_out_kept"]);
    }
    assert!(is_opted_out(&system.contact("older@example.com")));
}

#[tokio::test]
async fn a_word_from_the_future_does_not_outlast_a_later_opt_out() {
    let system = System::start().await;
    said(
        &system,
        "future@example.com",
        json!({"marketing_opt_in": true, "explicit": true, "at": "2999-01-01T00:00:00Z"}),
    )
    .await;
    said(&system, "future@example.com", opt_out()).await;
    assert!(is_opted_out(&system.contact("future@example.com")));
}

#[tokio::test]
async fn a_bounce_is_not_undone_by_an_opt_in() {
    let system = System::start().await;
    said(&system, "bounce@example.com", opt_in()).await;
    system.engage("bounce", json!({"address": "bounce@example.com"})).await;
    for _ in 0..2 {
        said(&system, "bounce@example.com", json!({"marketing_opt_in": true, "explicit": true})).await;
        assert_eq!(reason(&system.contact("bounce@example.com")), Some(2));
    }
}

#[tokio::test]
async fn an_explicit_opt_in_that_had_to_be_deferred_is_not_lost() {
    let system = System::start().await;
    said(&system, "deferred@example.com", opt_out()).await;
    system.mautic_answers(503);
    let answer = said(&system, "deferred@example.com", json!({"marketing_opt_in": true, "explicit": true})).await;
    assert_eq!(answer.status, 202);
    system.mautic.clear_faults();
    system.finish().await;
    let contact = system.contact("deferred@example.com");
    assert_eq!((contact.dnc.len(), &contact.fields["marketing_opt_in"]), (0, &json!(1)));
}

#[tokio::test]
async fn an_opt_out_that_had_to_be_deferred_is_not_lost_either() {
    let system = System::start().await;
    said(&system, "deferred@example.com", opt_in()).await;
    system.mautic_answers(503);
    assert_eq!(said(&system, "deferred@example.com", opt_out()).await.status, 202);
    assert_eq!(
        said(&system, "deferred@example.com", opt_in()).await.complaints(),
        ["consent.marketing_opt_in:opt_out_kept"]
    );
    system.mautic.clear_faults();
    system.finish().await;
    assert!(is_opted_out(&system.contact("deferred@example.com")));
}

#[tokio::test]
async fn an_opt_out_follows_the_person_to_another_address() {
    let system = System::start().await;
    let person = |email: &str, consent: Value| json!({"id": "u1", "contact": {"email": email}, "consent": consent});
    system.caller.upsert(person("old@example.com", opt_out())).await.unwrap();
    system.caller.upsert(person("new@example.com", Value::Null)).await.unwrap();
    assert!(is_opted_out(&system.contact("new@example.com")));
    let answer = system.caller.upsert(person("newer@example.com", opt_in())).await.unwrap();
    assert_eq!(answer.complaints(), ["consent.marketing_opt_in:opt_out_kept"]);
    assert!(is_opted_out(&system.contact("newer@example.com")));
}

#[tokio::test]
async fn an_opt_in_of_the_new_address_does_not_undo_the_opt_out_of_the_person_who_moves_there() {
    let system = System::start().await;
    said(&system, "target@example.com", opt_in()).await;
    let gone = json!({"action": "delete_contact", "email": "target@example.com"});
    assert_eq!(system.caller.call(&gone).await.unwrap().status, 200);
    let person = |email: &str, consent: Value| json!({"id": "u1", "contact": {"email": email}, "consent": consent});
    system.caller.upsert(person("origin@example.com", opt_out())).await.unwrap();
    system.caller.upsert(person("target@example.com", Value::Null)).await.unwrap();
    assert!(is_opted_out(&system.contact("target@example.com")));
}

#[tokio::test]
async fn an_opt_out_of_the_new_address_counts_for_the_person_who_moves_there() {
    let system = System::start().await;
    said(&system, "target@example.com", opt_out()).await;
    let gone = json!({"action": "delete_contact", "email": "target@example.com"});
    assert_eq!(system.caller.call(&gone).await.unwrap().status, 200);
    let person = |email: &str, consent: Value| json!({"id": "u1", "contact": {"email": email}, "consent": consent});
    system.caller.upsert(person("origin@example.com", opt_in())).await.unwrap();
    system.caller.upsert(person("target@example.com", opt_in())).await.unwrap();
    assert!(is_opted_out(&system.contact("target@example.com")));
}

#[tokio::test]
async fn a_deletion_keeps_the_opt_out_for_when_the_address_comes_back() {
    let system = System::start().await;
    said(&system, "return@example.com", opt_out()).await;
    let answer = system.caller.call(&json!({"action": "delete_contact", "email": "return@example.com"})).await.unwrap();
    assert_eq!(answer.status, 200);
    let answer = said(&system, "return@example.com", opt_in()).await;
    assert_eq!(answer.complaints(), ["consent.marketing_opt_in:opt_out_kept"]);
    assert!(is_opted_out(&system.contact("return@example.com")));
}

#[tokio::test]
async fn an_opt_out_of_a_contact_that_tandem_does_not_know_yet_is_learnt_from_mautic() {
    let system = System::start().await;
    let made = system.in_mautic(Method::POST, "/api/contacts/new", Some(json!({"email": "before@example.com"}))).await;
    system.engage("unsubscribe", json!({"contact": made["contact"]["id"]})).await;
    let answer = said(&system, "before@example.com", opt_in()).await;
    assert_eq!(answer.complaints(), ["consent.marketing_opt_in:opt_out_kept"]);
    let contact = system.contact("before@example.com");
    assert_eq!((is_opted_out(&contact), reason(&contact)), (true, Some(1)));
}

#[tokio::test]
async fn the_spellings_of_yes_and_no_are_understood_and_others_change_nothing() {
    let system = System::start().await;
    for (number, (value, wanted)) in [
        (json!("true"), Some(1)),
        (json!(1), Some(1)),
        (json!("YES"), Some(1)),
        (json!("t"), Some(1)),
        (json!("false"), Some(0)),
        (json!(0), Some(0)),
        (json!("No"), Some(0)),
        (json!("f"), Some(0)),
        (json!("maybe"), None),
        (json!(2), None),
        (json!([true]), None),
        (json!({}), None),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("spelling{number}@example.com");
        if wanted.is_none() {
            said(&system, &email, Value::Null).await;
        }
        said(&system, &email, json!({"marketing_opt_in": value})).await;
        let contact = system.contact(&email);
        assert_eq!(contact.fields.get("marketing_opt_in"), wanted.map(|wanted| json!(wanted)).as_ref(), "{value}");
        assert_eq!(!contact.dnc.is_empty(), wanted == Some(0), "{value}");
    }
}

#[tokio::test]
async fn two_opposite_words_at_once_end_in_the_opt_out() {
    let mut system = System::start().await;
    let other = system.another_instance().await;
    for round in 0..5 {
        let email = format!("both{round}@example.com");
        let payload = |consent: Value| json!({"contact": {"email": email}, "consent": consent});
        let (one, two) = tokio::join!(system.caller.upsert(payload(opt_in())), other.upsert(payload(opt_out())));
        assert!(one.unwrap().is_taken() && two.unwrap().is_taken());
        system.finish().await;
        assert!(is_opted_out(&system.contact(&email)));
    }
}
