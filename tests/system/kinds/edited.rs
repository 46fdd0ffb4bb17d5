//! What people change in Mautic's companies comes back to the organisation's record.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::domain::identity::{ExternalId, RecordKey};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::link::LinkState;
use tandem_core::ports::Clock;
use tandem_core::ports::runs::RunLog;
use tandem_core::sync::conflict::Side;
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_tests::system::Options;

use super::{Shop, organisation};
use crate::hub::Hub;

const EDITS: &str = "PATCH /api/companies/{id}/edit";
const LIST: &str = "GET /api/companies";

/// The organisation `o1`, Globex, in a city; said at that minute.
fn globex(city: &str, minute: u8) -> Value {
    json!({"kind": "organisation", "id": "o1", "name": "Globex", "city": city,
        "updated_at": format!("2026-11-01T10:{minute:02}:00Z")})
}

impl Shop {
    /// A shop whose organisation `o1` is on the platform, in Perth, and of which it was looked for changes since.
    async fn with_globex(options: Options) -> Self {
        let shop = Self::with(options).await;
        shop.rows(json!([globex("Perth", 1)])).await;
        shop.settle().await;
        shop.look().await;
        shop
    }

    /// A run that looks for changes on the platform.
    async fn look(&self) -> RunLog {
        self.hands.move_on(SignedDuration::from_mins(61));
        self.run().await
    }

    /// Somebody edits the company that is called so.
    async fn edit(&self, name: &str, fields: Value) {
        let companies = self.companies().await;
        let id = companies.iter().find(|(_, known)| *known == name).map(|(id, _)| *id).unwrap();
        self.system.in_mautic(Method::PATCH, &format!("/api/companies/{id}/edit"), Some(fields)).await;
    }

    async fn field(&self, name: &str) -> Value {
        self.stored(Kind::Organisation, "o1").await.record.unwrap().fields.get(name).cloned().unwrap_or_default()
    }

    /// The fields that the application is told of, of organisations.
    async fn told(&self) -> BTreeMap<String, Value> {
        let now: Timestamp = self.system.desk().services.clock.now();
        self.hands.move_on(SignedDuration::from_secs(20));
        let seen = self.system.desk().changes(None, &[Kind::Organisation], 100).await.unwrap().unwrap();
        assert!(seen.changes.iter().all(|change| change.kind == "organisation" && change.noted_at <= now));
        seen.changes.into_iter().flat_map(|change| change.fields).collect()
    }

    async fn key(&self) -> RecordKey {
        let id = ExternalId::try_from("o1".to_owned()).unwrap();
        RecordKey::first_known_by(&id.identity_as(Kind::Organisation))
    }
}

#[tokio::test]
async fn what_people_change_in_a_company_comes_back_is_told_and_makes_no_echo() {
    for version in [MauticVersion::V5_1, MauticVersion::V7_0] {
        let shop = Shop::with_globex(Options::default().mautic_version(version)).await;
        shop.edit("Globex", json!({"companycity": "Sydney", "companyaddress1": "1 Pitt St"})).await;
        let writes = shop.system.calls_of(EDITS);
        let log = shop.look().await;
        assert_eq!((log.pulled, log.updated), (1, 0), "{log:?}");
        assert_eq!(
            (shop.field("city").await, shop.field("address_line1").await),
            (json!("Sydney"), json!("1 Pitt St"))
        );
        assert_eq!(
            shop.told().await,
            [("address_line1", "1 Pitt St"), ("city", "Sydney")]
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .into()
        );
        let by = shop.stored(Kind::Organisation, "o1").await.record.unwrap().said["city"].by.clone();
        assert_eq!(by, shop.system.desk().integration.scope.integration);
        // What the application says once more is no change; what it says anew is.
        let mut again = globex("Perth", 2);
        again["website"] = json!("https://globex.example");
        shop.rows(json!([again])).await;
        shop.settle().await;
        shop.look().await;
        let company = shop.company("Globex").await;
        assert_eq!(
            (&company["companycity"], &company["companywebsite"]),
            (&json!("Sydney"), &json!("https://globex.example"))
        );
        assert_eq!((shop.field("city").await, shop.system.calls_of(EDITS) - writes), (json!("Sydney"), 1));
        shop.rows(json!([globex("Hobart", 3)])).await;
        shop.settle().await;
        assert_eq!(shop.company("Globex").await["companycity"], "Hobart");
    }
}

#[tokio::test]
async fn a_new_name_and_a_value_that_was_taken_away_come_back_too() {
    let shop = Shop::with_globex(Options::default()).await;
    shop.edit("Globex", json!({"companyname": "Globex & Sons", "companycity": "", "overwriteWithBlank": true})).await;
    shop.look().await;
    assert_eq!((shop.field("name").await, shop.field("city").await), (json!("Globex & Sons"), Value::Null));
    assert_eq!(shop.system.calls_of(EDITS), 1, "that of people");
}

#[tokio::test]
async fn an_edit_that_nobody_looked_for_yet_is_not_overwritten() {
    let shop = Shop::with_globex(Options::default()).await;
    shop.edit("Globex", json!({"companycity": "Sydney"})).await;
    let mut renamed = globex("Perth", 2);
    renamed["name"] = json!("Globex Ltd");
    shop.rows(json!([renamed])).await;
    shop.run().await;
    let company = shop.company("Globex Ltd").await;
    assert_eq!((&company["companycity"], shop.field("city").await), (&json!("Sydney"), json!("Sydney")));
}

#[tokio::test]
async fn of_what_both_sides_changed_the_later_one_stands() {
    for (minutes, stands) in [(-5, "Sydney"), (5, "Hobart")] {
        let shop = Shop::with_globex(Options::default()).await;
        shop.hands.move_on(SignedDuration::from_mins(30));
        // Mautic's clock shows the same.
        let now = shop.system.desk().services.clock.now();
        shop.system.mautic.advance_clock(now.duration_since(SystemClock.now()).try_into().unwrap());
        shop.edit("Globex", json!({"companycity": "Sydney"})).await;
        let said = now.checked_add(SignedDuration::from_mins(minutes)).unwrap();
        shop.hands.move_on(SignedDuration::from_mins(10));
        let mut row = globex("Hobart", 2);
        row["updated_at"] = json!(said.to_string());
        shop.rows(json!([row])).await;
        shop.settle().await;
        assert_eq!(
            (shop.field("city").await, &shop.company("Globex").await["companycity"]),
            (json!(stands), &json!(stands))
        );
    }
}

#[tokio::test]
async fn where_the_log_tells_nothing_an_edit_is_as_old_as_the_look_before_it() {
    let shop = Shop::with_globex(Options::default()).await;
    shop.edit("Globex", json!({"companycity": "Sydney"})).await;
    let silent = FaultRule::new(FaultKind::Status).status(200).path("/api/stats/audit_log");
    let silent = FaultRule { body: Some(json!({"stats": [], "total": "0"}).to_string()), ..silent };
    shop.system.mautic.inject_faults(vec![silent]);
    let mut row = globex("Hobart", 2);
    row["updated_at"] = json!(shop.system.desk().services.clock.now().to_string());
    shop.rows(json!([row])).await;
    shop.settle().await;
    assert_eq!(
        (shop.field("city").await, &shop.company("Globex").await["companycity"]),
        (json!("Hobart"), &json!("Hobart"))
    );
}

#[tokio::test]
async fn what_a_person_has_to_decide_waits_and_goes_where_it_is_said() {
    for (side, stands) in [(Side::Platform, "Sydney"), (Side::Application, "Hobart")] {
        let shop = Shop::with_globex(Options::default().with("TANDEM_CONFLICT_STRATEGY", "manual")).await;
        shop.edit("Globex", json!({"companycity": "Sydney"})).await;
        shop.rows(json!([globex("Hobart", 2)])).await;
        shop.settle().await;
        let log = shop.look().await;
        assert_eq!(log.conflicts, 0, "it was told when it was met");
        assert_eq!(
            (shop.field("city").await, &shop.company("Globex").await["companycity"]),
            (json!("Hobart"), &json!("Sydney"))
        );
        let (desk, key) = (shop.system.desk(), shop.key().await);
        let (contested, _) = desk.contested(None, 10).await.unwrap();
        assert_eq!((contested.len(), contested[0].fields.contains_key("city")), (1, true));
        desk.decide_record(&key, "city", side, "a-decision").await.unwrap();
        shop.settle().await;
        assert_eq!(
            (shop.field("city").await, &shop.company("Globex").await["companycity"]),
            (json!(stands), &json!(stands))
        );
        assert!(desk.contested(None, 10).await.unwrap().0.is_empty());
    }
}

#[tokio::test]
async fn a_long_list_is_gone_through_page_by_page_and_goes_on_when_the_budget_ended() {
    let shop = Shop::open().await;
    let many: Vec<String> = (0..250).map(|number| format!("Firm {number}")).collect();
    shop.system.mautic.plant_companies(&many.iter().map(String::as_str).collect::<Vec<_>>());
    shop.rows(json!([{"kind": "organisation", "id": "o1", "name": "Firm 249", "city": "Perth"}])).await;
    shop.settle().await;
    shop.look().await;
    shop.edit("Firm 249", json!({"companycity": "Sydney"})).await;
    let mut fine = FaultRule::new(FaultKind::Delay).method("GET").path("/api/companies").times(1);
    fine.delay_ms = Some(0);
    let used_up = FaultRule::new(FaultKind::Status).status(429).method("GET").path("/api/companies").times(1);
    shop.system.mautic.inject_faults(vec![fine, used_up]);
    let before = shop.system.calls_of(LIST);
    shop.hands.move_on(SignedDuration::from_mins(61));
    let ran = shop.system.desk().sync(SyncOptions::default()).await.unwrap();
    assert_eq!((ran.log.pulled, shop.field("city").await), (0, json!("Perth")), "{ran:?}");
    assert_eq!(shop.system.calls_of(LIST) - before, 2);
    shop.hands.move_on(SignedDuration::from_mins(61));
    let log = shop.run().await;
    assert_eq!((log.pulled, shop.field("city").await), (1, json!("Sydney")), "{log:?}");
    assert_eq!(shop.system.calls_of(LIST) - before, 4, "it went on with the second page");
}

#[tokio::test]
async fn companies_are_looked_through_only_where_there_are_organisations() {
    let shop = Shop::open().await;
    shop.rows(json!([{"id": "u1", "email": "u1@example.com"}, {"kind": "deal", "id": "d1", "name": "Renewal"}])).await;
    shop.settle().await;
    shop.look().await;
    assert_eq!(shop.system.calls_of(LIST), 0);
    shop.rows(json!([organisation("o1", "Globex")])).await;
    shop.settle().await;
    let before = shop.system.calls_of(LIST);
    shop.look().await;
    assert_eq!(shop.system.calls_of(LIST) - before, 1);
    shop.run().await;
    assert_eq!(shop.system.calls_of(LIST) - before, 1, "not before the interval has passed");
}

#[tokio::test]
async fn what_another_records_create_left_in_a_company_is_nobodys_edit() {
    let shop = Shop::with_globex(Options::default()).await;
    let mut second = organisation("o2", "GLOBEX");
    (second["city"], second["address_line1"]) = (json!("Sydney"), json!("2 Pitt St"));
    shop.rows(json!([second])).await;
    let mut blind = FaultRule::new(FaultKind::Status).status(200).method("GET").path("/api/companies").times(1);
    blind.body = Some(json!({"total": "0", "companies": {}}).to_string());
    shop.system.mautic.inject_faults(vec![blind]);
    shop.run().await;
    assert_eq!(shop.system.calls_of("POST /api/companies/new"), 2, "it was sent");
    for _ in 0..3 {
        let log = shop.look().await;
        assert_eq!(log.pulled, 0, "{log:?}");
    }
    assert_eq!((shop.field("city").await, shop.field("address_line1").await), (json!("Perth"), Value::Null));
    assert_eq!(shop.company("Globex").await["companycity"], "Perth");
    shop.edit("Globex", json!({"companycity": "Hobart"})).await;
    shop.look().await;
    assert_eq!(shop.field("city").await, "Hobart", "an edit after it is one");
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_no_edit_of_people() {
    let shop = Shop::with_globex(Options::default().with("TANDEM_CONFLICT_STRATEGY", "manual")).await;
    shop.rows(json!([globex("Sydney", 2)])).await;
    let lost =
        FaultRule::new(FaultKind::LostReply).how(LostReply::Close).method("PATCH").path("/api/companies").times(1);
    shop.system.mautic.inject_faults(vec![lost]);
    shop.run().await;
    shop.rows(json!([globex("Hobart", 3)])).await;
    shop.settle().await;
    shop.look().await;
    let link = shop.stored(Kind::Organisation, "o1").await.link.unwrap();
    assert_eq!((link.state, link.conflicts.len()), (LinkState::Synced, 0));
    assert_eq!(
        (shop.field("city").await, &shop.company("Globex").await["companycity"]),
        (json!("Hobart"), &json!("Hobart"))
    );
}

#[tokio::test]
async fn a_company_that_mautic_does_not_show_holds_up_no_other() {
    let shop = Shop::with_globex(Options::default()).await;
    shop.rows(json!([organisation("o2", "Initech")])).await;
    shop.settle().await;
    let first = *shop.companies().await.iter().find(|(_, name)| *name == "Globex").unwrap().0;
    let broken = FaultRule::new(FaultKind::Status).status(500).path(format!("/api/companies/{first}"));
    shop.system.mautic.inject_faults(vec![broken]);
    let mut second = organisation("o2", "Initech");
    second["city"] = json!("Perth");
    shop.rows(json!([globex("Hobart", 2), second])).await;
    for _ in 0..6 {
        shop.run().await;
        shop.hands.move_on(SignedDuration::from_secs(10));
    }
    assert_eq!(shop.company("Initech").await["companycity"], "Perth");
    shop.system.mautic.clear_faults();
    shop.settle().await;
    assert_eq!(shop.company("Globex").await["companycity"], "Hobart");
}

#[tokio::test]
async fn whenever_the_process_dies_an_edit_comes_back_and_is_told() {
    for writes in 1.. {
        let shop = Shop::with_globex(Options::default()).await;
        shop.edit("Globex", json!({"companycity": "Sydney"})).await;
        let mut renamed = globex("Perth", 2);
        renamed["name"] = json!("Globex Ltd");
        shop.rows(json!([renamed])).await;
        shop.hands.move_on(SignedDuration::from_mins(61));
        let ended = shop.dies_after(writes).await;
        shop.settle().await;
        let company = shop.company("Globex Ltd").await;
        assert_eq!(
            (&company["companycity"], shop.field("city").await),
            (&json!("Sydney"), json!("Sydney")),
            "{writes}"
        );
        assert_eq!(shop.told().await.get("city"), Some(&json!("Sydney")), "after {writes} writes");
        if ended {
            assert!(writes > 6, "a run of {writes} writes is none");
            return;
        }
    }
}

#[tokio::test]
async fn an_edit_of_a_company_in_one_mautic_reaches_the_other_one_once() {
    let hub = Hub::open().await;
    hub.rows(json!([globex("Perth", 1)])).await;
    hub.settle().await;
    let edited = json!({"companycity": "Sydney", "companyname": "Globex Ltd"});
    hub.other.in_mautic(Method::PATCH, "/api/companies/1/edit", Some(edited)).await;
    let before = hub.writes();
    for _ in 0..2 {
        let pulled = SyncOptions { pull: true, ..SyncOptions::default() };
        hub.other.desk().sync(pulled).await.unwrap();
        hub.one.desk().sync(pulled).await.unwrap();
        hub.one.finish().await;
    }
    let shown = hub.one.in_mautic(Method::GET, "/api/companies/1", None).await;
    let fields = &shown["company"]["fields"]["all"];
    assert_eq!((&fields["companycity"], &fields["companyname"]), (&json!("Sydney"), &json!("Globex Ltd")));
    assert_eq!(hub.writes() - before, 1, "the one that carried it over");
    hub.is_quiet().await;
}

#[tokio::test]
async fn no_organisation_is_put_off_for_longer_because_mautic_was_away() {
    let shop = Shop::with_globex(Options::default()).await;
    shop.rows(json!([globex("Sydney", 2), organisation("o2", "Initech")])).await;
    shop.system.mautic_answers(503);
    for _ in 0..12 {
        shop.run().await;
        shop.hands.move_on(SignedDuration::from_mins(16));
    }
    shop.system.mautic.clear_faults();
    shop.hands.move_on(SignedDuration::from_secs(5));
    shop.run().await;
    assert_eq!((shop.company("Globex").await["companycity"].clone(), shop.marks().await), (json!("Sydney"), 0));
}
