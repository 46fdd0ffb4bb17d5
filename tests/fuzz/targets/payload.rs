//! Any bytes as a delivery: they are split without a panic, into the same entries each time, and what becomes a key of a
//! table stays within the length of one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_connectors::mautic::webhook::MauticDeliveries;
use tandem_core::webhook::entry::{Deliveries, EntryKind};

/// A sort key of the table may have 1,024 bytes; a natural id is a part of one.
const LONGEST_NAME: usize = 200;

fuzz_target!(|body: &[u8]| {
    let Ok(told) = MauticDeliveries.split(body) else { return };
    assert_eq!(Some(&told), MauticDeliveries.split(body).ok().as_ref());
    for entry in told.iter().flatten() {
        if let EntryKind::Engagement(event) = &entry.kind {
            assert!(event.natural_id.len() <= LONGEST_NAME);
            assert!(entry.contact.is_some() || entry.email.is_some());
        }
    }
});
