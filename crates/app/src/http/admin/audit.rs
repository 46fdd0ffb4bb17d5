//! `GET /api/v1/audit`: who changed what of the tenant's settings, the newest first.

use super::params::listed;
use super::{Answered, Call};

/// Lists entries.
pub async fn list(call: Call) -> Answered {
    let page = call.params(&["after", "limit"])?.page()?;
    let entries = call.state.admin.audit.list(call.tenant(), page.after.as_deref(), page.limit).await;
    let entries = entries.map_err(|failure| call.failed(failure))?;
    listed("entries", &entries, page.next(&entries, |entry| entry.id.clone()).as_deref())
}
