//! What marketing people change in Mautic comes back to the application's records.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_connectors::mautic::setup;
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::link::{Lease, Link, LinkState};
use tandem_core::domain::record::Record;
use tandem_core::domain::whom::Whom;
use tandem_core::ports::bulk::Taken;
use tandem_core::ports::runs::SendState;
use tandem_core::ports::source::SourceRow;
use tandem_core::ports::{Attempt, BudgetStore, Save};
use tandem_core::sync::conflict::Side;
use tandem_core::sync::pull::{PullCounts, PullEnd, pull_is_due};
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::{FaultKind, FaultRule, WebhookMode};
use tandem_tests::list_source::ListSource;
use tandem_tests::system::{Options, System};

/// A system with one person whom the application and Mautic agree on.
struct Office {
    system: System,
    desk: Desk,
    notebook: ListSource,
    state: SendState,
    contact: String,
}

const EMAIL: &str = "ada@example.com";

impl Office {
    async fn open(options: Options) -> Self {
        let system = System::with(options).await;
        let notebook = ListSource::default();
        let mut desk = system.desk();
        desk.services.source = Arc::new(notebook.clone());
        let mut office = Self { system, desk, notebook, state: SendState::default(), contact: String::new() };
        let agreed = json!({"city": "Perth", "first_name": "Ada", "phone": "0412 345 678", "country": "AU"});
        office.contact = office.says(agreed).await;
        office
    }

    async fn with_strategy(strategy: &str) -> Self {
        Self::open(Options::default().with("TANDEM_CONFLICT_STRATEGY", strategy)).await
    }

    /// The application says something of the person.
    async fn says(&self, fields: Value) -> String {
        let mut contact = fields;
        contact["email"] = json!(EMAIL);
        let tags = contact.as_object_mut().unwrap().remove("tags");
        let mut payload = json!({"id": "u1", "contact": contact});
        payload["contact"].as_object_mut().unwrap().extend(tags.map(|tags| ("tags".to_owned(), tags)));
        let answer = self.system.caller.upsert(payload).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.contact_id().unwrap().to_owned()
    }

    /// The application's change is stored, and not in Mautic yet.
    async fn says_without_mautic(&self, name: &str, value: Value) {
        let (key, mut record, _) = self.stored().await;
        record.fields.insert(name.to_owned(), value);
        // The application's own word takes the place of whatever a platform said.
        record.overlaid.remove(name);
        record.said.remove(name);
        (record.version, record.updated_at) = (record.version + 1, self.system.now());
        let save = Save::of(&key, &record);
        let saved = self.desk.services.contacts.save_record(&self.desk.integration.scope, &save).await;
        assert_eq!(saved.unwrap(), Attempt::Done);
    }

    /// Somebody edits the contact in Mautic.
    async fn edits(&self, fields: Value) {
        let path = format!("/api/contacts/{}/edit", self.contact);
        self.system.in_mautic(Method::PATCH, &path, Some(fields)).await;
    }

    /// Mautic's dates have whole seconds: what happens from now on is later than what happened until now.
    async fn a_second_later(&self) {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }

    async fn pull(&mut self) -> PullCounts {
        let until = self.system.now().checked_add(SignedDuration::from_mins(1)).unwrap();
        self.desk.pull(&mut self.state, until, "test").await.unwrap()
    }

    async fn stored(&self) -> (tandem_core::domain::identity::RecordKey, Record, Link) {
        let known = self.desk.know(&whom()).await.unwrap().record.unwrap();
        (known.0, known.1.record.unwrap(), known.1.link.unwrap())
    }

    async fn field(&self, name: &str) -> Value {
        self.stored().await.1.fields.get(name).cloned().unwrap_or_default()
    }

    fn in_mautic(&self, name: &str) -> Value {
        self.system.contact(EMAIL).fields.get(name).cloned().unwrap_or_default()
    }

    /// What the source was handed, oldest first.
    fn handed(&self) -> Vec<Value> {
        self.notebook.pulled().iter().map(|pulled| json!(pulled.fields)).collect()
    }
}

fn whom() -> Whom {
    Whom { email: Some(EMAIL.parse().unwrap()), ..Whom::default() }
}

#[tokio::test]
async fn an_edit_in_mautic_comes_back_once_and_is_not_undone_by_the_next_upsert() {
    let mut office = Office::open(Options::default()).await;
    office.edits(json!({"city": "Sydney", "mobile": "(04) 9876-5432"})).await;
    let counts = office.pull().await;
    assert_eq!((counts.changed, counts.end), (1, PullEnd::Finished));
    assert_eq!((office.field("city").await, office.field("mobile").await), (json!("Sydney"), json!("+61498765432")));
    assert_eq!(office.handed(), [json!({"city": "Sydney", "mobile": "+61498765432"})]);
    let calls = office.system.calls();
    office.says(json!({"city": "Perth", "first_name": "Ada"})).await;
    assert_eq!((office.system.calls(), office.in_mautic("city")), (calls, json!("Sydney")));
    office.says(json!({"city": "Hobart", "first_name": "Eve"})).await;
    assert_eq!((office.in_mautic("city"), office.in_mautic("firstname")), (json!("Hobart"), json!("Eve")));
    office.says(json!({"city": "Perth"})).await;
    assert_eq!(office.in_mautic("city"), "Perth");
}

#[tokio::test]
async fn what_only_shows_what_is_known_is_read_and_not_written() {
    let mut office = Office::open(Options::default()).await;
    office.says(json!({"city": "Perth", "first_name": "Eve"})).await;
    let before = office.stored().await;
    office.pull().await;
    for _ in 0..2 {
        let (writes, calls) = (office.system.table.meter().writes(), office.system.calls());
        let counts = office.pull().await;
        assert_eq!(office.system.table.meter().writes(), writes);
        assert_eq!(office.system.calls() - calls, 1, "the log alone is read");
        assert_eq!((counts.contacts, counts.echoes, counts.changed), (1, 1, 0));
    }
    let after = office.stored().await;
    assert_eq!((before.1.version, before.2.revision), (after.1.version, after.2.revision));
    assert!(office.handed().is_empty());
}

#[tokio::test]
async fn a_field_that_was_blanked_there_is_cleared() {
    let mut office = Office::open(Options::default()).await;
    office.edits(json!({"city": "", "overwriteWithBlank": true})).await;
    assert!(matches!(office.in_mautic("city"), Value::Null | Value::String(_)));
    office.pull().await;
    assert_eq!((office.field("city").await, office.handed()), (Value::Null, vec![json!({"city": null})]));
    office.says(json!({"city": "Perth", "first_name": "Eve"})).await;
    assert_ne!(office.in_mautic("city"), "Perth");
}

#[tokio::test]
async fn a_tag_that_mautic_5_1_stores_entity_encoded_is_no_edit_and_comes_back_as_it_is_spelt() {
    for version in MauticVersion::ALL {
        let mut office = Office::open(Options::default().mautic_version(version)).await;
        office.says(json!({"tags": ["o'neil", "r&d"]})).await;
        office.pull().await;
        office.a_second_later().await;
        office.edits(json!({"city": "Hobart"})).await;
        assert_eq!(office.pull().await.changed, 1, "{version}");
        assert_eq!(office.field("tags").await, json!(["o'neil", "r&d"]), "{version}: nobody changed them");
        office.a_second_later().await;
        office.edits(json!({"tags": ["m&m"]})).await;
        office.pull().await;
        let mut tags: Vec<String> = serde_json::from_value(office.field("tags").await).unwrap();
        tags.sort();
        assert_eq!(tags, ["m&m", "o'neil", "r&d"], "{version}");
    }
}

#[tokio::test]
async fn tags_points_and_the_stage_come_back() {
    let mut office = Office::open(Options::default()).await;
    office.says(json!({"tags": ["app", "old"]})).await;
    let stage = office.system.made_in_mautic("stages", "Customer").await;
    office.edits(json!({"tags": ["vip", "-old"]})).await;
    let post = async |path: String| office.system.in_mautic(Method::POST, &path, None).await;
    post(format!("/api/contacts/{}/points/plus/7", office.contact)).await;
    post(format!("/api/stages/{stage}/contact/{}/add", office.contact)).await;
    office.says(json!({"tags": ["app", "old", "new"]})).await;
    office.pull().await;
    let mut tags: Vec<_> = office.field("tags").await.as_array().unwrap().iter().map(Value::to_string).collect();
    tags.sort();
    assert_eq!(tags, ["\"app\"", "\"new\"", "\"vip\""]);
    assert_eq!((office.field("points").await, office.field("stage").await), (json!(7), json!("Customer")));
    assert_eq!(office.pull().await.changed, 0);
    office.says(json!({"tags": ["app", "old", "new", "more"]})).await;
    assert_eq!(office.system.contact(EMAIL).tags, ["app", "more", "new", "vip"]);
}

#[tokio::test]
async fn of_two_changes_the_later_one_stands() {
    let mut office = Office::open(Options::default()).await;
    office.says_without_mautic("city", json!("Hobart")).await;
    office.a_second_later().await;
    office.edits(json!({"city": "Sydney"})).await;
    office.pull().await;
    assert_eq!(office.field("city").await, "Sydney");
    office.edits(json!({"city": "Darwin"})).await;
    office.a_second_later().await;
    office.says_without_mautic("city", json!("Cairns")).await;
    assert_eq!(office.pull().await.changed, 0);
    office.says(json!({"city": "Cairns"})).await;
    assert_eq!((office.field("city").await, office.in_mautic("city")), (json!("Cairns"), json!("Cairns")));
}

#[tokio::test]
async fn field_merge_keeps_the_applications_value_unless_it_is_blank() {
    let mut office = Office::with_strategy("field_merge").await;
    office.says_without_mautic("city", json!("Hobart")).await;
    office.says_without_mautic("first_name", Value::Null).await;
    office.a_second_later().await;
    office.edits(json!({"city": "Sydney", "firstname": "Adele"})).await;
    office.pull().await;
    assert_eq!((office.field("city").await, office.field("first_name").await), (json!("Hobart"), json!("Adele")));
    office.says(json!({})).await;
    assert_eq!((office.in_mautic("city"), office.in_mautic("firstname")), (json!("Hobart"), json!("Adele")));
}

async fn contested() -> Office {
    let mut office = Office::with_strategy("manual").await;
    office.says_without_mautic("city", json!("Hobart")).await;
    office.edits(json!({"city": "Sydney"})).await;
    assert_eq!(office.pull().await.contested, 1);
    office
}

#[tokio::test]
async fn a_conflict_waits_for_a_person_and_holds_nothing_else_back() {
    let mut office = contested().await;
    let (_, _, link) = office.stored().await;
    assert_eq!((link.state, link.conflicts["city"].platform.clone()), (LinkState::Conflict, json!("Sydney")));
    office.says(json!({"city": "Hobart", "first_name": "Eve"})).await;
    assert_eq!((office.in_mautic("city"), office.in_mautic("firstname")), (json!("Sydney"), json!("Eve")));
    office.edits(json!({"lastname": "Lovelace"})).await;
    office.pull().await;
    assert_eq!((office.field("last_name").await, office.field("city").await), (json!("Lovelace"), json!("Hobart")));
    assert_eq!(office.stored().await.2.state, LinkState::Conflict);
    let calls = office.system.calls();
    office.says(json!({"city": "Hobart", "first_name": "Eve"})).await;
    assert_eq!(office.system.calls(), calls);
    let listed = office.desk.contested(None, 10).await.unwrap().0;
    assert_eq!((listed.len(), listed[0].fields.contains_key("city")), (1, true));
}

#[tokio::test]
async fn a_person_can_choose_either_side() {
    for (side, stands) in [(Side::Application, "Hobart"), (Side::Platform, "Sydney")] {
        let office = contested().await;
        office.desk.decide(&whom(), "city", side, "test").await.unwrap();
        office.system.finish().await;
        assert_eq!((office.field("city").await, office.in_mautic("city")), (json!(stands), json!(stands)));
        assert_eq!(office.stored().await.2.state, LinkState::Synced);
        assert_eq!(office.handed().len(), usize::from(side == Side::Platform));
        assert!(office.desk.contested(None, 10).await.unwrap().0.is_empty());
        assert!(office.desk.decide(&whom(), "city", side, "test").await.is_err());
    }
}

#[tokio::test]
async fn an_opt_out_in_mautic_is_learnt_and_a_bounce_is_not() {
    for (reason, expected) in [(3, Some(ConsentStatus::OptedOut)), (2, Some(ConsentStatus::OptedIn))] {
        let mut office = Office::open(Options::default()).await;
        let payload = json!({"id": "u1", "contact": {"email": EMAIL}, "consent": {"marketing_opt_in": true}});
        assert_eq!(office.system.caller.upsert(payload.clone()).await.unwrap().status, 200);
        let path = format!("/api/contacts/{}/dnc/email/add", office.contact);
        office.system.in_mautic(Method::POST, &path, Some(json!({"reason": reason, "comments": "by hand"}))).await;
        let counts = office.pull().await;
        assert_eq!(counts.opted_out, u64::from(reason == 3));
        assert_eq!(office.system.consent(EMAIL).await.unwrap(), expected);
        assert_eq!(office.pull().await.opted_out, 0);
        office.system.caller.upsert(payload).await.unwrap();
        assert_eq!(office.system.consent(EMAIL).await.unwrap(), expected);
        assert!(!office.system.contact(EMAIL).dnc.is_empty());
    }
}

#[tokio::test]
async fn contacts_made_in_mautic_and_contacts_that_are_gone_are_left_alone() {
    let mut office = Office::open(Options::default()).await;
    let made = json!({"email": "lead@example.com", "city": "Bern"});
    office.system.in_mautic(Method::POST, "/api/contacts/new", Some(made)).await;
    office.edits(json!({"city": "Sydney"})).await;
    office.system.in_mautic(Method::DELETE, &format!("/api/contacts/{}/delete", office.contact), None).await;
    let counts = office.pull().await;
    assert_eq!((counts.contacts, counts.unknown, counts.changed), (1, 1, 0));
    assert_eq!(office.field("city").await, "Perth");
}

#[tokio::test]
async fn a_contact_that_mautic_merged_away_is_followed_without_a_webhook() {
    let mut office = Office::open(Options::default()).await;
    let visitor = office.system.visitor().await;
    office.system.engage("submit", json!({"contact": visitor, "address": EMAIL})).await;
    let survivor = office.system.contact(EMAIL).id.to_string();
    assert_eq!(survivor, visitor.to_string());
    office.contact.clone_from(&survivor);
    office.edits(json!({"lastname": "Lovelace"})).await;
    office.pull().await;
    let (_, record, link) = office.stored().await;
    assert_eq!(link.remote_id.unwrap().0, survivor);
    assert_eq!(record.fields["last_name"], "Lovelace");
}

#[tokio::test]
async fn who_died_between_record_and_link_is_followed_by_a_look_that_mends_it() {
    let mut office = Office::open(Options::default()).await;
    let before = office.state.clone();
    office.edits(json!({"city": "Sydney"})).await;
    let (key, _, link) = office.stored().await;
    office.pull().await;
    // As if the link had never been written.
    let (_, record, after) = office.stored().await;
    let old = Link { revision: after.revision + 1, ..link };
    let store = &office.desk.services.contacts;
    let scope = office.desk.integration.scope.clone();
    store.relink(&scope, &key, &old, after.revision, office.system.now()).await.unwrap();
    office.state = before;
    let counts = office.pull().await;
    assert_eq!((counts.changed, counts.contested), (0, 0));
    let (_, mended, link) = office.stored().await;
    assert_eq!((mended.fields, link.snapshot["city"].clone()), (record.fields, json!("Sydney")));
    let calls = office.system.calls();
    office.says(json!({"city": "Perth"})).await;
    assert_eq!((office.system.calls(), office.in_mautic("city")), (calls, json!("Sydney")));
}

#[tokio::test]
async fn a_contact_that_is_being_written_is_looked_at_the_next_time() {
    let mut office = Office::open(Options::default()).await;
    office.edits(json!({"city": "Sydney"})).await;
    let (key, _, mut link) = office.stored().await;
    link.revision += 1;
    let now = office.system.now();
    let until = now.checked_add(SignedDuration::from_mins(1)).unwrap();
    let lease = Lease { owner: "somebody".to_owned(), until };
    let taken = Taken { key, link, lease };
    let scope = office.desk.integration.scope.clone();
    let took = office.desk.services.bulk.take_many(&scope, &[taken], now).await.unwrap();
    assert_eq!(took, [Attempt::Done]);
    let counts = office.pull().await;
    assert_eq!((counts.left, counts.changed), (1, 0));
    office.system.end_lease(EMAIL).await;
    assert_eq!(office.pull().await.changed, 1);
}

#[tokio::test]
async fn a_look_goes_on_where_the_budget_ended_and_an_idle_system_reads_nothing_twice() {
    let mut office = Office::open(Options::default()).await;
    office.edits(json!({"city": "Sydney"})).await;
    let scope = office.desk.integration.scope.clone();
    let budgets = tandem_app::store::BudgetTable::new(office.system.foundation.table.clone());
    let reset = office.system.now().checked_add(SignedDuration::from_mins(30)).unwrap();
    budgets.exhaust(&scope, reset, office.system.now()).await.unwrap();
    office.desk = office.system.desk();
    let counts = office.pull().await;
    assert!(matches!(counts.end, PullEnd::OutOfBudget(Some(_))), "{counts:?}");
    budgets.exhaust(&scope, office.system.now(), office.system.now()).await.unwrap();
    office.desk = office.system.desk();
    let counts = office.pull().await;
    assert_eq!((counts.changed, counts.end), (1, PullEnd::Finished));
    let cursor = office.state.pull.clone().unwrap();
    assert!(cursor.after.is_none() && cursor.since < office.system.now());
    assert!(!pull_is_due(&office.state, office.system.now(), SignedDuration::from_mins(60)));
    let later = office.system.now().checked_add(SignedDuration::from_mins(61)).unwrap();
    assert!(pull_is_due(&office.state, later, SignedDuration::from_mins(60)));
}

#[tokio::test]
async fn a_look_under_way_goes_on_behind_the_last_row() {
    let mut office = Office::open(Options::default()).await;
    office.edits(json!({"city": "Sydney"})).await;
    office.pull().await;
    let began = office.state.pulled_at;
    office.edits(json!({"city": "Darwin"})).await;
    office.state.pull.as_mut().unwrap().open = true;
    assert!(pull_is_due(&office.state, office.system.now(), SignedDuration::from_mins(60)));
    assert_eq!(office.pull().await.changed, 1);
    let cursor = office.state.pull.clone().unwrap();
    assert_eq!((office.state.pulled_at, cursor.is_under_way()), (began, false));
}

#[tokio::test]
async fn where_the_log_may_not_be_read_the_contacts_own_dates_stand_in() {
    let mut office = Office::open(Options::default().mautic_version(MauticVersion::V5_1)).await;
    let mut rule = FaultRule::new(FaultKind::Status).status(200).path("/api/stats/audit_log");
    rule.body = Some(json!({"errors": [{"message": "You do not have the view permission", "code": 403}]}).to_string());
    office.system.mautic.inject_faults(vec![rule]);
    office.edits(json!({"city": "Sydney"})).await;
    office.pull().await;
    assert_eq!(office.field("city").await, "Sydney");
    let mautic = office.system.foundation.mautic().unwrap().unwrap();
    let report = setup::examine(&mautic, &office.system.foundation.rules, None).await.unwrap();
    assert!(!report.reads_audit_log);
    office.system.mautic.clear_faults();
    assert!(setup::examine(&mautic, &office.system.foundation.rules, None).await.unwrap().reads_audit_log);
}

#[tokio::test]
async fn an_edit_comes_back_and_the_later_of_two_stands_in_every_version() {
    for version in MauticVersion::ALL {
        let mut office = Office::open(Options::default().mautic_version(version)).await;
        office.says_without_mautic("city", json!("Hobart")).await;
        office.a_second_later().await;
        office.edits(json!({"city": "Sydney", "lastname": "Lovelace"})).await;
        office.pull().await;
        assert_eq!((office.field("city").await, office.field("last_name").await), (json!("Sydney"), json!("Lovelace")));
        office.edits(json!({"city": "Darwin"})).await;
        office.a_second_later().await;
        office.says_without_mautic("city", json!("Cairns")).await;
        // What only touches the contact makes an older edit no later one.
        office.a_second_later().await;
        office.system.engage("send", json!({"address": EMAIL})).await;
        office.system.engage("open", json!({"address": EMAIL})).await;
        assert_eq!(office.pull().await.changed, 0, "{version}");
        assert_eq!(office.field("city").await, "Cairns", "{version}");
    }
}

#[tokio::test]
async fn a_run_that_reads_a_contact_before_it_writes_asks_the_log_which_edit_is_the_later_one() {
    for version in MauticVersion::ALL {
        for (platform_later, stands) in [(true, "Sydney"), (false, "Hobart")] {
            let office = Office::open(Options::default().mautic_version(version)).await;
            let row = |moment| {
                let fields = json!({"email": EMAIL, "city": "Hobart"});
                let fields = fields.as_object().unwrap().clone().into_iter().collect();
                SourceRow { kind: Kind::Person, id: "u1".to_owned(), updated_at: Some(moment), fields, deleted: false }
            };
            let early = office.system.now();
            office.a_second_later().await;
            office.edits(json!({"city": "Sydney"})).await;
            office.a_second_later().await;
            office.notebook.put([row(if platform_later { early } else { office.system.now() })]);
            office.desk.sync(SyncOptions::default()).await.unwrap();
            let both = (office.field("city").await, office.in_mautic("city"));
            assert_eq!(both, (json!(stands), json!(stands)), "{version}, platform later: {platform_later}");
        }
    }
}

#[tokio::test]
async fn the_first_look_after_an_import_reads_none_of_the_contacts_that_tandem_made() {
    for version in MauticVersion::ALL {
        let system = System::with(Options::default().mautic_version(version).without_worker()).await;
        let notebook = ListSource::default();
        let mut desk = system.desk();
        desk.services.source = Arc::new(notebook.clone());
        let person = |number: usize, name: &str| {
            let fields = json!({"email": format!("p{number}@example.com"), "first_name": name, "marketing_opt_in": !number.is_multiple_of(7)});
            let fields = fields.as_object().unwrap().clone().into_iter().collect();
            SourceRow {
                kind: Kind::Person,
                id: format!("u{number}"),
                updated_at: Some(system.now()),
                fields,
                deleted: false,
            }
        };
        notebook.put((0..300).map(|number| person(number, "Ada")));
        desk.sync(SyncOptions::default()).await.unwrap();
        let before = desk.integration.bulk.usage();
        let look = SyncOptions { pull: true, ..SyncOptions::default() };
        assert_eq!(desk.sync(look).await.unwrap().log.pulled, 0);
        let after = desk.integration.bulk.usage();
        assert_eq!(after.calls - before.calls, 1, "{version}");
        assert!(after.bytes - before.bytes < 60_000, "{version}: {} bytes", after.bytes - before.bytes);
        // What Tandem changed later is told by the log, and explained by what was sent.
        notebook.put((0..300).map(|number| person(number, "Eve")));
        desk.sync(SyncOptions::default()).await.unwrap();
        let before = desk.integration.bulk.usage();
        assert_eq!(desk.sync(look).await.unwrap().log.pulled, 0);
        assert_eq!(desk.integration.bulk.usage().calls - before.calls, 1, "{version}");
    }
}

#[tokio::test]
async fn a_webhook_brings_an_edit_back_at_once_and_the_look_after_it_finds_nothing() {
    let mut options = Options::default();
    options.mautic = options.mautic.webhooks(WebhookMode::Queue { every: None });
    let mut office = Office::open(options).await;
    office.system.guard().await;
    office.system.mautic.flush_webhooks().await;
    office.a_second_later().await;
    office.edits(json!({"city": "Sydney"})).await;
    let path = format!("/api/contacts/{}/points/plus/5", office.contact);
    office.system.in_mautic(Method::POST, &path, None).await;
    let calls = office.system.calls();
    office.system.mautic.flush_webhooks().await;
    assert_eq!((office.field("city").await, office.system.calls()), (json!("Sydney"), calls));
    assert_eq!(office.field("points").await, 5);
    let counts = office.pull().await;
    assert_eq!((counts.changed, counts.contested), (0, 0));
    office.says(json!({"city": "Perth", "first_name": "Eve"})).await;
    assert_eq!((office.in_mautic("city"), office.in_mautic("firstname")), (json!("Sydney"), json!("Eve")));
}

#[tokio::test]
async fn a_webhook_that_is_older_than_what_tandem_wrote_changes_nothing() {
    let mut options = Options::default();
    options.mautic = options.mautic.webhooks(WebhookMode::Queue { every: None });
    let office = Office::open(options).await;
    office.system.guard().await;
    office.edits(json!({"city": "Sydney"})).await;
    office.a_second_later().await;
    office.says(json!({"city": "Hobart"})).await;
    office.system.mautic.flush_webhooks().await;
    assert_eq!((office.field("city").await, office.in_mautic("city")), (json!("Hobart"), json!("Hobart")));
}
