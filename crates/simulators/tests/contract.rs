//! The simulated Mautic against the recordings of the real ones.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

use std::path::Path;

use tandem_simulators::{MauticVersion, contract};

async fn answers_like_the_recorded(version: MauticVersion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings");
    let reports = contract::replay(&root, version).await.expect("the recordings can be replayed");
    let told: String = reports.iter().map(ToString::to_string).collect();
    eprintln!("{told}");
    assert_eq!(reports.len(), 2, "the recordings and the further ones");
    for report in &reports {
        assert!(report.total() > 30, "only {} recordings were found in {}", report.total(), report.folder);
        assert_eq!(report.agree(), report.total(), "{report}");
        assert_eq!(report.webhooks_agree(), report.webhooks.len(), "{report}");
    }
}

#[tokio::test]
async fn answers_like_the_recorded_mautic_5_1() {
    answers_like_the_recorded(MauticVersion::V5_1).await;
}

#[tokio::test]
async fn answers_like_the_recorded_mautic_7_0() {
    answers_like_the_recorded(MauticVersion::V7_0).await;
}
