//! `tandem connect mautic`: is everything there that Tandem needs? What is not, it makes.

use std::fmt::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_app::config::Environment;
use tandem_app::store::CatalogTable;
use tandem_app::wiring::Foundation;
use tandem_connectors::mautic::Mautic;
use tandem_connectors::mautic::setup::{self, FieldState, HookState, SetupReport};
use tandem_core::domain::scope::Scope;
use tandem_core::ports::{CatalogStore, MarketingPlatform};

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// Which platform.
#[derive(Subcommand)]
pub enum Connect {
    /// Check Mautic: API, credentials, version, rate limit, fields, webhook.
    Mautic(MauticOptions),
}

/// Options of `tandem connect mautic`.
#[derive(Args, Clone, Debug, Default)]
pub struct MauticOptions {
    /// Make the fields that are missing.
    #[arg(long)]
    pub create_missing: bool,
    /// Make or mend the webhook that calls this address; its secret is MAUTIC_WEBHOOK_SECRET.
    #[arg(long)]
    pub webhook_url: Option<String>,
}

/// What was found, and whether all is right now.
pub struct Connected {
    report: SetupReport,
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
        "fields are missing or wrong: see the table; --create-missing makes the missing ones".to_owned(),
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
    if options.create_missing {
        setup::create_missing(&mautic, &foundation.rules, &mut report).await?;
    }
    let webhook = match &options.webhook_url {
        Some(url) => Some(webhook(&mautic, url, secret).await?),
        None => None,
    };
    let catalog = MarketingPlatform::fields(&mautic).await?;
    CatalogTable::new(foundation.table.clone()).save(&Scope::default_mautic(), &catalog).await?;
    Ok(Connected { report, webhook })
}

async fn webhook(mautic: &Mautic, url: &str, secret: Option<&str>) -> Result<HookState, CommandError> {
    let secret = secret.ok_or_else(|| {
        CommandError::Undone(
            "set MAUTIC_WEBHOOK_SECRET: without it nobody can tell Mautic's calls from forged ones".to_owned(),
        )
    })?;
    Ok(setup::ensure_webhook(mautic, url, secret).await?)
}

fn not_configured() -> CommandError {
    CommandError::Undone(
        "no Mautic is configured: set MAUTIC_BASE_URL with MAUTIC_CLIENT_ID and MAUTIC_CLIENT_SECRET (or MAUTIC_USERNAME and MAUTIC_PASSWORD)"
            .to_owned(),
    )
}

impl Connected {
    /// Whether every field is there and right.
    pub fn is_complete(&self) -> bool {
        self.report.fields.values().all(|state| matches!(state, FieldState::Right | FieldState::Made))
    }

    /// How many fields were made.
    pub fn made(&self) -> usize {
        self.report.fields.values().filter(|state| **state == FieldState::Made).count()
    }

    fn json(&self) -> serde_json::Value {
        json!({"mautic": self.report, "webhook": self.webhook, "complete": self.is_complete()})
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
        if let Some(webhook) = self.webhook {
            let _infallible = writeln!(text, "webhook      {}", hook_text(webhook));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn state_text(state: &FieldState) -> String {
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

fn hook_text(state: HookState) -> &'static str {
    match state {
        HookState::Right => "right",
        HookState::Made => "made",
        HookState::Repaired => "mended",
    }
}
