//! What happened between the recordings, as far as later recordings show it.

mod five;
mod seven;
mod usual;

use crate::mautic::MauticVersion;

/// Something to do in the place of exchanges that were left out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A call of the API by its client: method, path, JSON.
    Call(&'static str, &'static str, &'static str),
    /// A call of the API by the administrator, who uses a password.
    ByAdmin(&'static str, &'static str, &'static str),
    /// Contacts nobody asks about, until the next one made gets this id.
    FillTo(u64),
    /// Rows of a table that nobody asks about, so that the next one gets this id.
    NextId(&'static str, u64),
    /// A call of the simulator's own controls: path, JSON.
    Control(&'static str, &'static str),
    /// So many calls, to use up the rate limit.
    Spend(usize),
    /// An anonymous visitor looks at two pages and then gives this address in the recorded form.
    VisitAndSubmit(&'static str),
    /// Somebody with a browser that is not known sends the first form.
    Submit(&'static [(&'static str, &'static str)]),
    /// Another Mautic, freshly installed, takes the place of the one so far.
    AnotherMautic,
    /// The receiver of webhooks answers so next; then it answers 200 again.
    Answer(u16),
    /// The text of its answers.
    AnswerText(&'static str),
    /// Webhooks are delivered from the queue from now on, or at once.
    Queue(bool),
    /// The queue is delivered, as far as it is due.
    Flush,
    /// So many seconds pass for the queue.
    QueueTime(u64),
    /// The time now, in the place of a recorded one in the URLs from here on.
    Mark(&'static str),
    /// Several steps that more than one gap has.
    All(&'static [Step]),
}

/// A gap: the recording before which it lies, the reason to know of it, and what fills it.
pub(crate) struct Gap {
    pub(crate) before: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) steps: &'static [Step],
}

/// A folder of recordings, made one after the other on Mautics of one version, and the folder of the webhooks that came of it.
pub(crate) struct Set {
    pub(crate) version: MauticVersion,
    pub(crate) folder: &'static str,
    pub(crate) webhooks: &'static str,
    pub(crate) gaps: &'static [Gap],
    /// Hashes of sent emails in recorded URLs, each with the contact that the email went to.
    pub(crate) hashes: &'static [(&'static str, &'static str)],
    /// Totals that count rows of exchanges that were left out, by the recording that shows them.
    pub(crate) unknown_totals: &'static [&'static str],
    /// Recordings whose headers were not kept, but for the type of the content.
    pub(crate) without_headers: &'static [&'static str],
    /// What cannot be reproduced, and why.
    pub(crate) irreproducible: &'static [(&'static str, &'static str)],
    /// Private hosts to which this Mautic delivered webhooks from the start.
    pub(crate) private_hosts: &'static [&'static str],
}

const UNKNOWN_TOTALS: &[&str] = &["153-stats-audit", "155-stats-webhook-logs"];

/// All recordings, the oldest first.
pub(crate) const SETS: [Set; 4] = [
    Set {
        version: MauticVersion::V5_1,
        folder: "mautic-5.1.0",
        webhooks: "mautic-5.1.0-webhooks",
        gaps: usual::GAPS,
        hashes: &[("6b00bb4ee5a81291499797", "16")],
        unknown_totals: UNKNOWN_TOTALS,
        without_headers: &[],
        irreproducible: &[],
        private_hosts: &[],
    },
    Set {
        version: MauticVersion::V5_1,
        folder: "mautic-5.1.0-more",
        webhooks: "mautic-5.1.0-webhooks-more",
        gaps: five::GAPS,
        hashes: &[("6b0a8ef765916235535456", "2241")],
        unknown_totals: &[],
        without_headers: five::WITHOUT_HEADERS,
        irreproducible: &[],
        private_hosts: &[],
    },
    Set {
        version: MauticVersion::V7_0,
        folder: "mautic-7.0.0",
        webhooks: "mautic-7.0.0-webhooks",
        gaps: usual::GAPS,
        hashes: &[("6b0a86691a116708797466", "16")],
        unknown_totals: UNKNOWN_TOTALS,
        without_headers: &[],
        irreproducible: &[],
        private_hosts: &["127.0.0.1"],
    },
    Set {
        version: MauticVersion::V7_0,
        folder: "mautic-7.0.0-more",
        webhooks: "mautic-7.0.0-webhooks-more",
        gaps: seven::GAPS,
        hashes: &[],
        unknown_totals: &[],
        without_headers: &[],
        irreproducible: seven::IRREPRODUCIBLE,
        private_hosts: &[],
    },
];

/// Where the recorded webhook was delivered to; the replay has a receiver of its own.
pub(crate) const RECORDED_RECEIVER: &str = "http://127.0.0.1:9099/hook";

/// The address of the recorded Mautic.
pub(crate) const RECORDED_BASE: &str = "http://127.0.0.1:8080";

/// The administrator of the recorded Mautics.
pub(crate) const RECORDED_USER: &str = "Ada Admin";
