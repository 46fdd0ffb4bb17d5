//! The recorded exchanges with a real Mautic: each is served by a stand-in, and the method that makes such a call must
//! send what was recorded and yield the right result or failure.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod contract;
mod support;

use contract::expected::{EXPECTED, NOT_MADE};
use contract::recording::{Recording, all};
use contract::{calls, server};

#[tokio::test]
async fn every_recorded_answer_yields_what_it_means() {
    let recordings = all();
    assert!(!recordings.is_empty(), "no recordings found: set TANDEM_RECORDINGS");
    let (mut agree, mut differences) = (0, Vec::new());
    for recording in &recordings {
        match verdict(recording).await {
            Ok(true) => agree += 1,
            Ok(false) => {}
            Err(difference) => differences.push(difference),
        }
    }
    println!("client: {agree} of {} agree", recordings.len());
    for (name, reason) in NOT_MADE {
        println!("  not made: {name}: {reason}");
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// `Ok(true)` when a method was called and agrees, `Ok(false)` when no method makes such a call.
async fn verdict(recording: &Recording) -> Result<bool, String> {
    let name = recording.name.as_str();
    let expected = EXPECTED.iter().find(|(known, _)| *known == name);
    let excused = NOT_MADE.iter().any(|(known, _)| *known == name);
    let Some((_, expected)) = expected else {
        return if excused {
            Ok(false)
        } else {
            Err(format!("{name}: is new; say what it means or why it is not made"))
        };
    };
    let stub = server::serving(recording.clone()).await;
    let got = calls::outcome(recording, &stub.url).await;
    if got != *expected {
        return Err(format!("(\"{name}\", {got:?}),"));
    }
    server::same_request(recording, &stub).map(|()| true).map_err(|difference| format!("{name}: {difference}"))
}
