//! A word about being mailed that is neither yes nor no: somebody new is taken with all else, and not mailed until somebody says
//! one of the two. Nothing changes for who is known.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::ports::runs::RunLog;
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::client::Answer;
use tandem_tests::system::{KEY, Options, System};

const EMAIL: &str = "ada@example.com";
const UNREADABLE: &str = "consent.marketing_opt_in:unreadable_consent";

async fn system() -> System {
    System::with(Options::default().without_worker()).await
}

/// Hands one row over, and brings it to Mautic, with the jobs that the run leaves.
async fn take_row(system: &System, said: &str) -> RunLog {
    let row = json!({"id": "1", "email": EMAIL, "first_name": "Ada", "marketing_opt_in": said});
    let request = system.caller.bare(Method::POST, "/records").bearer_auth(KEY);
    let answer = system.caller.send(request.json(&json!({"records": [row]}))).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let ran = system.desk().sync(SyncOptions::default()).await.unwrap();
    system.finish().await;
    ran.log
}

async fn upsert(system: &System, said: &str) -> Answer {
    let payload = json!({"contact": {"email": EMAIL, "first_name": "Ada"}, "consent": {"marketing_opt_in": said}});
    system.caller.upsert(payload).await.unwrap()
}

fn is_mailed(system: &System) -> bool {
    system.contact(EMAIL).dnc.is_empty()
}

#[tokio::test]
async fn a_row_of_somebody_new_is_taken_without_mail_until_a_later_row_says_yes() {
    let system = System::start().await;
    let log = take_row(&system, "perhaps").await;
    assert_eq!((log.rejected, log.created), (0, 1));
    assert_eq!(log.issues.keys().collect::<Vec<_>>(), ["consent.marketing_opt_in: unreadable_consent"]);
    assert_eq!(system.contact(EMAIL).fields["firstname"], json!("Ada"));
    assert_eq!(system.contact(EMAIL).fields.get("marketing_opt_in").unwrap_or(&Value::Null), &Value::Null);
    assert!(!is_mailed(&system));
    assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::Unclear));
    // What Tandem set itself is nobody's no.
    take_row(&system, "still perhaps").await;
    assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::Unclear));
    take_row(&system, "yes").await;
    assert!(is_mailed(&system));
    assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedIn));
    // And what is unreadable now takes nothing back.
    take_row(&system, "perhaps").await;
    assert!(is_mailed(&system));
}

#[tokio::test]
async fn an_upsert_of_somebody_new_is_taken_without_mail_until_a_later_one_says_yes() {
    let system = system().await;
    for said in ["perhaps", "pending"] {
        let answer = upsert(&system, said).await;
        assert_eq!((answer.status, answer.complaints()), (200, vec![UNREADABLE.to_owned()]), "{}", answer.body);
        assert!(!is_mailed(&system), "{said}");
    }
    let answer = upsert(&system, "yes").await;
    assert_eq!((answer.status, answer.complaints()), (200, vec![]), "{}", answer.body);
    assert!(is_mailed(&system));
}

#[tokio::test]
async fn a_no_after_it_is_an_opt_out_which_no_record_undoes() {
    let system = system().await;
    upsert(&system, "perhaps").await;
    upsert(&system, "no").await;
    let answer = upsert(&system, "yes").await;
    assert_eq!(answer.complaints(), ["consent.marketing_opt_in:opt_out_kept"], "{}", answer.body);
    assert!(!is_mailed(&system));
    assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedOut));
}

#[tokio::test]
async fn for_who_is_known_it_changes_nothing() {
    let system = system().await;
    let known = json!({"contact": {"email": EMAIL}});
    assert_eq!(system.caller.upsert(known).await.unwrap().status, 200);
    let answer = upsert(&system, "perhaps").await;
    assert_eq!((answer.status, answer.complaints()), (200, vec![UNREADABLE.to_owned()]), "{}", answer.body);
    assert!(is_mailed(&system));
    assert_eq!(system.consent(EMAIL).await.unwrap(), None);
}

#[tokio::test]
async fn a_lost_reply_to_the_write_that_made_the_contact_leaves_it_without_mail_and_a_yes_ends_that() {
    let system = system().await;
    let lost = FaultRule::new(FaultKind::LostReply).method("POST").path("/api/contacts/new").times(1);
    system.mautic.inject_faults(vec![lost]);
    let answer = upsert(&system, "perhaps").await;
    assert!(answer.is_taken(), "{}", answer.body);
    assert!(!is_mailed(&system));
    upsert(&system, "yes").await;
    system.finish().await;
    assert!(is_mailed(&system));
}

#[tokio::test]
async fn an_event_with_it_brings_somebody_new_without_mail() {
    let system = System::start().await;
    let event = json!({"name": "user_signup", "user": {"email": EMAIL, "consent": {"marketing_opt_in": "perhaps"}}});
    let answer = system.send_events("?wait=true", &event).await.unwrap();
    let issue = &answer.data()["events"][0]["issues"][0];
    assert_eq!((answer.status, &issue["code"]), (200, &json!("unreadable_consent")), "{}", answer.body);
    assert!(!is_mailed(&system));
}
