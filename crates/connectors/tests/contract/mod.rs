//! The parts of the contract test against the recordings; the proof suite runs it too.

pub mod calls;
pub mod expected;
pub mod further;
pub mod recording;
pub mod server;
pub mod shown;

use std::fmt;

use std::path::Path;

use expected::{EXPECTED, NOT_MADE};
use recording::Recording;

/// A folder of recordings, and what they mean: the first table that knows a recording counts.
pub struct Set {
    pub folder: &'static str,
    expected: &'static [&'static [(&'static str, &'static str)]],
    not_made: &'static [(&'static str, &'static str)],
}

/// All folders: 5.1.0 and 7.0.0, and the further recordings of each.
pub const SETS: [Set; 4] = [
    Set { folder: "mautic-5.1.0", expected: &[EXPECTED], not_made: NOT_MADE },
    Set { folder: "mautic-5.1.0-more", expected: &[further::IN_5], not_made: further::NOT_MADE_IN_5 },
    Set { folder: "mautic-7.0.0", expected: &[further::OTHERWISE_IN_7, EXPECTED], not_made: NOT_MADE },
    Set { folder: "mautic-7.0.0-more", expected: &[further::IN_7], not_made: further::NOT_MADE_IN_7 },
];

/// How the client's methods agree with the recordings.
#[derive(Default)]
pub struct Report {
    /// The folder of the recordings.
    pub folder: &'static str,
    /// Recordings that a method makes and reads as it should.
    pub agree: usize,
    /// All recordings.
    pub total: usize,
    /// What differs, a line each.
    pub differences: Vec<String>,
    /// Recordings of calls that no method makes, and why.
    pub not_made: &'static [(&'static str, &'static str)],
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, client: {} of {} agree", self.folder, self.agree, self.total)?;
        for (name, reason) in self.not_made {
            writeln!(f, "  not made: {name}: {reason}")?;
        }
        Ok(())
    }
}

/// Serves each recording of a folder below `root` to the method that makes such a call, and compares.
pub async fn replay(root: &Path, set: &Set) -> Report {
    let recordings = recording::all(&root.join(set.folder));
    let mut report =
        Report { folder: set.folder, total: recordings.len(), not_made: set.not_made, ..Report::default() };
    for recording in &recordings {
        match verdict(set, recording).await {
            Ok(true) => report.agree += 1,
            Ok(false) => {}
            Err(difference) => report.differences.push(difference),
        }
    }
    report
}

/// `Ok(true)` when a method was called and agrees, `Ok(false)` when no method makes such a call.
async fn verdict(set: &Set, recording: &Recording) -> Result<bool, String> {
    let name = recording.name.as_str();
    let mut tables = set.expected.iter().flat_map(|table| table.iter());
    let expected = tables.find(|(known, _)| *known == name);
    let excused = set.not_made.iter().any(|(known, _)| *known == name);
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
