//! The recorded exchanges with a real Mautic: each is served by a stand-in, and the method that makes such a call must
//! send what was recorded and yield the right result or failure.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod contract;
mod support;

#[tokio::test]
async fn every_recorded_answer_yields_what_it_means() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/mautic-5.1.0");
    let report = contract::replay(&contract::recording::all(&folder)).await;
    assert!(report.total > 0, "no recordings found");
    println!("{report}");
    assert!(report.differences.is_empty(), "{}", report.differences.join("\n"));
}
