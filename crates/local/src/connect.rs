//! `tandem connect mautic`: is everything there that Tandem and the lifecycle rules need? What is not, it makes, but for
//! campaigns: those are made by people.

pub mod text;

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use tandem_app::config::Environment;
use tandem_app::store::CatalogTable;
use tandem_app::wiring::Foundation;
use tandem_connectors::mautic::Mautic;
use tandem_connectors::mautic::setup::{self, FieldState, Knock, SetupReport};
use tandem_core::automation::presence::{Found, Presence, look_for_lists};
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind};
use tandem_core::ports::{CatalogStore, HookCheck, HookDelivery};

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// Which platform.
#[derive(Subcommand)]
pub enum Connect {
    /// Check Mautic: API, credentials, rights, version, rate limit, fields, webhook, and the rules' segments and campaigns.
    Mautic(MauticOptions),
}

/// Options of `tandem connect mautic`.
#[derive(Args, Clone, Debug, Default)]
pub struct MauticOptions {
    /// Make the fields and segments that are missing.
    #[arg(long)]
    pub create_missing: bool,
    /// Let text fields that take fewer than 191 characters take 191. Mautic changes a column of its table for each.
    #[arg(long)]
    pub raise_limits: bool,
    /// Make or mend the webhook that calls this address, and prove it; its secret is MAUTIC_WEBHOOK_SECRET.
    #[arg(long)]
    pub webhook_url: Option<String>,
    /// Make the webhook without calling its address from here first: when only Mautic can reach it.
    #[arg(long, requires = "webhook_url")]
    pub unreachable_from_here: bool,
}

/// What was found, and whether all is right now.
pub struct Connected {
    report: SetupReport,
    lists: Vec<Presence>,
    webhook: Option<Webhook>,
}

/// What became of the webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Webhook {
    /// It was not touched: nobody who knows the secret answers at its address.
    NotMade {
        /// Why.
        reason: String,
        /// What helps.
        cure: String,
    },
    /// It is there.
    There {
        /// What was done to it.
        check: HookCheck,
        /// Whether what it sends arrives.
        delivery: HookDelivery,
    },
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
        "fields, lists, rights or the webhook are missing or wrong: the table says what helps; --create-missing makes missing fields and segments"
            .to_owned(),
    ))
}

/// Looks, makes what is asked for, and lets the running functions know the fields.
pub async fn connect_mautic(
    foundation: &Foundation,
    options: &MauticOptions,
    secret: Option<&str>,
) -> Result<Connected, CommandError> {
    let mautic = foundation.mautic()?.ok_or_else(CommandError::no_mautic)?;
    let desk = foundation.desk()?.ok_or_else(CommandError::no_mautic)?;
    let catalogs = CatalogTable::new(foundation.table.clone());
    let scope = Scope::default_mautic();
    let known = catalogs.read(&scope).await?;
    let at_its_address = |failure| addressed(&mautic, failure);
    let mut report = setup::examine(&mautic, &foundation.rules, known.as_ref()).await.map_err(at_its_address)?;
    let mut lists = match look_for_lists(&foundation.lifecycle, &mautic).await {
        // The table names the right.
        Err(failure) if failure.kind == FailureKind::Credentials && !report.rights.is_empty() => Vec::new(),
        lists => lists?,
    };
    let mut set = Vec::new();
    if options.create_missing {
        set.extend(setup::create_missing(&mautic, &foundation.rules, &mut report.fields).await);
        desk.make_missing_segments(&mut lists).await;
    }
    if options.raise_limits {
        set.extend(setup::raise_limits(&mautic, &mut report.fields).await?);
    }
    let catalog = setup::catalog(&mautic, known.as_ref(), &set).await?;
    catalogs.save(&scope, &catalog).await?;
    let webhook = match &options.webhook_url {
        Some(url) => Some(webhook(foundation, &mautic, url, options, secret).await?),
        None => None,
    };
    Ok(Connected { report, lists, webhook })
}

/// A failure of the first call, with the address that was called: most likely that is what is wrong.
fn addressed(mautic: &Mautic, failure: Failure) -> CommandError {
    let cure = match failure.kind {
        FailureKind::Unavailable | FailureKind::Timeout => " See MAUTIC_BASE_URL, and that this machine may call it.",
        _ => "",
    };
    CommandError::Undone(format!("{}: {failure}{cure}", mautic.base_url()))
}

async fn webhook(
    foundation: &Foundation,
    mautic: &Mautic,
    url: &str,
    options: &MauticOptions,
    secret: Option<&str>,
) -> Result<Webhook, CommandError> {
    let secret = secret.ok_or_else(|| {
        CommandError::Undone(
            "set MAUTIC_WEBHOOK_SECRET: without it nobody can tell Mautic's calls from forged ones".to_owned(),
        )
    })?;
    if !options.unreachable_from_here
        && let Knock::Refused { reason, cure } = setup::knock(&foundation.http, url, secret).await
    {
        return Ok(Webhook::NotMade { reason, cure });
    }
    let guarded = setup::ensure_webhook(mautic, url, secret).await?;
    let delivery = setup::try_webhook(mautic, &guarded.id).await;
    Ok(Webhook::There { check: guarded.check, delivery })
}

impl Webhook {
    /// Whether it is there and nothing says that its deliveries are lost.
    fn is_fine(&self) -> bool {
        match self {
            Self::NotMade { .. } | Self::There { delivery: HookDelivery::Fails { .. }, .. } => false,
            Self::There {
                delivery: HookDelivery::Arrives | HookDelivery::NothingSent | HookDelivery::Unseen { .. },
                ..
            } => true,
        }
    }
}

impl Connected {
    /// Whether every field, list and right is there, and the webhook that was asked for. Lists that the rules call optional
    /// may be missing.
    pub fn is_complete(&self) -> bool {
        let fields = self.report.fields.values().all(FieldState::is_fine);
        let webhook = self.webhook.as_ref().is_none_or(Webhook::is_fine);
        fields && webhook && self.report.rights.is_empty() && self.lists.iter().all(Presence::is_fine)
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
        text::table(&self.report, &self.lists, self.webhook.as_ref())
    }
}
