//! What `tandem connect mautic` does: look at an installation, say what is right and what is missing, and make it. All
//! through the official API, so nobody has to touch Mautic's files or database.

mod fields;
mod rights;
mod webhook;

use std::collections::BTreeMap;

use serde::Serialize;
use tandem_core::domain::catalog::FieldCatalog;
use tandem_core::domain::platform::PlatformInfo;
use tandem_core::error::Result;
use tandem_core::mapping::RuleSet;

pub use fields::{FieldState, Refusal, create_missing, examine_fields, raise_limits, states_in};
pub use rights::{Lacking, missing_rights};
pub use webhook::{Knock, ensure_webhook, knock, newest_delivery, try_webhook};

use super::{ContactField, Mautic, User};

/// What an installation is and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetupReport {
    /// Version and budget of calls.
    pub platform: PlatformInfo,
    /// Whom Tandem is there.
    pub user: User,
    /// Whether the role may read the audit log, which is the feed of changes: who changed what, and when.
    pub reads_audit_log: bool,
    /// Rights that Tandem's role lacks, as far as reading shows it.
    pub rights: Vec<Lacking>,
    /// Every field that a rule writes, by its name on the platform.
    pub fields: BTreeMap<String, FieldState>,
}

/// Looks at an installation and changes nothing. `known` is the list of fields that Tandem keeps. Three calls, and one more for
/// each kind of thing where Tandem is no administrator.
///
/// # Errors
/// `Credentials` when the API is off, the credentials are wrong or the fields may not be listed, `Misconfigured` or `Garbled`
/// when there is no Mautic at the address; the failure's text says what to do.
pub async fn examine(mautic: &Mautic, rules: &RuleSet, known: Option<&FieldCatalog>) -> Result<SetupReport> {
    let (user, platform) = mautic.introduce().await?;
    let fields = examine_fields(mautic, rules, known, |_| true).await?;
    let rights = if user.admin { Vec::new() } else { missing_rights(mautic).await? };
    let reads_audit_log = mautic.log_is_readable().await?;
    Ok(SetupReport { platform, user, reads_audit_log, rights, fields })
}

/// The fields as Mautic lists them now, with the limits that it does not tell: those that Tandem knew before, and those of
/// the fields that were just made or changed. One call.
///
/// # Errors
/// As the call fails.
pub async fn catalog(mautic: &Mautic, known: Option<&FieldCatalog>, set: &[ContactField]) -> Result<FieldCatalog> {
    let mut catalog = mautic.field_catalog().await?.following(known);
    for field in set {
        if let Some(listed) = catalog.fields.get_mut(&field.alias).filter(|listed| listed.id == field.field.id) {
            listed.limit = listed.limit.or(field.field.limit);
        }
    }
    Ok(catalog)
}
