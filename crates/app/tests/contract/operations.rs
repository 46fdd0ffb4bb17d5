//! The operation log over the table: order, windows, pages, tenants, and packs that fill more than an item.

use jiff::Timestamp;
use tandem_app::store::OperationTable;
use tandem_core::domain::operation::{OperationKind, WriteCall, WrittenPart};
use tandem_core::ports::operations::{OperationLog, Pack};
use tandem_core::ports::place::TimePlace;

use crate::fixture::{START, at, remote, scope, world};

const DAY: i64 = 86_400;

fn call(second: i64, ids: &[&str]) -> WriteCall {
    let part = |id: &&str| WrittenPart { remote_id: Some(remote(id)), ..WrittenPart::default() };
    WriteCall {
        kind: OperationKind::Update,
        object: "contact".to_owned(),
        list: None,
        at: at(second),
        duration_ms: 5,
        correlation_id: None,
        run: None,
        parts: ids.iter().map(part).collect(),
    }
}

fn pack(second: i64, name: &str, ids: &[&str]) -> Pack {
    Pack { place: TimePlace { at: at(second), name: name.to_owned() }, calls: vec![call(second, ids)] }
}

fn names(packs: &[Pack]) -> Vec<&str> {
    packs.iter().map(|pack| pack.place.name.as_str()).collect()
}

#[tokio::test]
async fn packs_are_read_from_the_newest_down_over_months_and_each_once() {
    let world = world().await;
    let (log, scope) = (OperationTable::new(world.local.table().clone()), scope("a"));
    for (days, name) in [(-70, "a"), (-40, "b"), (0, "c"), (0, "d")] {
        log.keep(&scope, &pack(START + days * DAY, name, &["1"])).await.unwrap();
    }
    log.keep(&scope, &pack(START, "d", &["1"])).await.unwrap();
    let all = log.packs(&scope, &TimePlace::behind(at(START)), Timestamp::UNIX_EPOCH, 10).await.unwrap();
    assert_eq!(names(&all), ["d", "c", "b", "a"], "of one moment by name; keeping twice is keeping once");
    assert_eq!(all[2], pack(START - 40 * DAY, "b", &["1"]));
    let since = log.packs(&scope, &TimePlace::behind(at(START)), at(START - 40 * DAY), 10).await.unwrap();
    assert_eq!(names(&since), ["d", "c", "b"]);
    let two = log.packs(&scope, &all[1].place, Timestamp::UNIX_EPOCH, 2).await.unwrap();
    assert_eq!(names(&two), ["c", "b"], "from the place on, itself included");
}

#[tokio::test]
async fn tenants_and_integrations_see_their_own_operations_alone() {
    let world = world().await;
    let log = OperationTable::new(world.local.table().clone());
    log.keep(&scope("a"), &pack(START, "a", &["1"])).await.unwrap();
    let read = async |tenant| log.packs(&scope(tenant), &TimePlace::behind(at(START)), at(0), 10).await.unwrap().len();
    assert_eq!((read("a").await, read("b").await), (1, 0));
}

#[tokio::test]
async fn a_batch_costs_one_write_and_what_fills_more_than_an_item_is_split_in_order() {
    let world = world().await;
    let (log, scope) = (OperationTable::new(world.local.table().clone()), scope("a"));
    let key = |number: usize| {
        format!("{:032x}", (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    };
    let many = |count: usize| {
        let keys: Vec<String> = (0..count).map(key).collect();
        pack(START, "many", &keys.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (before, units) = (world.local.meter().writes(), world.local.meter().write_units());
    log.keep(&scope, &many(200)).await.unwrap();
    assert_eq!(world.local.meter().writes() - before, 1);
    assert!(world.local.meter().write_units() - units <= 6, "{}", world.local.meter().write_units() - units);
    let large = many(40_000);
    log.keep(&scope, &large).await.unwrap();
    let packs = log.packs(&scope, &TimePlace::behind(at(START)), at(0), 100).await.unwrap();
    assert!(packs.len() > 1);
    let ids = |packs: &mut dyn Iterator<Item = &Pack>| {
        packs
            .flat_map(|pack| &pack.calls)
            .flat_map(|call| &call.parts)
            .map(|part| part.remote_id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&mut packs.iter().rev()), ids(&mut std::iter::once(&large)));
}
