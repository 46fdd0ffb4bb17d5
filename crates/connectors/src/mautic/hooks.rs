//! The webhooks that Mautic calls.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};
use tandem_core::error::Result;

use super::client::Request;
use super::convert::number;
use super::errors::Row;
use super::wire::{self, Hooks, OneHook, Triggers};
use super::{Mautic, errors};

/// More webhooks than anybody has.
const ALL: u32 = 1000;

/// A webhook. Its `Debug` shows no secret and no address, which may carry one.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its id.
    pub id: String,
    /// What it is, and does.
    pub setup: HookSetup,
    /// Whether events come oldest first; `None` leaves it to Mautic's configuration.
    pub oldest_first: Option<bool>,
    /// Whether it is on. Mautic switches it off by itself after repeated failures.
    pub published: bool,
}

/// What a webhook is made from.
#[derive(Clone, PartialEq, Eq)]
pub struct HookSetup {
    /// Where Mautic sends events.
    pub url: String,
    /// The key of the signatures.
    pub secret: String,
    /// The types of events.
    pub triggers: BTreeSet<String>,
}

/// One attempt of a webhook to deliver something. Its note may repeat what was sent: it is only searched for what is known.
pub(super) struct Attempt {
    /// Its number.
    pub id: u64,
    /// The status of the answer; `None` when there was none.
    pub status: Option<u16>,
    /// What Mautic noted.
    pub note: String,
}

impl Mautic {
    /// All webhooks (recording `116-hooks-list`).
    pub async fn hooks(&self) -> Result<Vec<Hook>> {
        let answer: Hooks = self.client.call(Request::get("hooks").with("limit", ALL)).await?;
        Ok(answer.hooks.into_values().map(hook).collect())
    }

    /// The types of events that this Mautic can send (recording `113-hooks-triggers`).
    pub async fn hook_triggers(&self) -> Result<BTreeSet<String>> {
        let answer: Triggers = self.client.call(Request::get("hooks/triggers")).await?;
        Ok(answer.triggers.0.into_iter().map(|(name, _)| name).collect())
    }

    /// Makes a webhook that is on and sends events oldest first (recording `115-hook-create`).
    pub async fn create_hook(&self, setup: &HookSetup) -> Result<Hook> {
        self.saved(Request::post("hooks/new").carrying(&body(setup))?).await
    }

    /// Makes an existing webhook what [`Mautic::create_hook`] would have made.
    pub async fn update_hook(&self, id: &str, setup: &HookSetup) -> Result<Hook> {
        let path = format!("hooks/{}/edit", number(id, "webhook")?);
        self.saved(Request::patch(path).carrying(&body(setup))?).await
    }

    /// Deletes a webhook.
    pub async fn delete_hook(&self, id: &str) -> Result<()> {
        let path = format!("hooks/{}/delete", number(id, "webhook")?);
        self.client.call::<OneHook>(Request::delete(path)).await.map(drop)
    }

    /// The newest attempts of a webhook, the newest first, at most `limit` (recording `240-hook-logs` of 7.0.0).
    pub(super) async fn hook_attempts(&self, id: &str, limit: u32) -> Result<Vec<Attempt>> {
        let request = Request::get("stats/webhook_logs")
            .filtered(0, "webhook_id", "eq", number(id, "webhook")?)
            .with("order[0][col]", "id")
            .with("order[0][dir]", "desc")
            .with("limit", limit);
        let rows = self.rows(request).await?.ok_or_else(|| errors::garbled(false))?;
        Ok(rows.iter().map(attempt).collect())
    }

    async fn saved(&self, request: Request) -> Result<Hook> {
        let answer: OneHook = self.client.call(request).await?;
        Ok(hook(answer.hook))
    }
}

/// A row of `webhook_logs`; `status_code` is `N/A` without an answer (recording `229-hook-private-log` of 7.0.0).
fn attempt(row: &Row) -> Attempt {
    let text = |name: &str| match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => String::new(),
    };
    Attempt {
        id: text("id").parse().unwrap_or_default(),
        status: text("status_code").parse().ok().filter(|status| *status > 0),
        note: text("note"),
    }
}

fn body(setup: &HookSetup) -> Value {
    json!({
        "name": "Tandem",
        "description": "Tells Tandem what happens to contacts. Made and kept by Tandem.",
        "webhookUrl": setup.url,
        "secret": setup.secret,
        "triggers": setup.triggers,
        "eventsOrderbyDir": "ASC",
        "isPublished": true,
    })
}

fn hook(hook: wire::Hook) -> Hook {
    Hook {
        id: hook.id.0,
        setup: HookSetup {
            url: hook.url,
            secret: hook.secret.unwrap_or_default(),
            triggers: hook.triggers.into_values().collect(),
        },
        oldest_first: hook.order.filter(|order| !order.is_empty()).map(|order| order.eq_ignore_ascii_case("asc")),
        published: hook.is_published.is_truthy(),
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("id", &self.id).field("published", &self.published).finish_non_exhaustive()
    }
}

impl fmt::Debug for HookSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookSetup").field("triggers", &self.triggers).finish_non_exhaustive()
    }
}
