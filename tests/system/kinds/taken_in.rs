//! What becomes of records of other kinds on their way in.

use std::sync::Arc;

use serde_json::{Value, json};
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::record::LARGEST_ROW;
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::run::SyncOptions;
use tandem_tests::command::tandem;
use tandem_tests::list_source::ListSource;

use super::{Shop, deal, organisation, person};

#[tokio::test]
async fn records_of_all_kinds_are_taken_in_one_call_and_a_bad_one_keeps_no_other_out() {
    let shop = Shop::open().await;
    let answer = shop
        .hand_over(json!([
            person("7", "7"), organisation("7", "Globex"), deal("7", "7", "7"),
            {"kind": "firm", "id": "8"}, {"kind": 3, "id": "9"}, {"kind": "organisation", "name": "Nobody"},
            {"kind": "deal", "id": "10", "person_ids": [{"a": 1}]},
        ]))
        .await;
    let told = |key: &str| -> Vec<Value> {
        answer.data()["results"].as_array().unwrap().iter().map(|result| result[key].clone()).collect()
    };
    assert_eq!(told("status")[..3], ["stored", "stored", "stored"]);
    assert_eq!(told("kind")[..3], ["person", "organisation", "deal"]);
    let issues: Vec<Value> = told("issues")[3..].iter().map(|issues| issues[0]["field"].clone()).collect();
    assert_eq!(issues, ["records[3].kind", "records[4].kind", "records[5].id", "records[6].person_ids"]);
    let repeated = shop.hand_over(json!([organisation("7", "Globex"), deal("7", "7", "7")])).await;
    assert_eq!(repeated.data()["unchanged"], 2);
}

#[tokio::test]
async fn one_id_of_three_kinds_is_three_records_and_a_deal_is_stored_and_sent_nowhere() {
    let shop = Shop::open().await;
    shop.rows(json!([person("7", "7"), organisation("7", "Globex"), deal("7", "7", "7")])).await;
    let log = shop.run().await;
    assert_eq!((log.taken, log.created, log.failed, log.rejected), (3, 2, 0, 0), "{log:?}");
    assert!(shop.stored(Kind::Organisation, "7").await.link.unwrap().remote_id.unwrap().0.starts_with("company/"));
    let deal = shop.stored(Kind::Deal, "7").await;
    assert_eq!(deal.record.unwrap().fields["name"], "Renewal");
    assert_eq!((deal.link, shop.marks().await), (None, 0));
    let before = shop.system.calls();
    assert_eq!(shop.run().await.taken, 0);
    assert_eq!(shop.system.calls(), before, "a run with nothing new calls nobody");
}

#[tokio::test]
async fn a_file_of_organisations_is_imported_with_all_its_columns() {
    let shop = Shop::open().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("organisations.csv");
    let columns = "id,name,website,employees,country,industry,our_rating";
    std::fs::write(&file, format!("{columns}\n1,Globex,https://globex.example,120,AU,Technology,A\n")).unwrap();
    let mautic = [
        ("MAUTIC_BASE_URL", shop.system.mautic.base_url()),
        ("MAUTIC_CLIENT_ID", "1_demo".to_owned()),
        ("MAUTIC_CLIENT_SECRET", "demo-secret".to_owned()),
        ("TANDEM_ALLOW_PRIVATE_TARGETS", "true".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let run = async |arguments: &[&str]| {
        let arguments = [&["--json"], arguments].concat();
        let printed = tandem(&folder.path().join("data"), &mautic, &arguments).await;
        assert!(printed.success, "{printed:?}");
        printed.json()
    };
    let imported = run(&["import", "--kind", "organisation", file.to_str().unwrap()]).await;
    assert_eq!((&imported["stored"], &imported["rejected"]), (&json!(1), &json!(0)), "{imported}");
    run(&["sync"]).await;
    let company = shop.company("Globex").await;
    for (field, value) in [
        ("companywebsite", json!("https://globex.example")),
        ("companynumber_of_employees", json!(120)),
        ("companycountry", json!("Australia")),
        ("companyindustry", json!("Technology")),
    ] {
        assert_eq!(company[field], value, "{field}");
    }
    let shown = run(&["record", "show", "organisation", "1"]).await;
    assert_eq!(shown["record"]["fields"]["our_rating"], "A", "{shown}");
}

#[tokio::test]
async fn an_organisation_that_is_gone_stays_in_mautic_and_comes_back() {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("1", "Globex")])).await;
    shop.settle().await;
    shop.rows(json!([{"kind": "organisation", "id": "1", "deleted": true}])).await;
    let log = shop.settle().await;
    assert_eq!((log.gone, shop.companies().await.len()), (1, 1), "nothing is deleted unless that is the rule");
    shop.rows(json!([organisation("1", "Globex Ltd")])).await;
    shop.settle().await;
    assert_eq!(shop.companies().await.into_values().collect::<Vec<_>>(), ["Globex Ltd"]);
}

#[tokio::test]
async fn where_the_rule_deletes_a_company_goes_with_its_record() {
    let shop = Shop::with(tandem_tests::system::Options::default().with("TANDEM_VANISHED", "delete")).await;
    shop.rows(json!([organisation("1", "Globex"), person("u1", "1")])).await;
    shop.settle().await;
    shop.rows(json!([{"kind": "organisation", "id": "1", "deleted": true}])).await;
    shop.settle().await;
    assert!(shop.companies().await.is_empty());
    assert_eq!(shop.stored(Kind::Organisation, "1").await.record, None);
    shop.rows(json!([organisation("1", "Globex")])).await;
    shop.settle().await;
    assert_eq!(shop.belongs_to("u1@example.com").await.last().unwrap(), "Globex");
}

#[tokio::test]
async fn a_dry_run_tells_of_all_kinds_and_writes_nothing() {
    let shop = Shop::open().await;
    shop.rows(json!([person("7", "7"), organisation("7", "Globex"), deal("7", "7", "7")])).await;
    let mut planned = Vec::new();
    let before = shop.system.calls();
    shop.system.desk().dry_run(false, &mut |change| planned.push(change)).await.unwrap();
    let mut ids: Vec<&str> = planned.iter().map(|change| change.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!((ids, shop.system.calls() - before), (vec!["7", "deal 7", "organisation 7"], 0));
    assert!(shop.companies().await.is_empty());
}

#[tokio::test]
async fn a_take_alone_stores_and_the_next_run_sends() {
    let shop = Shop::open().await;
    shop.rows(json!([organisation("1", "Globex"), person("u1", "1")])).await;
    let options = SyncOptions { take_only: true, ..SyncOptions::default() };
    shop.system.desk().sync(options).await.unwrap();
    assert!(shop.companies().await.is_empty());
    shop.settle().await;
    assert_eq!(shop.belongs_to("u1@example.com").await, ["Globex"]);
}

/// As a view of the application's own database shows it, which Tandem has no say in.
fn viewed(kind: Kind, id: &str, fields: Value) -> SourceRow {
    let fields = fields.as_object().unwrap().clone().into_iter().collect();
    SourceRow { kind, id: id.to_owned(), updated_at: "2026-11-28T08:00:00Z".parse().ok(), fields, deleted: false }
}

#[tokio::test]
async fn a_row_that_no_record_can_hold_is_told_by_name_and_keeps_no_other_out() {
    let shop = Shop::open().await;
    let much = |bytes: usize| "x".repeat(bytes);
    let source = ListSource::of([
        viewed(Kind::Organisation, "o1", json!({"name": "Globex", "notes": much(400_000)})),
        viewed(Kind::Organisation, "o2", json!({"name": "Initech", "notes": much(LARGEST_ROW - 1_000)})),
        viewed(Kind::Deal, "d1", json!({"name": "Renewal", "history": much(2_000_000)})),
        viewed(
            Kind::Person,
            "u1",
            json!({"email": "u1@example.com", "organisation_id": "o2", "biography": much(400_000)}),
        ),
        viewed(Kind::Person, "u2", json!({"email": "u2@example.com", "first_name": much(400_000)})),
    ]);
    let mut desk = shop.system.desk();
    desk.services.source = Arc::new(source);
    let ran = desk.sync(SyncOptions::default()).await.unwrap();
    assert_eq!((ran.stopped, ran.log.taken, ran.log.rejected), (None, 2, 3), "{:?}", ran.log);
    let mut told: Vec<(&str, &str, IssueCode)> = ran
        .log
        .problems
        .iter()
        .map(|problem| (problem.id.as_str(), problem.issue.field.as_str(), problem.issue.code))
        .filter(|(_, _, code)| *code == IssueCode::TooLong)
        .collect();
    told.sort_by_key(|(id, ..)| *id);
    assert_eq!(
        told,
        [
            ("deal d1", "history", IssueCode::TooLong),
            ("organisation o1", "notes", IssueCode::TooLong),
            ("u2", "first_name", IssueCode::TooLong)
        ]
    );
    assert_eq!(shop.belongs_to("u1@example.com").await, ["Initech"]);
    let again = desk.sync(SyncOptions::default()).await.unwrap();
    assert_eq!((again.log.rejected, again.log.problems.len()), (0, 0), "it is told once");
}
