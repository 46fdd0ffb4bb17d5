//! `tandem connect mautic`: is everything there that Tandem and the lifecycle rules need? What is not, it makes, but for
//! campaigns: those are made by people.

use std::fmt::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_app::config::Environment;
use tandem_app::store::CatalogTable;
use tandem_app::wiring::Foundation;
use tandem_connectors::mautic::Mautic;
use tandem_connectors::mautic::setup::{self, FieldState, HookState, SetupReport};
use tandem_core::automation::presence::{Found, Presence, look_for_lists, make_segments};
use tandem_core::automation::target::Target;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::{CatalogStore, MarketingPlatform};

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// Which platform.
#[derive(Subcommand)]
pub enum Connect {
    /// Check Mautic: API, credentials, version, rate limit, fields, webhook, and the rules' segments and campaigns.
    Mautic(MauticOptions),
}

/// Options of `tandem connect mautic`.
#[derive(Args, Clone, Debug, Default)]
pub struct MauticOptions {
    /// Make the fields and segments that are missing.
    #[arg(long)]
    pub create_missing: bool,
    /// Make or mend the webhook that calls this address; its secret is MAUTIC_WEBHOOK_SECRET.
    #[arg(long)]
    pub webhook_url: Option<String>,
}

/// What was found, and whether all is right now.
pub struct Connected {
    report: SetupReport,
    lists: Vec<Presence>,
    webhook: Option<HookState>,
}

/// Runs the command; fails when something is still missing.
pub async fn connect(
    command: &Connect,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let Connect::Mautic(options) = command;
    let installation = Installation::open(data_dir, environment).await?;
    let secret = installation.webhook_secret.as_deref();
    let connected = connect_mautic(&installation.foundation, options, secret).await?;
    output.result(&connected.json(), connected.text());
    if connected.is_complete() {
        return Ok(());
    }
    Err(CommandError::Undone(
        "fields, segments or campaigns are missing or wrong: see the table; --create-missing makes missing fields and segments"
            .to_owned(),
    ))
}

/// Looks, makes what is asked for, and lets the running functions know the fields.
pub async fn connect_mautic(
    foundation: &Foundation,
    options: &MauticOptions,
    secret: Option<&str>,
) -> Result<Connected, CommandError> {
    let mautic = foundation.mautic()?.ok_or_else(not_configured)?;
    let mut report = setup::examine(&mautic, &foundation.rules).await?;
    let mut lists = look_for_lists(&foundation.lifecycle, &mautic).await?;
    if options.create_missing {
        setup::create_missing(&mautic, &foundation.rules, &mut report).await?;
        make_segments(&mautic, &mut lists).await?;
    }
    let webhook = match &options.webhook_url {
        Some(url) => Some(webhook(&mautic, url, secret).await?),
        None => None,
    };
    let catalog = MarketingPlatform::fields(&mautic).await?;
    CatalogTable::new(foundation.table.clone()).save(&Scope::default_mautic(), &catalog).await?;
    Ok(Connected { report, lists, webhook })
}

async fn webhook(mautic: &Mautic, url: &str, secret: Option<&str>) -> Result<HookState, CommandError> {
    let secret = secret.ok_or_else(|| {
        CommandError::Undone(
            "set MAUTIC_WEBHOOK_SECRET: without it nobody can tell Mautic's calls from forged ones".to_owned(),
        )
    })?;
    Ok(setup::ensure_webhook(mautic, url, secret).await?)
}

/// That no Mautic is configured, and what to set.
pub fn not_configured() -> CommandError {
    CommandError::Undone(
        "no Mautic is configured: set MAUTIC_BASE_URL with MAUTIC_CLIENT_ID and MAUTIC_CLIENT_SECRET (or MAUTIC_USERNAME and \
         MAUTIC_PASSWORD), or run `tandem dev --simulate` beside this"
            .to_owned(),
    )
}

impl Connected {
    /// Whether every field and list is there and right. Lists that the rules call optional may be missing.
    pub fn is_complete(&self) -> bool {
        self.report.fields.values().all(FieldState::is_fine) && self.lists.iter().all(Presence::is_fine)
    }

    /// How many fields were made, and how many segments.
    pub fn made(&self) -> (usize, usize) {
        let fields = self.report.fields.values().filter(|state| **state == FieldState::Made);
        let segments = self.lists.iter().filter(|list| matches!(list.found, Found::Made { .. }));
        (fields.count(), segments.count())
    }

    fn json(&self) -> serde_json::Value {
        json!({"mautic": self.report, "lists": self.lists, "webhook": self.webhook, "complete": self.is_complete()})
    }

    /// The table for people.
    pub fn text(&self) -> String {
        let platform = &self.report.platform;
        let version = platform.version.as_deref().unwrap_or("unknown");
        let limit = platform.rate_limit.map_or_else(|| "none".to_owned(), |limit| format!("{limit} calls an hour"));
        let mut text =
            format!("Mautic       reachable, API on, credentials good\nversion      {version}\nrate limit   {limit}\n");
        for (name, state) in &self.report.fields {
            // Writing to a string can't fail.
            let _infallible = writeln!(text, "field        {name:<22} {}", state_text(state));
        }
        for list in &self.lists {
            let _infallible = writeln!(text, "{}", list_line(list));
        }
        if let Some(webhook) = self.webhook {
            let _infallible = writeln!(text, "webhook      {}", hook_text(webhook));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Where a field stands, for people.
pub fn state_text(state: &FieldState) -> String {
    match state {
        FieldState::Right => "right".to_owned(),
        FieldState::Made => "made".to_owned(),
        FieldState::Missing { can_be_made: true } => "MISSING: --create-missing makes it".to_owned(),
        FieldState::Missing { can_be_made: false } => "MISSING: it comes with Mautic; restore it there".to_owned(),
        FieldState::Unpublished => "UNPUBLISHED: publish it in Mautic".to_owned(),
        FieldState::WrongKind { wanted, found } => format!("WRONG TYPE: is {found:?}, should be {wanted:?}"),
        FieldState::LacksOptions { missing } => {
            format!("LACKS OPTIONS: {}", missing.iter().cloned().collect::<Vec<_>>().join(", "))
        }
    }
}

/// A list of the rules and where it stands, for people: `campaign     Welcome Campaign       right, number 3`.
pub fn list_line(list: &Presence) -> String {
    let kind = if is_campaign(list) { "campaign" } else { "segment" };
    let called = match (&list.id, &list.name) {
        (Some(id), _) => format!("number {id}"),
        (None, name) => name.clone().unwrap_or_default(),
    };
    format!("{kind:<12} {called:<22} {}", list_text(list))
}

fn list_text(list: &Presence) -> String {
    let advice = list.env.as_ref().map(|env| format!(", or name another one in {env}")).unwrap_or_default();
    let (missing, unpublished) = if list.optional {
        ("missing (optional: its steps are skipped)", "unpublished (optional)")
    } else {
        ("MISSING", "UNPUBLISHED")
    };
    match &list.found {
        Found::There { number } => format!("right, number {number}"),
        Found::Made { number } => format!("made, number {number}"),
        Found::Unpublished { number } => format!("{unpublished}: publish number {number} in Mautic{advice}"),
        Found::Missing { can_be_made: true } => format!("{missing}: --create-missing makes it"),
        Found::Missing { can_be_made: false } if list.id.is_some() => {
            format!("{missing}: nothing in Mautic has this number; correct it{advice}")
        }
        Found::Missing { can_be_made: false } => format!("{missing}: make it in Mautic{advice}"),
        Found::Ambiguous => format!("AMBIGUOUS: several have this name; give the number in the rules{advice}"),
    }
}

fn is_campaign(list: &Presence) -> bool {
    matches!(list.list, Target::Campaign(_))
}

fn hook_text(state: HookState) -> &'static str {
    match state {
        HookState::Right => "right",
        HookState::Made => "made",
        HookState::Repaired => "mended",
    }
}
