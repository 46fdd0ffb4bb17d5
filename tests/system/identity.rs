//! One person, one contact: addresses that Mautic would change, several contacts of one address, values that must be unique,
//! contacts that are somebody else's, and contacts that are gone.

use std::sync::Arc;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::domain::kind::Kind;
use tandem_core::ports::Clock;
use tandem_core::ports::runs::RunLog;
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_simulators::{MauticOptions, MauticVersion};
use tandem_tests::client::Answer;
use tandem_tests::list_source::ListSource;
use tandem_tests::system::{Options, System};

async fn upsert(system: &System, payload: Value) -> Answer {
    system.caller.upsert(payload).await.unwrap()
}

fn person(id: &str, email: &str, name: &str) -> Value {
    json!({"id": id, "contact": {"email": email, "first_name": name}})
}

/// The first record began with the address, and gave it up since.
async fn gave_its_first_address_up(system: &System, first: &str) {
    for payload in [
        json!({"contact": {"email": first, "first_name": "Ada"}}),
        person("u1", first, "Ada"),
        person("u1", "elsewhere@example.com", "Ada"),
    ] {
        let answer = upsert(system, payload).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test]
async fn an_address_that_a_record_began_with_and_gave_up_may_be_somebody_elses() {
    let system = System::start().await;
    gave_its_first_address_up(&system, "first@example.com").await;
    for name in ["Grace", "Hopper"] {
        let answer = upsert(&system, json!({"contact": {"email": "first@example.com", "first_name": name}})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let names =
        ["first@example.com", "elsewhere@example.com"].map(|email| system.contact(email).fields["firstname"].clone());
    assert_eq!(names, [json!("Hopper"), json!("Ada")]);
    let [new, old] = [system.record_of("first@example.com").await, system.record_of("elsewhere@example.com").await];
    assert_eq!((new == old, new), (false, old.next()));
}

/// Makes several contacts of one address, as requests in parallel do; their numbers, the oldest first.
async fn made_in_parallel(system: &System, email: &str) -> Vec<u64> {
    let new =
        || system.in_mautic(Method::POST, "/api/contacts/new", Some(json!({"email": email, "firstname": "Twin"})));
    join_all((0..3).map(|_| new())).await;
    let mut ids: Vec<u64> = system.contacts_with(email).iter().map(|contact| contact.id).collect();
    ids.sort_unstable();
    assert!(ids.len() > 1, "the simulator made one contact only");
    ids
}

fn moment(minute: i64) -> Timestamp {
    SystemClock.now() - SignedDuration::from_hours(48) + SignedDuration::from_mins(minute)
}

fn row(id: &str, minute: i64, fields: Value) -> SourceRow {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    let fields = fields.into_iter().collect();
    SourceRow { kind: Kind::Person, id: id.to_owned(), updated_at: Some(moment(minute)), fields, deleted: false }
}

struct Shop {
    system: System,
    source: ListSource,
    desk: Desk,
}

impl Shop {
    async fn with(rows: impl IntoIterator<Item = SourceRow>) -> Self {
        Self::of(rows, Options::default().without_worker()).await
    }

    async fn of(rows: impl IntoIterator<Item = SourceRow>, options: Options) -> Self {
        let system = System::with(options).await;
        let source = ListSource::of(rows);
        let mut desk = system.desk();
        desk.services.source = Arc::new(source.clone());
        Self { system, source, desk }
    }

    /// A run that comes to its end.
    async fn sync(&self) -> RunLog {
        let ran = self.desk.sync(SyncOptions::default()).await.expect("no other run is under way");
        assert_eq!(ran.stopped, None, "{:?}", ran.log);
        ran.log
    }
}

#[tokio::test]
async fn an_address_with_a_slash_is_refused_and_nobody_elses_contact_is_touched() {
    let system = System::start().await;
    upsert(&system, person("u1", "maryx@example.com", "Mary")).await;
    let answer = upsert(&system, person("u2", "mary/x@example.com", "Other")).await;
    assert_eq!((answer.status, answer.error_code()), (422, "invalid_request"), "{}", answer.body);
    assert!(answer.body.to_string().contains("slash"), "{}", answer.body);
    // A known person keeps the address that is sound, and the rest is taken.
    let answer = upsert(&system, person("u1", "ma/ry@example.com", "Maria")).await;
    assert_eq!(
        (answer.status, answer.complaints()),
        (200, vec!["contact.email:invalid".to_owned()]),
        "{}",
        answer.body
    );
    assert_eq!(system.contact("maryx@example.com").fields["firstname"], "Maria");
    assert_eq!(system.mautic.stats().contacts, 1);
}

#[tokio::test]
async fn a_row_whose_address_mautic_would_change_is_rejected_once_and_spoils_no_other() {
    let named = |name: &str, email: &str| row(name, 1, json!({"email": email, "first_name": name}));
    let shop = Shop::with([named("sound", "maryx@example.com"), named("slash", "mary/x@example.com")]).await;
    let log = shop.sync().await;
    assert_eq!((log.created, log.rejected, log.failed), (1, 1, 0), "{log:?}");
    assert_eq!(shop.system.contact("maryx@example.com").fields["firstname"], "sound");
    assert_eq!(shop.sync().await.calls, 0);
}

#[tokio::test]
async fn an_opt_out_reaches_every_contact_of_an_address_and_the_rest_is_parked_once() {
    let system = System::start().await;
    let ids = made_in_parallel(&system, "twin@example.com").await;
    let payload = json!({"id": "u1", "contact": {"email": "twin@example.com", "first_name": "Ada"}, "consent": {"marketing_opt_in": false}});
    for _ in 0..2 {
        let answer = upsert(&system, payload.clone()).await;
        assert_eq!((answer.status, answer.error_code()), (422, "refused_by_platform"), "{}", answer.body);
        for id in &ids {
            assert!(answer.body.to_string().contains(&id.to_string()), "{}", answer.body);
        }
    }
    for contact in system.contacts_with("twin@example.com") {
        assert_eq!((contact.dnc.len(), &contact.fields["firstname"]), (1, &json!("Twin")));
    }
    assert_eq!(system.parked().await.len(), 1);
    let segment = system.made_in_mautic("segments", "Readers").await;
    let joined = json!({"action": "add_to_segment", "email": "twin@example.com", "segmentId": segment});
    let answer = system.caller.call(&joined).await.unwrap();
    assert_eq!((answer.status, answer.contact_id()), (200, Some(ids[0].to_string().as_str())), "{}", answer.body);
    // What people do with any of them is the person's doing, and the link says which they are.
    let link = system.link("twin@example.com").await;
    assert_eq!((link.remote_id.unwrap().0, link.duplicates.len()), (ids[0].to_string(), ids.len() - 1));
}

#[tokio::test]
async fn contacts_of_one_address_that_were_merged_are_written_and_need_nobody_any_more() {
    let system = System::start().await;
    let ids = made_in_parallel(&system, "merged@example.com").await;
    upsert(&system, person("u1", "merged@example.com", "Ada")).await;
    for id in &ids[1..] {
        system.in_mautic(Method::DELETE, &format!("/api/contacts/{id}/delete"), None).await;
    }
    let answer = upsert(&system, person("u1", "merged@example.com", "Eve")).await;
    assert_eq!((answer.status, answer.contact_id()), (200, Some(ids[0].to_string().as_str())), "{}", answer.body);
    assert_eq!(system.contact("merged@example.com").fields["firstname"], "Eve");
    assert!(system.parked().await.is_empty());
    assert!(system.link("merged@example.com").await.duplicates.is_empty());
}

#[tokio::test]
async fn several_contacts_of_one_address_are_one_issue_of_a_run_and_hold_nobody_up() {
    let of = |n: usize| row(&format!("id-{n}"), 1, json!({"email": format!("p{n}@example.com"), "first_name": "Ada"}));
    let shop = Shop::with((0..20).map(of)).await;
    let ids = made_in_parallel(&shop.system, "p7@example.com").await;
    let opted_out = json!({"email": "p7@example.com", "marketing_opt_in": false, "customer_segments": "{vip}"});
    shop.source.put([row("id-7", 2, opted_out)]);
    let log = shop.sync().await;
    assert_eq!((log.created, log.failed), (19, 1), "{log:?}");
    let told = log.problems.iter().filter(|problem| problem.id == "id-7").count();
    assert_eq!(told, 1, "{:?}", log.problems);
    assert!(log.problems.iter().any(|problem| problem.issue.message.contains(&ids[1].to_string())));
    let twins = shop.system.contacts_with("p7@example.com");
    assert!(twins.iter().all(|contact| contact.dnc.len() == 1), "{twins:?}");
    assert_eq!(twins.iter().filter(|contact| !contact.segments.is_empty()).count(), 1, "the oldest is in its segment");
    // The run after it has nothing to do for it yet, and it is parked once.
    let calls = shop.system.calls();
    shop.sync().await;
    assert_eq!(shop.system.calls() - calls, 0);
    assert_eq!(shop.system.parked().await.len(), 1);
    let shared = shop.desk.shared_addresses().await.unwrap();
    let listed: Vec<u64> = shared[0].contacts.iter().map(|id| id.0.parse().unwrap()).collect();
    assert_eq!((shared.len(), shared[0].email.as_str(), listed), (1, "p7@example.com", ids));
}

#[tokio::test]
async fn lists_of_an_event_take_the_oldest_of_several_contacts_and_the_event_waits_for_a_person() {
    let system = System::start().await;
    let ids = made_in_parallel(&system, "event@example.com").await;
    let event = json!({"id": "e1", "name": "user_signup", "user": {"id": "u1", "email": "event@example.com"}});
    assert_eq!(system.send_events("", &event).await.unwrap().status, 202);
    system.finish().await;
    for contact in system.contacts_with("event@example.com") {
        assert_eq!(contact.segments.is_empty(), contact.id != ids[0], "{contact:?}");
    }
    let kinds: Vec<Value> = system.parked().await.iter().map(|one| json!(one.job.task)["kind"].clone()).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
}

#[tokio::test]
async fn a_contact_that_marketing_gave_another_persons_address_is_not_written_on() {
    let system = System::start().await;
    let one = upsert(&system, person("u1", "one@example.com", "One")).await.contact_id().unwrap().to_owned();
    let given = json!({"email": "two@example.com"});
    system.in_mautic(Method::PATCH, &format!("/api/contacts/{one}/edit"), Some(given)).await;
    let answer = upsert(&system, person("u2", "two@example.com", "Two")).await;
    assert_eq!((answer.status, answer.error_code()), (422, "refused_by_platform"), "{}", answer.body);
    let contact = system.contact("two@example.com");
    assert_eq!((contact.id.to_string(), &contact.fields["firstname"]), (one.clone(), &json!("One")));
    assert_eq!(system.parked().await.len(), 1);
    // Once the address is back where it belongs, the second person gets a contact of its own.
    system
        .in_mautic(Method::PATCH, &format!("/api/contacts/{one}/edit"), Some(json!({"email": "one@example.com"})))
        .await;
    let answer = upsert(&system, person("u2", "two@example.com", "Two")).await;
    assert_eq!((answer.status, answer.data()["action"].as_str()), (200, Some("created")), "{}", answer.body);
    assert!(system.parked().await.is_empty());
}

#[tokio::test]
async fn a_run_writes_nobody_on_a_contact_that_marketing_gave_another_persons_address() {
    let shop = Shop::with([row("u1", 1, json!({"email": "one@example.com", "first_name": "One"}))]).await;
    shop.sync().await;
    let one = shop.system.contact("one@example.com").id;
    let given = json!({"email": "two@example.com"});
    shop.system.in_mautic(Method::PATCH, &format!("/api/contacts/{one}/edit"), Some(given)).await;
    shop.source.put([row("u2", 2, json!({"email": "two@example.com", "first_name": "Two"}))]);
    let log = shop.sync().await;
    assert_eq!((log.created, log.failed), (0, 1), "{log:?}");
    let contact = shop.system.contact("two@example.com");
    assert_eq!((contact.id, &contact.fields["firstname"]), (one, &json!("One")));
}

#[tokio::test]
async fn a_person_whose_contact_was_merged_into_another_persons_gets_one_of_its_own() {
    let system = System::start().await;
    let one = upsert(&system, person("u1", "one@example.com", "One")).await.contact_id().unwrap().to_owned();
    // The first one's contact goes up in a visitor's, and somebody gives that one the second person's address.
    let second = system.visitor().await;
    system.engage("submit", json!({"contact": second, "address": "one@example.com"})).await;
    let given = json!({"email": "two@example.com"});
    system.in_mautic(Method::PATCH, &format!("/api/contacts/{second}/edit"), Some(given)).await;
    assert_ne!(one, second.to_string());
    let answer = upsert(&system, person("u2", "two@example.com", "Two")).await;
    assert_eq!(answer.contact_id(), Some(second.to_string().as_str()), "{}", answer.body);
    let answer = upsert(&system, person("u1", "one@example.com", "Uno")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_ne!(answer.contact_id(), Some(second.to_string().as_str()));
    assert_eq!(system.contact("one@example.com").fields["firstname"], "Uno");
    system.finish().await;
    assert_eq!(system.contact("two@example.com").fields["firstname"], "Two", "what was written on it is put right");
}

/// Mautic's answer to a batch of one: a value that must be unique is taken.
fn taken(field: &str) -> FaultRule {
    let error = json!({"code": 422, "message": format!("{field}: This field must be unique."), "type": null,
        "details": {field: ["This field must be unique."]}});
    let body = json!({"contacts": [], "statusCodes": [422], "errors": [error]});
    let mut rule = FaultRule::new(FaultKind::Status).status(200).method("PUT").path("/api/contacts/batch/edit");
    rule.body = Some(body.to_string());
    rule
}

#[tokio::test]
async fn a_run_ends_though_mautic_says_that_an_address_is_taken_and_shows_nobody_who_has_it() {
    let shop = Shop::with([row("u1", 1, json!({"email": "hidden@example.com", "first_name": "Ada"}))]).await;
    shop.system.mautic.inject_faults(vec![taken("email")]);
    let calls = shop.system.calls();
    let log = shop.sync().await;
    assert_eq!((log.created, log.failed), (0, 1), "{log:?}");
    assert!(shop.system.calls() - calls <= 4, "{} calls", shop.system.calls() - calls);
    assert_eq!(shop.system.parked().await.len(), 1);
}

#[tokio::test]
async fn an_identifier_that_another_contact_has_is_left_out_and_named_and_tried_twice_at_most() {
    for times in [1, 100] {
        let system = System::start().await;
        system.mautic.inject_faults(vec![taken("supabase_id").times(times)]);
        let answer = upsert(&system, person("u1", "ada@example.com", "Ada")).await;
        assert_eq!(system.calls_of("PUT /api/contacts/batch/edit"), 2);
        if times == 1 {
            assert_eq!((answer.status, answer.complaints()), (200, vec!["id:taken".to_owned()]), "{}", answer.body);
            assert_eq!(system.contact("ada@example.com").fields["firstname"], "Ada");
        } else {
            assert_eq!((answer.status, answer.error_code()), (422, "refused_by_platform"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn an_identifier_that_stays_taken_is_tried_twice_in_a_run_and_the_run_ends() {
    let shop = Shop::with([row("u1", 1, json!({"email": "ada@example.com", "first_name": "Ada"}))]).await;
    shop.system.mautic.inject_faults(vec![taken("supabase_id")]);
    let log = shop.sync().await;
    assert_eq!((log.created, log.failed), (0, 1), "{log:?}");
    assert_eq!(shop.system.calls_of("PUT /api/contacts/batch/edit"), 2);
}

#[tokio::test]
async fn an_identifier_that_an_administrator_made_unique_is_left_out_named_and_stays_the_others() {
    for version in MauticVersion::ALL {
        let mut shop = Shop::of([], of(version)).await;
        assert!(shop.system.mautic.set_unique_identifier("supabase_id", true));
        let other = json!({"email": "other@example.com", "supabase_id": "u1"});
        shop.system.in_mautic(Method::POST, "/api/contacts/new", Some(other.clone())).await;
        let answer = upsert(&shop.system, person("u1", "ada@example.com", "Ada")).await;
        assert_eq!((answer.status, answer.complaints()), (200, vec!["id:taken".to_owned()]), "{version}");
        assert_eq!(shop.system.contact("ada@example.com").fields["firstname"], "Ada", "{version}");
        assert!(!shop.system.contact("ada@example.com").fields.contains_key("supabase_id"), "{version}");
        // The same of a run: one person of three is concerned.
        let of_run = json!({"email": "taken@example.com", "supabase_id": "u2"});
        shop.system.in_mautic(Method::POST, "/api/contacts/new", Some(of_run)).await;
        let rows = ["u2", "u3", "u4"].map(|id| row(id, 1, json!({"email": format!("{id}@example.com")})));
        shop.source.put(rows);
        let calls = shop.system.calls_of("PUT /api/contacts/batch/edit");
        let log = shop.sync().await;
        assert_eq!(
            (log.created, log.failed, log.issues.get("id: refused_by_platform")),
            (3, 0, Some(&1)),
            "{version}: {log:?}"
        );
        assert!(shop.system.calls_of("PUT /api/contacts/batch/edit") - calls <= 2, "{version}");
        assert_eq!(shop.system.contact("u3@example.com").fields["supabase_id"], "u3", "{version}");
        shop.system.start_worker();
        shop.system.finish().await;
        assert_eq!(shop.system.contact("taken@example.com").fields["supabase_id"], "u2", "{version}");
        assert!(shop.system.parked().await.is_empty(), "{version}");
    }
}

#[tokio::test]
async fn contacts_that_were_deleted_or_merged_are_made_anew_or_followed_by_a_run() {
    let of = |n: usize, minute, name: &str| {
        row(&format!("id-{n}"), minute, json!({"email": format!("p{n}@example.com"), "first_name": name}))
    };
    let mut shop = Shop::with((0..10).map(|n| of(n, 1, "Ada"))).await;
    shop.sync().await;
    let deleted = shop.system.contact("p3@example.com").id;
    shop.system.in_mautic(Method::DELETE, &format!("/api/contacts/{deleted}/delete"), None).await;
    shop.source.put((0..10).map(|n| of(n, 2, "Eve")));
    let ran = shop.desk.sync(SyncOptions::default()).await.unwrap();
    assert_eq!((ran.log.updated, ran.log.failed), (9, 0), "{ran:?}");
    shop.system.start_worker();
    shop.system.finish().await;
    assert_eq!(shop.system.contact("p3@example.com").fields["firstname"], "Eve");
    assert!(shop.system.parked().await.is_empty());
}

/// A system with a Mautic of this version, and without a worker.
fn of(version: MauticVersion) -> Options {
    Options { mautic: MauticOptions::default().version(version), ..Options::default() }.without_worker()
}

/// What an address may have besides letters and digits, and whether Mautic keeps it (recordings `212` to `219`).
const CHARACTERS: &[(char, bool)] = &[
    ('!', true),
    ('#', true),
    ('$', true),
    ('\'', true),
    ('+', true),
    ('-', true),
    ('.', true),
    ('=', true),
    ('?', true),
    ('_', true),
    ('`', true),
    ('{', true),
    ('|', true),
    ('}', true),
    ('~', true),
    ('/', false),
    ('%', false),
    ('&', false),
    ('*', false),
    ('^', false),
];

#[tokio::test]
async fn every_character_of_an_address_goes_through_every_call_of_both_versions() {
    for version in MauticVersion::ALL {
        characters_through_calls(version).await;
    }
}

async fn characters_through_calls(version: MauticVersion) {
    let mut system = System::with(of(version)).await;
    let segment = system.made_in_mautic("segments", "Readers").await;
    let campaign = system.made_in_mautic("campaigns", "Welcome").await;
    for (number, (character, kept)) in CHARACTERS.iter().enumerate() {
        let email = format!("o{character}neil{number}@example.com");
        let answer = upsert(&system, json!({"contact": {"email": email, "first_name": "Ada"}})).await;
        if !kept {
            assert_eq!(answer.status, 422, "{character}: {}", answer.body);
            continue;
        }
        assert_eq!((answer.status, answer.data()["action"].as_str()), (200, Some("created")), "{character}");
        through_every_call(&mut system, &email, (&segment, &campaign)).await;
    }
    let kept = CHARACTERS.iter().filter(|(_, kept)| *kept).count();
    // Of each there is one that the application made and one that was in Mautic already; both were deleted.
    assert_eq!((system.mautic.stats().contacts, system.mautic.stats().duplicates.len(), kept), (0, 0, 15));
}

async fn through_every_call(system: &mut System, email: &str, lists: (&str, &str)) {
    let name = |system: &System| system.contact(email).fields["firstname"].clone();
    upsert(system, json!({"contact": {"email": email, "first_name": "Eve"}})).await;
    assert_eq!(name(system), "Eve", "{email}: an update");
    let identified = json!({"action": "identify", "payload": {"email": email}});
    let answer = system.caller.call(&identified).await.unwrap();
    assert_eq!(answer.status, 200, "{email}: {}", answer.body);
    through_calls_by_address(system, email, lists).await;
    // A contact that only Mautic knows: looked up by its address.
    let there = json!({"email": email, "firstname": "There"});
    system.in_mautic(Method::POST, "/api/contacts/new", Some(there.clone())).await;
    through_calls_by_address(system, email, lists).await;
    system.in_mautic(Method::POST, "/api/contacts/new", Some(there)).await;
    let answer = upsert(system, json!({"contact": {"email": email, "first_name": "Known"}})).await;
    assert_eq!(answer.data()["action"], "updated", "{email}: {}", answer.body);
    assert_eq!(name(system), "Known", "{email}: taken over");
    let gone = system.caller.call(&json!({"action": "delete_contact", "email": email})).await.unwrap();
    assert_eq!(gone.status, 200, "{email}: {}", gone.body);
    lost_reply(system, email).await;
}

/// A create whose reply is lost is found by its address.
async fn lost_reply(system: &mut System, email: &str) {
    let lost = FaultRule::new(FaultKind::LostReply).method("PUT").path("/api/contacts/batch/edit").times(1);
    system.mautic.inject_faults(vec![lost]);
    let answer = upsert(system, json!({"contact": {"email": email, "first_name": "Lost"}})).await;
    assert_eq!((answer.status, answer.data()["action"].as_str()), (200, Some("created")), "{email}: {}", answer.body);
    assert_eq!(system.contact(email).fields["firstname"], "Lost", "{email}");
    let gone = system.caller.call(&json!({"action": "delete_contact", "email": email})).await.unwrap();
    assert_eq!(gone.status, 200, "{email}: {}", gone.body);
}

/// Export, lists both ways, deletion.
async fn through_calls_by_address(system: &System, email: &str, (segment, campaign): (&str, &str)) {
    let done = async |body: Value| {
        let answer = system.caller.call(&body).await.unwrap();
        assert_eq!(answer.status, 200, "{email}: {body} {}", answer.body);
        let contact = system.contact(email);
        (contact.segments.len(), contact.campaigns.len())
    };
    assert_eq!(done(json!({"action": "export_contact", "email": email})).await, (0, 0), "{email}");
    let of_segment = |action| json!({"action": action, "email": email, "segmentId": segment});
    let of_campaign = |action| json!({"action": action, "email": email, "campaignId": campaign});
    assert_eq!(done(of_segment("add_to_segment")).await, (1, 0), "{email}");
    assert_eq!(done(of_campaign("add_to_campaign")).await, (1, 1), "{email}");
    assert_eq!(done(of_segment("remove_from_segment")).await, (0, 1), "{email}");
    assert_eq!(done(of_campaign("remove_from_campaign")).await, (0, 0), "{email}");
    let answer = system.caller.call(&json!({"action": "delete_contact", "email": email})).await.unwrap();
    assert_eq!((answer.status, system.contacts_with(email).len()), (200, 0), "{email}: {}", answer.body);
}

#[tokio::test]
async fn every_character_of_an_address_goes_through_an_event_and_a_chosen_row_of_both_versions() {
    for version in MauticVersion::ALL {
        let address = |number: usize, character: char| format!("o{character}chosen{number}@example.com");
        let kept = || CHARACTERS.iter().enumerate().filter(|(_, (_, kept))| *kept).map(|(n, (c, _))| (n, *c));
        let rows = kept().map(|(number, character)| {
            row(&format!("id-{number}"), 1, json!({"email": address(number, character), "first_name": "Chosen"}))
        });
        let mut shop = Shop::of(rows, of(version)).await;
        shop.system.start_worker();
        for (number, character) in kept() {
            let (email, how) = (address(number, character), format!("{version}: {character}"));
            // One that only Mautic knows, so that the event has to find it by the address.
            let there = json!({"email": email, "firstname": "There"});
            shop.system.in_mautic(Method::POST, "/api/contacts/new", Some(there)).await;
            let user = json!({"id": format!("id-{number}"), "email": email, "last_name": "Told"});
            let event = json!({"id": format!("evt-{number}"), "name": "user_signup", "user": user});
            let posted = shop.system.caller.keyed(Method::POST, "/events").json(&event);
            assert!(shop.system.caller.send(posted).await.unwrap().is_taken(), "{how}");
            shop.system.finish().await;
            assert_eq!(shop.system.contact(&email).fields["lastname"], "Told", "{how}");
        }
        let ids: Vec<String> = kept().map(|(number, _)| format!("id-{number}")).collect();
        let chosen = shop.desk.sync_chosen(&ids, "test").await.unwrap();
        assert_eq!(chosen.len(), ids.len(), "{version}");
        for (number, character) in kept() {
            let held = shop.system.contact(&address(number, character)).fields;
            assert_eq!((&held["firstname"], &held["lastname"]), (&json!("Chosen"), &json!("Told")), "{character}");
        }
    }
}

#[tokio::test]
async fn every_character_of_an_address_goes_through_a_run_of_both_versions() {
    for version in MauticVersion::ALL {
        characters_through_a_run(version).await;
    }
}

async fn characters_through_a_run(version: MauticVersion) {
    let address = |number: usize, character: char| format!("o{character}run{number}@example.com");
    let rows = |minute, name: &str| {
        let row = |(number, (character, _)): (usize, &(char, bool))| {
            row(&format!("id-{number}"), minute, json!({"email": address(number, *character), "first_name": name}))
        };
        CHARACTERS.iter().enumerate().map(row).collect::<Vec<_>>()
    };
    let shop = Shop::of(rows(1, "Ada"), of(version)).await;
    // Half of them are in Mautic already.
    for (number, (character, _)) in CHARACTERS.iter().enumerate().filter(|(number, (_, kept))| *kept && number % 2 == 0)
    {
        let there = json!({"email": address(number, *character), "firstname": "There"});
        shop.system.in_mautic(Method::POST, "/api/contacts/new", Some(there)).await;
    }
    let log = shop.sync().await;
    assert_eq!((log.created, log.updated, log.rejected, log.failed), (7, 8, 5, 0), "{log:?}");
    shop.source.put(rows(2, "Eve"));
    assert_eq!(shop.sync().await.updated, 15);
    for (number, (character, kept)) in CHARACTERS.iter().enumerate() {
        let found = shop.system.contacts_with(&address(number, *character));
        assert_eq!(found.len(), usize::from(*kept), "{character}");
        assert!(found.iter().all(|contact| contact.fields["firstname"] == "Eve"), "{character}");
    }
}
