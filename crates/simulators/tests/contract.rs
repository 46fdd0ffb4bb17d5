//! The simulated Mautic against the recordings of the real one.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

use std::path::Path;

use tandem_simulators::contract;

#[tokio::test]
async fn answers_like_the_recorded_mautic() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/mautic-5.1.0");
    let report = contract::replay(&recordings).await.expect("the recordings can be replayed");
    eprintln!("{report}");
    assert!(report.total() > 100, "only {} recordings were found", report.total());
    assert_eq!(report.agree(), report.total(), "{report}");
    assert_eq!(report.webhooks_agree(), report.webhooks.len(), "{report}");
}
