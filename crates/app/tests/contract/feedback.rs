//! What the source is told of a person.

use tandem_core::domain::consent::{ConsentEntry, ConsentSource, ConsentStatus};
use tandem_core::domain::engagement::{EmailStatus, Standing};
use tandem_core::domain::identity::RecordKey;
use tandem_core::ports::{ContactStore, Feedback, FeedbackStore};

use crate::fixture::{START, World, at, commit_of, first_begin, scope, world};

/// Feedback that follows from so many events and an opt-out at this second.
fn told(events: u64, second: i64) -> Feedback {
    let consent = ConsentEntry {
        status: ConsentStatus::OptedOut,
        source: ConsentSource::Platform,
        at: at(START + second),
        proof: None,
    };
    Feedback {
        marketing_opt_in: Some(false),
        consent: Some(consent),
        email_status: EmailStatus::Unsubscribed,
        standing: Standing { events, ..Standing::default() },
    }
}

/// Feedback when nobody said or did anything.
fn nothing_known() -> Feedback {
    let standing = Standing::default();
    Feedback { marketing_opt_in: None, consent: None, email_status: EmailStatus::Active, standing }
}

async fn record(world: &World) -> RecordKey {
    let begin = first_begin("one@example.com", "me");
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    world.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap();
    begin.key
}

#[tokio::test]
async fn older_feedback_never_overwrites_newer() {
    let world = world().await;
    let key = record(&world).await;
    let application = ConsentEntry {
        status: ConsentStatus::OptedIn,
        source: ConsentSource::Application,
        at: at(START + 90),
        proof: None,
    };
    let agreed = Feedback { consent: Some(application), marketing_opt_in: Some(true), ..told(0, 0) };
    let steps = [
        (nothing_known(), nothing_known()),
        (agreed.clone(), agreed.clone()),
        (told(0, 5), told(0, 5)),
        (agreed, told(0, 5)),
        (told(3, 10), told(3, 10)),
        (told(3, 10), told(3, 10)),
        (told(2, 20), told(3, 10)),
        (told(3, 9), told(3, 10)),
        (nothing_known(), told(3, 10)),
        (told(3, 11), told(3, 11)),
        (told(4, 11), told(4, 11)),
    ];
    for (given, expected) in steps {
        world.feedback.note(&scope("a"), &key, &given).await.unwrap();
        assert_eq!(world.feedback.feedback(&scope("a"), &key).await.unwrap(), Some(expected));
    }
    assert_eq!(world.feedback.feedback(&scope("b"), &key).await.unwrap(), None);
}

#[tokio::test]
async fn feedback_changes_nothing_of_the_record_and_is_one_call() {
    let world = world().await;
    let key = record(&world).await;
    let before = world.contacts.load(&scope("a"), &key).await.unwrap();
    let writes = world.local.meter().writes();
    world.feedback.note(&scope("a"), &key, &told(1, 1)).await.unwrap();
    assert_eq!(world.local.meter().writes() - writes, 1);
    assert_eq!(world.contacts.load(&scope("a"), &key).await.unwrap(), before);
}

#[tokio::test]
async fn a_record_that_is_gone_is_told_nothing() {
    let world = world().await;
    let key = record(&world).await;
    world.contacts.erase(&scope("a"), &key, &[], &[]).await.unwrap();
    world.feedback.note(&scope("a"), &key, &told(1, 1)).await.unwrap();
    assert_eq!(world.feedback.feedback(&scope("a"), &key).await.unwrap(), None);
}
