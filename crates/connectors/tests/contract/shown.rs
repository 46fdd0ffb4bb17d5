//! Results as one line, so that a table can say what is expected.

use serde_json::Value;
use tandem_core::domain::platform::{DoNotContactReason, RemoteContact, Written};
use tandem_core::error::{Effect, Failure, Result};
use tandem_core::ports::bulk::Outcomes;

/// `Ok` shown by `show`, `Err` as its kind, effect and fields.
pub fn line<T>(result: Result<T>, show: impl FnOnce(T) -> String) -> String {
    result.map_or_else(|failure| failed(&failure), show)
}

pub fn done(result: Result<()>) -> String {
    line(result, |()| "done".to_owned())
}

/// `7 a@b.c points=5 [tag] no-mail=unsubscribed {firstname, lastname}`: the fields that are set, without the usual ones.
pub fn contact(contact: &RemoteContact) -> String {
    let reason = contact.mail_forbidden().map(|entry| match entry.reason {
        DoNotContactReason::Unsubscribed => " no-mail=unsubscribed",
        DoNotContactReason::Bounced => " no-mail=bounced",
        DoNotContactReason::Manual => " no-mail=manual",
    });
    let blank = |value: &Value| value.as_str() == Some("");
    let named =
        contact.fields.iter().filter(|(name, value)| !["email", "points"].contains(&name.as_str()) && !blank(value));
    let fields: Vec<String> = named.map(|(name, value)| format!("{name}={}", plain(value))).collect();
    format!(
        "{} {} points={} [{}]{} {{{}}}",
        contact.id,
        contact.email.as_deref().unwrap_or("-"),
        contact.points,
        contact.tags.join(","),
        reason.unwrap_or_default(),
        fields.join(", ")
    )
}

pub fn contacts(list: &[RemoteContact]) -> String {
    let ids: Vec<String> =
        list.iter().map(|one| format!("{}:{}", one.id, one.email.as_deref().unwrap_or("-"))).collect();
    ids.join(" ")
}

pub fn written(written: &Written) -> String {
    format!("{} {}", if written.created { "created" } else { "updated" }, contact(&written.contact))
}

pub fn outcomes(outcomes: Outcomes) -> String {
    let lines: Vec<String> = outcomes
        .into_iter()
        .map(|outcome| {
            line(outcome, |one| format!("{} {}", if one.created { "created" } else { "updated" }, one.contact.id))
        })
        .collect();
    lines.join("; ")
}

fn failed(failure: &Failure) -> String {
    let effect = match failure.effect {
        Effect::None => "",
        Effect::Unknown => " maybe done",
    };
    let mut fields: Vec<&str> = failure.fields.iter().map(|issue| issue.field.as_str()).collect();
    fields.sort_unstable();
    let until = failure.retry_at.map(|moment| format!(" until {}", moment.as_second())).unwrap_or_default();
    format!("{:?}{effect}{until} [{}]", failure.kind, fields.join(","))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
