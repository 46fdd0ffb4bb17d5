//! `/api/v1/integrations`: made, listed, changed, paused and removed. Credentials go in and never come out.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tandem_connectors::registry::{Credentials, IntegrationSettings, Options, Platform};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::platform::PlatformInfo;
use tandem_core::domain::scope::IntegrationId;
use tandem_core::error::Failure;

use super::{Answered, Call, label, nothing, required_label};
use crate::admin::integrations::{IntegrationChange, Known, NewIntegration, Tried, WebhookSecret, blamed};
use crate::http::envelope::{ApiError, Reply};
use crate::http::input::Input;
use crate::store::{IntegrationStatus, StoredIntegration};

/// How long a call goes on removing; then it is to be called again.
const LONGEST_REMOVAL: Duration = Duration::from_secs(15);
/// The longest secret that is taken, in characters.
const LONGEST_SECRET: usize = 1_000;

/// Lists the tenant's integrations.
pub async fn list(call: Call) -> Answered {
    let listed = call.state.integrations.list(call.tenant()).await;
    let listed = listed.map_err(|refused| call.refused(refused))?;
    Ok(Reply::Done(json!({"integrations": listed.iter().map(known).collect::<Vec<_>>()})))
}

/// Shows one.
pub async fn show(call: Call) -> Answered {
    let found = call.state.integrations.get(call.tenant(), &named(&call.path("id"))?).await;
    let found = found.map_err(|refused| call.refused(refused))?;
    let revision = match &found {
        Known::Environment { .. } => 1,
        Known::Stored(stored) => stored.revision,
    };
    Ok(Reply::Found(json!({"integration": known(&found)}), revision))
}

/// Makes one.
pub async fn create(call: Call) -> Answered {
    const FIELDS: &[&str] = &["platform", "name", "baseUrl", "credentials", "settings", "webhookSecret", "force"];
    let object = call.object(FIELDS).await?;
    let (new, force) = read_new(Input::root(&object)).map_err(ApiError::invalid)?;
    let made = call.state.integrations.create(call.tenant(), new, force, &call.actor()).await;
    let (stored, tried) = made.map_err(|refused| call.refused(refused))?;
    Ok(changed(&stored, &tried))
}

/// Changes one.
pub async fn change(call: Call) -> Answered {
    const FIELDS: &[&str] = &["name", "baseUrl", "credentials", "settings", "webhookSecret", "status", "force"];
    let object = call.object(FIELDS).await?;
    let id = named(&call.path("id"))?;
    let (now, revision) = match call.state.integrations.get(call.tenant(), &id).await {
        Ok(Known::Stored(stored)) => (stored.settings.options, Some(stored.revision)),
        Ok(Known::Environment { .. }) => (Options::default(), None),
        Err(refused) => return Err(call.refused(refused)),
    };
    let (change, force) = read_change(Input::root(&object), &now).map_err(ApiError::invalid)?;
    // Settings that were left out are those that stood here just now: another writer's must not be lost over them.
    let seen = call.seen()?.or(revision);
    let done = call.state.integrations.change(call.tenant(), &id, change, force, seen, &call.actor()).await;
    let (stored, tried) = done.map_err(|refused| call.refused(refused))?;
    Ok(changed(&stored, &tried))
}

/// Removes one with all that belongs to it; 202 when that takes longer than a call may.
pub async fn delete(call: Call) -> Answered {
    let params = call.params(&["name"])?;
    let name = params.text("name").unwrap_or_default();
    let (id, seen) = (named(&call.path("id"))?, call.seen()?);
    let done = call.state.integrations.remove(call.tenant(), &id, name, seen, &call.actor(), LONGEST_REMOVAL).await;
    match done.map_err(|refused| call.refused(refused))? {
        true => Ok(Reply::Done(json!({"deleted": true}))),
        false => Ok(Reply::Accepted(json!({"deleted": false}))),
    }
}

/// An integration that a path names. None has an id that none can have.
fn named(id: &str) -> Result<IntegrationId, ApiError> {
    IntegrationId::try_from(id.to_owned()).map_err(|_| nothing("there is no such integration"))
}

fn read_new(input: Input<'_>) -> Result<(NewIntegration, bool), Vec<FieldIssue>> {
    let one = |issue| vec![issue];
    let platform = match input.text("platform").map_err(one)? {
        None => return Err(one(input.issue("platform", IssueCode::Missing, "Give a platform: mautic."))),
        Some(text) => {
            let unknown = |what: &str| one(input.issue("platform", IssueCode::NotInList, format!("The value {what}.")));
            text.parse::<Platform>().map_err(unknown)?
        }
    };
    let name = required_label(input, "name").map_err(one)?;
    let missing = |field: &str, what: &str| one(input.issue(field, IssueCode::Missing, what));
    let base_url = address(input).map_err(one)?.ok_or_else(|| missing("baseUrl", "Give the platform's address."))?;
    let credentials = credentials(input).map_err(one)?.ok_or_else(|| missing("credentials", WHAT_CREDENTIALS))?;
    let options = options(input, &Options::default())?.unwrap_or_default();
    let settings = IntegrationSettings { platform, base_url, options };
    let webhook_secret = webhook_secret(input).map_err(one)?;
    Ok((NewIntegration { name, settings, credentials, webhook_secret }, force(input).map_err(one)?))
}

fn read_change(input: Input<'_>, now: &Options) -> Result<(IntegrationChange, bool), Vec<FieldIssue>> {
    let one = |issue| vec![issue];
    let paused = match input.text("status").map_err(one)? {
        None => None,
        Some("active") => Some(false),
        Some("paused") => Some(true),
        Some(_) => {
            return Err(one(input.issue("status", IssueCode::NotInList, "The value must be active or paused.")));
        }
    };
    let change = IntegrationChange {
        name: label(input, "name").map_err(one)?,
        base_url: address(input).map_err(one)?,
        options: options(input, now)?,
        credentials: credentials(input).map_err(one)?,
        webhook_secret: webhook_secret(input).map_err(one)?,
        paused,
    };
    Ok((change, force(input).map_err(one)?))
}

/// Whether the caller wants it stored whatever the platform says.
fn force(input: Input<'_>) -> Result<bool, FieldIssue> {
    match input.entries().find(|(name, _)| *name == "force").map(|(_, value)| value) {
        None => Ok(false),
        Some(Value::Bool(force)) => Ok(*force),
        Some(_) => Err(input.wrong_type("force", "true or false")),
    }
}

fn address(input: Input<'_>) -> Result<Option<String>, FieldIssue> {
    match input.text("baseUrl")? {
        Some(text) if text.len() > 2_000 => {
            Err(input.issue("baseUrl", IssueCode::TooLong, "An address takes at most 2,000 characters."))
        }
        text => Ok(text.map(|text| text.trim().to_owned())),
    }
}

fn webhook_secret(input: Input<'_>) -> Result<Option<WebhookSecret>, FieldIssue> {
    match input.text("webhookSecret")?.map(str::trim) {
        Some(text) if !(16..=LONGEST_SECRET).contains(&text.chars().count()) => {
            Err(input.issue("webhookSecret", IssueCode::Invalid, "A secret takes 16 to 1,000 characters."))
        }
        text => Ok(text.map(|text| WebhookSecret(text.to_owned()))),
    }
}

const WHAT_CREDENTIALS: &str = "Give clientId and clientSecret, or username and password.";

fn credentials(input: Input<'_>) -> Result<Option<Credentials>, FieldIssue> {
    let Some(given) = input.object("credentials", "credentials")? else { return Ok(None) };
    let unknown = given
        .entries()
        .find(|(name, _)| !["clientId", "clientSecret", "username", "password"].contains(&name.as_str()));
    if let Some((name, _)) = unknown {
        let name: String = name.chars().take(100).collect();
        return Err(given.issue(&name, IssueCode::UnknownField, WHAT_CREDENTIALS));
    }
    let text = |name: &str| match given.text(name)?.filter(|text| !text.trim().is_empty()) {
        Some(text) if text.chars().count() > LONGEST_SECRET => {
            Err(given.issue(name, IssueCode::TooLong, "The value takes at most 1,000 characters."))
        }
        text => Ok(text.map(str::to_owned)),
    };
    match (text("clientId")?, text("clientSecret")?, text("username")?, text("password")?) {
        (Some(client_id), Some(client_secret), None, None) => {
            Ok(Some(Credentials::ClientCredentials { client_id, client_secret }))
        }
        (None, None, Some(username), Some(password)) => Ok(Some(Credentials::Password { username, password })),
        _ => Err(input.issue("credentials", IssueCode::Missing, WHAT_CREDENTIALS)),
    }
}

/// The options with those that are given in the place of what is there now; `null` makes one as usual.
fn options(input: Input<'_>, now: &Options) -> Result<Option<Options>, Vec<FieldIssue>> {
    let Some(given) = input.object("settings", "settings").map_err(|issue| vec![issue])? else { return Ok(None) };
    let mut merged: Map<String, Value> = match json!(now) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let mut issues = Vec::new();
    for (name, value) in given.entries() {
        if value.is_null() {
            merged.remove(name);
            continue;
        }
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        if serde_json::from_value::<Options>(Value::Object(alone)).is_ok() {
            merged.insert(name.clone(), value.clone());
            continue;
        }
        let name: String = name.chars().take(100).collect();
        issues.push(if OPTIONS.contains(&name.as_str()) {
            given.wrong_type(&name, "as the document describes it")
        } else {
            given.issue(&name, IssueCode::UnknownField, format!("The settings are {}.", OPTIONS.join(", ")))
        });
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    serde_json::from_value(Value::Object(merged)).map(Some).map_err(|_| vec![input.wrong_type("settings", "an object")])
}

const OPTIONS: &[&str] = &[
    "conflictStrategy",
    "vanished",
    "pullIntervalMinutes",
    "adminOptIn",
    "newcomers",
    "callsPerMinute",
    "interactiveReserve",
    "parallelBatches",
    "enrolment",
];

fn changed(stored: &StoredIntegration, tried: &Tried) -> Reply {
    let connection = tried.as_ref().map(connection);
    let data = json!({"integration": known(&Known::Stored(Box::new(stored.clone()))), "connection": connection});
    Reply::Found(data, stored.revision)
}

/// What the platform said.
fn connection(tried: &Result<PlatformInfo, Failure>) -> Value {
    match tried {
        Ok(info) => json!({"ok": true, "version": info.version, "issue": null}),
        Err(failure) => json!({"ok": false, "version": null, "issue": blamed(failure)}),
    }
}

/// An integration as answers show it.
fn known(known: &Known) -> Value {
    match known {
        Known::Environment { id, base_url } => json!({
            "id": id, "name": id, "platform": known.platform(), "baseUrl": base_url, "origin": "environment",
            "credentials": null, "settings": {}, "status": "active", "since": null, "reason": null,
            "webhookPath": "/mautic-webhook", "createdAt": null, "revision": 1,
        }),
        Known::Stored(stored) => {
            let (status, since, reason) = status(&stored.status);
            json!({
                "id": stored.id, "name": stored.name, "platform": stored.settings.platform,
                "baseUrl": stored.settings.base_url, "origin": "stored", "credentials": stored.credentials,
                "settings": stored.settings.options, "status": status, "since": since, "reason": reason,
                "webhookPath": format!("/mautic-webhook/{}", stored.public_id),
                "createdAt": stored.created_at, "revision": stored.revision,
            })
        }
    }
}

/// The word for a status, since when, and why.
pub(super) fn status(status: &IntegrationStatus) -> (&'static str, Option<jiff::Timestamp>, Option<&str>) {
    match status {
        IntegrationStatus::Active => ("active", None, None),
        IntegrationStatus::Paused { since } => ("paused", Some(*since), None),
        IntegrationStatus::Error { since, reason } => ("error", Some(*since), Some(reason)),
        IntegrationStatus::Removing { since } => ("removing", Some(*since), None),
    }
}
