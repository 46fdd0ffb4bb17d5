//! The parts of the contract test against the recordings; the proof suite runs it too.

pub mod calls;
pub mod expected;
pub mod recording;
pub mod server;
pub mod shown;

use std::fmt;

use expected::{EXPECTED, NOT_MADE};
use recording::Recording;

/// How the client's methods agree with the recordings.
#[derive(Default)]
pub struct Report {
    /// Recordings that a method makes and reads as it should.
    pub agree: usize,
    /// All recordings.
    pub total: usize,
    /// What differs, a line each.
    pub differences: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client: {} of {} agree", self.agree, self.total)?;
        for (name, reason) in NOT_MADE {
            write!(f, "\n  not made: {name}: {reason}")?;
        }
        Ok(())
    }
}

/// Serves each recording to the method that makes such a call, and compares.
pub async fn replay(recordings: &[Recording]) -> Report {
    let mut report = Report { total: recordings.len(), ..Report::default() };
    for recording in recordings {
        match verdict(recording).await {
            Ok(true) => report.agree += 1,
            Ok(false) => {}
            Err(difference) => report.differences.push(difference),
        }
    }
    report
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
