//! The simulated Mautic against the recordings of the real one.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

use std::{env, path::PathBuf};

use tandem_simulators::contract;

#[allow(clippy::disallowed_methods, reason = "where the recordings lie is up to who runs the tests")]
fn recordings() -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let given = env::var_os("TANDEM_RECORDINGS").map(PathBuf::from);
    let beside = ["../../tests/recordings/mautic-5.1.0", "../../../shared/recordings/mautic-5.1.0"];
    let candidates = given.into_iter().chain(beside.into_iter().map(|path| here.join(path)));
    candidates.into_iter().find(|path| path.is_dir())
}

#[tokio::test]
async fn answers_like_the_recorded_mautic() {
    let Some(recordings) = recordings() else {
        eprintln!("no recordings here; set TANDEM_RECORDINGS to compare with them");
        return;
    };
    let report = contract::replay(&recordings).await.expect("the recordings can be replayed");
    eprintln!("{report}");
    assert!(report.total() > 100, "only {} recordings were found", report.total());
    assert_eq!(report.agree(), report.total(), "{report}");
    assert_eq!(report.webhooks_agree(), report.webhooks.len(), "{report}");
}
