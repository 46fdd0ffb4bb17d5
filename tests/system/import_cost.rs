//! What an imported contact costs the table, in units that DynamoDB bills: counts, which are the same on any machine.

use std::collections::BTreeMap;

use serde_json::json;
use tandem_core::ports::source::SourceRow;
use tandem_tests::customers;
use tandem_tests::list_source::source_row;

use super::sync_run::{Shop, row};

/// Write units for each contact, in hundredths, by what is written.
async fn units_of_an_import(rows: Vec<SourceRow>) -> BTreeMap<String, u64> {
    let shop = Shop::with(rows).await;
    let meter = shop.system.table.meter();
    let before = meter.write_units_by_item();
    let log = shop.sync().await;
    let spent = meter.write_units_by_item().into_iter().map(|(name, units)| {
        let spent = units - before.get(&name).copied().unwrap_or_default();
        (name, spent * 100 / log.created)
    });
    spent.collect()
}

/// Asserts how much of each is spent at most, and how much on all that is not named.
fn assert_at_most(spent: &BTreeMap<String, u64>, most: &[(&str, u64)], others: u64) {
    let named = |name: &str| most.iter().find(|(known, _)| *known == name).map(|(_, most)| *most);
    for (name, units) in spent {
        assert!(named(name).is_none_or(|most| *units <= most), "{name}: {spent:?}");
    }
    let rest: u64 = spent.iter().filter(|(name, _)| named(name).is_none()).map(|(_, units)| units).sum();
    assert!(rest <= others, "{spent:?}");
}

/// Record, two pointers, place in the list, lease, end of the write and the contact's pointer once each; a share of a pack.
const OF_A_CONTACT: &[(&str, u64)] =
    &[("record", 100), ("identity", 200), ("records", 100), ("link", 200), ("remote", 100), ("outbox", 25)];

#[tokio::test]
async fn an_imported_contact_costs_seven_write_units_and_a_fraction() {
    let person = |number: usize| {
        let fields = json!({
            "email": format!("p{number}@example.com"), "first_name": format!("Name{number}"), "last_name": "Last",
            "suburb": "Perth", "country": "AU", "total_orders": number % 7, "total_spent": number * 3,
        });
        row(&format!("id-{number:04}"), 1, fields)
    };
    let spent = units_of_an_import((0..500).map(person).collect()).await;
    assert_at_most(&spent, OF_A_CONTACT, 25);
    assert!(spent.values().sum::<u64>() <= 800, "what the documents promise: {spent:?}");
}

/// Some of the shop's customers have records over 1 KB, and some no word on mail.
#[tokio::test]
async fn what_a_customer_said_of_mail_costs_one_unit_more_and_a_segment_one() {
    let spent = units_of_an_import(customers::sample(500).iter().map(source_row).collect()).await;
    let of_a_customer = [
        ("record", 110),
        ("identity", 215),
        ("records", 100),
        ("link", 300),
        ("remote", 100),
        ("outbox", 25),
        ("consent", 105),
    ];
    assert_at_most(&spent, &of_a_customer, 25);
}
