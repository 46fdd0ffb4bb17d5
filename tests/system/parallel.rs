//! Batch calls of a run that are under way at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::ports::runs::RunEnd;
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::run::{Ran, Stopped, SyncOptions};
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::system::Options;
use tandem_tests::version;

use super::sync_run::{Shop, row};

/// What a contact of a batch takes: two hundred of them a fifth of a second.
const ENTRY: Duration = Duration::from_millis(1);
const CREATE: &str = "PUT /api/contacts/batch/edit";

/// A Mautic that works on so many calls at the same time.
fn with_cores(cores: usize) -> Options {
    Options { mautic: version::mautic().batches(ENTRY, cores), ..Options::default() }
}

/// Somebody of one of a few companies, with one of a few tags and one that only three others have.
fn person(number: usize) -> SourceRow {
    let fields = json!({
        "email": format!("p{number}@example.com"), "first_name": format!("Name{number}"),
        "company": format!("Company {}", number % 9), "tags": [format!("tag-{}", number % 7), format!("of-{}", number % 400)],
    });
    row(&format!("id-{number:05}"), 1, fields)
}

async fn names(shop: &Shop, path: &str, list: &str, name: &str) -> Vec<String> {
    let answer = shop.system.in_mautic(Method::GET, &format!("{path}?limit=1000"), None).await;
    let rows: Vec<&Value> = match &answer[list] {
        Value::Object(rows) => rows.values().collect(),
        Value::Array(rows) => rows.iter().collect(),
        _ => Vec::new(),
    };
    rows.into_iter().filter_map(|row| row.pointer(name)?.as_str().map(str::to_owned)).collect()
}

fn doubled(names: &[String]) -> BTreeSet<&String> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    names.iter().for_each(|name| *counts.entry(name).or_default() += 1);
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect()
}

#[tokio::test]
async fn a_platform_with_cores_to_spare_has_several_batches_under_way_and_no_more_than_it_is_set() {
    for (setting, expected) in [(None, 2..=3), (Some("2"), 2..=2), (Some("1"), 1..=1)] {
        let options = setting.map_or(with_cores(8), |most| with_cores(8).with("MAUTIC_PARALLEL_BATCHES", most));
        let shop = Shop::of((0..2_400).map(person), options).await;
        let log = shop.sync().await;
        assert_eq!((log.created, log.failed), (2_400, 0));
        assert_eq!(shop.system.mautic.contacts().len(), 2_400);
        assert_eq!(shop.system.calls_of(CREATE), 12, "every call is full all the same");
        let at_once = shop.system.mautic.stats().batches_at_once;
        assert!(expected.contains(&at_once), "{at_once} at once with the setting {setting:?}");
        let second = shop.sync().await;
        assert_eq!((second.created + second.updated, second.calls), (0, 0), "nothing is left over");
    }
}

#[tokio::test]
async fn tags_and_companies_are_made_once_by_batches_under_way_at_the_same_time() {
    for mautic in [MauticVersion::V5_1, MauticVersion::V7_0] {
        let shop = Shop::of((0..2_400).map(person), with_cores(8).mautic_version(mautic)).await;
        let log = shop.sync().await;
        assert_eq!((log.created, log.failed), (2_400, 0));
        assert!(shop.system.mautic.stats().batches_at_once > 1, "or this shows nothing");
        let tags = names(&shop, "/api/tags", "tags", "/tag").await;
        assert_eq!((tags.len(), doubled(&tags)), (407, BTreeSet::new()), "{mautic}");
        let companies = names(&shop, "/api/companies", "companies", "/fields/all/companyname").await;
        assert_eq!((companies.len(), doubled(&companies)), (9, BTreeSet::new()), "{mautic}");
    }
}

/// A run into which this fault falls once so many contacts are there.
async fn run_into(shop: &Shop, fault: FaultRule, after: usize) -> Ran {
    let strike = async {
        while shop.system.mautic.contacts().len() < after {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shop.system.mautic.inject_faults(vec![fault]);
    };
    tokio::join!(shop.run(SyncOptions::default()), strike).0
}

#[tokio::test]
async fn calls_under_way_are_settled_when_another_one_finds_the_budget_used_up() {
    let shop = Shop::of((0..2_400).map(person), with_cores(8)).await;
    let mut used_up = FaultRule::new(FaultKind::Status).status(429).method("PUT").times(1);
    used_up.retry_after = Some(1);
    let ran = run_into(&shop, used_up, 800).await;
    assert!(matches!(ran.stopped, Some(Stopped::Paused(_))), "{:?}", ran.stopped);
    let made = shop.system.mautic.contacts().len() as u64;
    assert_eq!(ran.log.created, made, "what is there is known");
    assert!((800..2_400).contains(&made), "{made}");
    let (calls, looks) = (shop.system.calls_of(CREATE), shop.system.calls_of("GET /api/contacts"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let log = shop.sync().await;
    assert_eq!((log.end, log.created), (RunEnd::Finished, 2_400));
    assert_eq!(shop.system.mautic.contacts().len(), 2_400);
    assert_eq!(shop.system.calls_of(CREATE) - calls, (2_400 - made).div_ceil(200), "no contact is sent twice");
    assert_eq!(shop.system.calls_of("GET /api/contacts") - looks, 0, "and none is looked up: nothing was in doubt");
}

#[tokio::test]
async fn replies_that_are_lost_together_are_one_failure_and_make_nobody_twice() {
    let shop = Shop::of((0..2_400).map(person), with_cores(8)).await;
    let lost = FaultRule::new(FaultKind::LostReply).method("PUT").times(3);
    let ran = run_into(&shop, lost, 1_000).await;
    assert_eq!((ran.stopped, ran.log.created), (None, 2_400));
    assert_eq!(shop.system.mautic.stats().duplicates, BTreeMap::new());
    assert_eq!(shop.system.mautic.contacts().len(), 2_400);
}
