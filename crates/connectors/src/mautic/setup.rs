//! What `tandem connect mautic` does: look at an installation, say what is right and what is missing, and make it. All
//! through the official API, so nobody has to touch Mautic's files or database.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tandem_core::domain::catalog::RemoteFieldKind;
use tandem_core::domain::platform::PlatformInfo;
use tandem_core::error::Result;
use tandem_core::mapping::rules::{FieldRule, NewField, RuleSet};

use super::{ContactField, Hook, HookSetup, Mautic, User};

/// The types of events that Tandem asks for. Not among them are `email_on_send` and `sms_on_send`: a mail to every
/// contact would come back as as many events that change nothing.
const TRIGGERS: [&str; 12] = [
    "mautic.company_post_delete",
    "mautic.company_post_save",
    "mautic.email_on_open",
    "mautic.form_on_submit",
    "mautic.lead_channel_subscription_changed",
    "mautic.lead_company_change",
    "mautic.lead_list_change",
    "mautic.lead_points_change",
    "mautic.lead_post_delete",
    "mautic.lead_post_save_new",
    "mautic.lead_post_save_update",
    "mautic.page_on_hit",
];

/// What an installation is and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetupReport {
    /// Version and budget of calls.
    pub platform: PlatformInfo,
    /// Whom Tandem is there.
    pub user: User,
    /// Whether the role may read the audit log, which is the feed of changes: who changed what, and when.
    pub reads_audit_log: bool,
    /// Every field that a rule writes, by its name on the platform.
    pub fields: BTreeMap<String, FieldState>,
}

/// Where a field stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FieldState {
    /// It is there and holds what the rule sends.
    Right,
    /// It was missing and has been made.
    Made,
    /// It is not there: its values would be dropped without a word.
    Missing {
        /// Whether Tandem knows how to make it.
        can_be_made: bool,
    },
    /// It is there and switched off, which is as good as missing.
    Unpublished,
    /// It is there and holds something else.
    WrongKind {
        /// What it should hold.
        wanted: RemoteFieldKind,
        /// What it holds.
        found: RemoteFieldKind,
    },
    /// It is a select that lacks options: values that are not among its options are refused.
    LacksOptions {
        /// The options that it lacks.
        missing: BTreeSet<String>,
    },
}

impl FieldState {
    /// Whether the field holds what the rule sends.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        match self {
            Self::Right | Self::Made => true,
            Self::Missing { .. } | Self::Unpublished | Self::WrongKind { .. } | Self::LacksOptions { .. } => false,
        }
    }
}

/// What became of the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// It was there and right.
    Right,
    /// It was missing and has been made.
    Made,
    /// It was there and wrong (switched off, another secret, events missing, newest first) and has been mended.
    Repaired,
}

/// Looks at an installation and changes nothing. Three calls.
///
/// # Errors
/// `Credentials` when the API is off or the credentials are wrong, `Misconfigured` when there is no Mautic at the address;
/// the failure's text says what to do.
pub async fn examine(mautic: &Mautic, rules: &RuleSet) -> Result<SetupReport> {
    let (user, platform) = mautic.introduce().await?;
    let fields = examine_fields(mautic, rules, |_| true).await?;
    let reads_audit_log = mautic.log_is_readable().await?;
    Ok(SetupReport { platform, user, reads_audit_log, fields })
}

/// Where the fields stand that are chosen by their rules. One call.
///
/// # Errors
/// As [`examine`].
pub async fn examine_fields(
    mautic: &Mautic,
    rules: &RuleSet,
    chosen: impl Fn(&FieldRule) -> bool,
) -> Result<BTreeMap<String, FieldState>> {
    let listed: BTreeMap<String, ContactField> =
        mautic.contact_fields().await?.into_iter().map(|field| (field.alias.clone(), field)).collect();
    let chosen = wanted(rules).filter(|(rule, _)| chosen(rule));
    let state =
        |(rule, name): (&FieldRule, &String)| (name.clone(), field_state(rule.remote_field.as_ref(), listed.get(name)));
    Ok(chosen.map(state).collect())
}

/// Makes the fields that the report calls missing and that the rules know how to make; the report then says so. One call
/// a field. What was made before a failure stays made, and is found right by the next [`examine`].
///
/// # Errors
/// The first failure of a call.
pub async fn create_missing(mautic: &Mautic, rules: &RuleSet, report: &mut SetupReport) -> Result<()> {
    for (rule, name) in wanted(rules) {
        let missing = report.fields.get_mut(name).filter(|state| matches!(state, FieldState::Missing { .. }));
        if let (Some(state), Some(field)) = (missing, &rule.remote_field) {
            mautic.create_field(name, field).await?;
            *state = FieldState::Made;
        }
    }
    Ok(())
}

/// Makes or mends the webhook that calls `url`. Of several with that address, whatever their query, the first is kept and
/// the others are deleted: each would send every event once more. Two calls when all is right.
///
/// # Errors
/// The first failure of a call.
pub async fn ensure_webhook(mautic: &Mautic, url: &str, secret: &str) -> Result<HookState> {
    let offered = mautic.hook_triggers().await?;
    let triggers = TRIGGERS.iter().map(|&name| name.to_owned()).filter(|name| offered.contains(name)).collect();
    let setup = HookSetup { url: url.to_owned(), secret: secret.to_owned(), triggers };
    let mut ours = mautic.hooks().await?.into_iter().filter(|hook| same_address(&hook.setup.url, url));
    let Some(first) = ours.next() else {
        return mautic.create_hook(&setup).await.map(|_| HookState::Made);
    };
    let mut state = HookState::Right;
    if !is_right(&first, &setup) {
        let url = if leads_here(&first, &setup) { first.setup.url.clone() } else { setup.url.clone() };
        mautic.update_hook(&first.id, &HookSetup { url, ..setup }).await?;
        state = HookState::Repaired;
    }
    for double in ours {
        mautic.delete_hook(&double.id).await?;
        state = HookState::Repaired;
    }
    Ok(state)
}

/// The rules that write a field that Mautic lists, and the name that it has there.
fn wanted(rules: &RuleSet) -> impl Iterator<Item = (&FieldRule, &String)> {
    let listed = rules.rules().iter().filter(|rule| rule.pushes() && rule.catalog);
    listed.filter_map(|rule| Some((rule, rule.remote.as_ref()?)))
}

fn field_state(wanted: Option<&NewField>, found: Option<&ContactField>) -> FieldState {
    let Some(found) = found else {
        return FieldState::Missing { can_be_made: wanted.is_some() };
    };
    if !found.published {
        return FieldState::Unpublished;
    }
    match wanted {
        Some(wanted) if !holds(found.field.kind, wanted.kind) => {
            FieldState::WrongKind { wanted: wanted.kind, found: found.field.kind }
        }
        Some(wanted) if found.field.kind == RemoteFieldKind::Select => {
            let has = |option: &&String| found.field.options.contains(option);
            let missing: BTreeSet<String> = wanted.options.iter().filter(|option| !has(option)).cloned().collect();
            if missing.is_empty() { FieldState::Right } else { FieldState::LacksOptions { missing } }
        }
        Some(_) | None => FieldState::Right,
    }
}

/// Whether a field of this kind takes all values of the kind wanted. Free text takes the other kinds of text.
fn holds(found: RemoteFieldKind, wanted: RemoteFieldKind) -> bool {
    use RemoteFieldKind::{Email, LongText, Phone, Select, Text, Url};
    match (found, wanted) {
        (Text | LongText, Text | Select | Email | Phone | Url) | (LongText, LongText) => true,
        (found, wanted) => found == wanted,
    }
}

fn same_address(one: &str, other: &str) -> bool {
    let bare = |url: &str| url.split('?').next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
    bare(one) == bare(other)
}

fn is_right(hook: &Hook, setup: &HookSetup) -> bool {
    let found = &hook.setup;
    let tells_right = found.secret == setup.secret && found.triggers == setup.triggers;
    hook.published && hook.oldest_first == Some(true) && leads_here(hook, setup) && tells_right
}

/// A secret in the query is somebody's way around a proxy that takes signatures away: it stays.
fn leads_here(hook: &Hook, setup: &HookSetup) -> bool {
    let found = &hook.setup;
    found.url == setup.url || same_address(&found.url, &setup.url) && !setup.url.contains('?')
}
