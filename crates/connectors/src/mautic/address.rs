//! What Mautic makes of an address. It drops `/` with a 2xx, and so stores another person's address, or updates that person
//! (recordings `218-contact-create-slash`, `219-contact-create-slash-meets-other`); a few other characters it refuses with
//! 400. All others of ASCII pass; what is outside of it, no [`tandem_core::domain::identity::Email`] holds.

use serde_json::Value;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::platform::ContactWrite;
use tandem_core::error::{Failure, FailureKind, Result};

/// Why Mautic would not keep an address as it is; `None` when it would. A sentence that goes on from "The address".
pub(super) fn flaw(email: &str) -> Option<&'static str> {
    if email.contains('/') {
        return Some("holds a slash, which Mautic would drop silently");
    }
    email.contains(['&', '%', '*', '^']).then_some("holds one of & % * ^, which Mautic does not take")
}

/// Refuses a write of such an address, before any call.
pub(super) fn check(write: &ContactWrite) -> Result<()> {
    let Some(flaw) = write.fields.get("email").and_then(Value::as_str).and_then(flaw) else { return Ok(()) };
    let issue = FieldIssue::new("email", IssueCode::RefusedByPlatform, format!("The address {flaw}."));
    Err(Failure::new(FailureKind::Refused, "The address is none that Mautic keeps as it is.").with_fields(vec![issue]))
}
