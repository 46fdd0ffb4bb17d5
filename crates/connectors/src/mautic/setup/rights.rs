//! Which rights Tandem's role lacks. What may be read is found out by reading; what may be written shows when it is.

use serde::Serialize;
use tandem_core::error::{FailureKind, Result};

use super::super::Mautic;
use super::super::client::Request;

/// A right that the role lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lacking {
    /// What Tandem can't read.
    pub what: &'static str,
    /// The right, as Mautic's page of a role calls it.
    pub right: &'static str,
    /// What does not work without it.
    pub lost: &'static str,
}

/// What is read, below `/api`, and what does not work without it.
const READ: &[(&str, &str, &str)] = &[
    ("contacts", "contacts", "nothing works"),
    ("segments", "segments", "nobody is put into a segment, and lifecycle events that need one wait"),
    ("campaigns", "campaigns", "campaigns can't be given by name, and enrolment fails"),
    ("stages", "stages", "contacts get no stage"),
    ("webhooks", "hooks", "the webhook is neither made nor kept: Mautic's changes come with the hourly look only"),
    ("do-not-contact entries", "stats/lead_donotcontact", "opt-outs that the webhook did not bring stay unknown"),
    ("opened emails", "stats/email_stats", "opens that the webhook did not bring stay unknown"),
    ("page hits", "stats/page_hits", "clicks that the webhook did not bring stay unknown"),
    ("submitted forms", "stats/form_submissions", "forms that the webhook did not bring stay unknown"),
    (
        "the audit log",
        "stats/audit_log",
        "edits of marketing that the webhook did not bring are not pulled (Mautic 6 and 7 show them nowhere else), and who \
         lifted an opt-out stays unknown",
    ),
    ("the webhook's log", "stats/webhook_logs", "whether deliveries arrive can't be seen"),
];

/// Reads one of each kind of thing that Tandem reads; gives those that the role may not see. One call each.
///
/// # Errors
/// The first failure that is no missing right.
pub async fn missing_rights(mautic: &Mautic) -> Result<Vec<Lacking>> {
    let mut missing = Vec::new();
    for (what, path, lost) in READ {
        let request = Request::get(*path).with("limit", 1).with("minimal", 1);
        let right = request.right();
        let seen = if path.starts_with("stats/") {
            // With status 200 whatever it is.
            mautic.rows(request).await.map(drop)
        } else {
            mautic.client.answer(request).await.map(drop)
        };
        match seen {
            Ok(()) => {}
            Err(failure) if failure.kind == FailureKind::Credentials => missing.push(Lacking { what, right, lost }),
            Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Refused) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(missing)
}
