//! The recorded exchanges with a real Mautic: each is served by a stand-in, and the method that makes such a call must
//! send what was recorded and yield the right result or failure.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod contract;
mod support;

#[tokio::test]
async fn every_recorded_answer_yields_what_it_means() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings");
    let mut differences = Vec::new();
    for set in &contract::SETS {
        let report = contract::replay(&root, set).await;
        assert!(report.total > 0, "no recordings found in {}", set.folder);
        println!("{report}");
        differences.extend(report.differences.into_iter().map(|line| format!("{}: {line}", set.folder)));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
