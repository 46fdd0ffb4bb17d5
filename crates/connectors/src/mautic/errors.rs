//! From Mautic's answers to failures: the one place that reads a status or an error body.

use std::collections::BTreeMap;

use jiff::Timestamp;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::link::RemoteId;
use tandem_core::error::{Effect, Failure, FailureKind, Result};

use super::rights;
use super::wire::{Error, Errors, Listed, Stats};
use crate::http::{Answer, Text};

/// As long an answer is looked through for an error that it hides, in bytes.
const SHORT: usize = 64 * 1024;

/// A row of a statistics table.
pub(super) type Row = BTreeMap<String, Value>;

/// The failure that a status other than 2xx stands for; `right` is what the call needs of Tandem's role.
pub(super) fn check(answer: &Answer, now: Timestamp, right: &str) -> Result<()> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let failure = match first_error(&answer.body) {
        Some(error) => of_status(answer.status, Some(&error), answer.wrote, right),
        None => foreign(answer).unwrap_or_else(|| of_status(answer.status, None, answer.wrote, right)),
    };
    Err(match answer.retry_after(now) {
        Some(moment) => failure.not_before(moment),
        None => failure,
    })
}

/// The body of a 2xx answer as `T`, or the failure that it hides: Mautic may say 200 and mean an error.
pub(super) fn read<T: DeserializeOwned>(answer: Answer, now: Timestamp) -> Result<T> {
    check(&answer, now, rights::API)?;
    // A hidden error is short; a body that is long is given back while it is read.
    let short = (answer.body.len() <= SHORT).then(|| answer.body.clone());
    let (wrote, foreign) = (answer.wrote, foreign(&answer));
    answer.body.into_json().map_err(|_| match short.as_ref().and_then(first_error) {
        Some(error) => of_entry(&error, wrote),
        None => foreign.unwrap_or_else(|| garbled(wrote)),
    })
}

/// The failure of one error that stands in the body of a 2xx answer; `wrote` as in [`Answer`].
pub(super) fn of_entry(error: &Error, wrote: bool) -> Failure {
    of_entry_needing(error, wrote, rights::CONTACTS)
}

/// The rows of a statistics table; `None` for a table that Mautic does not have (recording `107-stats-tables`).
pub(super) fn rows(stats: Stats, right: &str) -> Result<Option<Vec<Row>>> {
    match (stats.stats, stats.errors.into_values().next()) {
        (Some(rows), _) => Ok(Some(rows.into_values().collect())),
        (None, Some(error)) => Err(of_entry_needing(&error, false, right)),
        (None, None) if stats.available_tables.0.is_empty() => Err(garbled(false)),
        (None, None) => Ok(None),
    }
}

fn of_entry_needing(error: &Error, wrote: bool, right: &str) -> Failure {
    let code = error.code.as_ref().and_then(|code| code.0).filter(|code| (400..600).contains(code));
    of_status(code.unwrap_or(500), Some(error), wrote, right)
}

/// The failure of a batch's entry. Here the thing itself is missing though no `details` say so: the path is the batch's own
/// (recording `240-batch-edit-patch-unknown-id`).
pub(super) fn of_batch_entry(error: &Error) -> Failure {
    match error.code.as_ref().and_then(|code| code.0) {
        Some(404) => gone(),
        _ => of_entry(error, true),
    }
}

/// A contact that was deleted, or merged into another.
pub(super) fn gone() -> Failure {
    Failure::new(FailureKind::NotFound, "Mautic has no such contact any more: it was deleted or merged.")
}

/// Mautic took the write, and stored another address than the one sent: that is another person's contact, or a new one of
/// nobody's.
pub(super) fn altered(contact: &RemoteId) -> Failure {
    let message = format!("Mautic changed the address that it was sent, and stored it with contact {contact}.");
    let issue = FieldIssue::new("email", IssueCode::RefusedByPlatform, "Mautic does not keep this address as it is.");
    Failure::new(FailureKind::Refused, message).with_fields(vec![issue])
}

/// An answer that is no answer to the question asked.
pub(super) fn garbled(wrote: bool) -> Failure {
    with_effect(Failure::new(FailureKind::Garbled, "Mautic's answer can't be read."), wrote)
}

/// The answer of something that is no Mautic: its version and a JSON body are both missing. `None` for one that may well be
/// Mautic's, for a server in front of it that tells of its own trouble, and for what asks for other credentials.
fn foreign(answer: &Answer) -> Option<Failure> {
    let content = content_type(answer);
    let may_be_its_own = answer.header("mautic-version").is_some() || content.as_deref() == Some("application/json");
    if may_be_its_own || matches!(answer.status, 401 | 403 | 408 | 429 | 500..=599) {
        return None;
    }
    let found = match (answer.status, target(answer)) {
        (300..=399, Some(origin)) => format!("It redirects (status {}) to {origin}", answer.status),
        (status, _) => {
            let content = content.unwrap_or_else(|| "no content type".to_owned());
            format!("What answers at the base URL is no API of a Mautic (status {status}, {content})")
        }
    };
    let cure = "set MAUTIC_BASE_URL to the address of Mautic's own pages, without what follows /s/ or /api";
    let failure = Failure::new(FailureKind::Garbled, format!("{found}: {cure}."));
    Some(with_effect(failure, answer.wrote))
}

/// The kind of the body, without its parameters.
fn content_type(answer: &Answer) -> Option<String> {
    let kind = answer.header("content-type")?.split(';').next()?.trim().to_ascii_lowercase();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '+' | '-');
    (!kind.is_empty() && kind.len() <= 60 && kind.chars().all(is_plain)).then_some(kind)
}

/// Scheme, host and port of where a redirect leads; the rest may hold what is nobody's business.
fn target(answer: &Answer) -> Option<String> {
    let leads = Url::parse(answer.header("location")?).ok()?;
    leads.has_host().then(|| leads.origin().ascii_serialization())
}

fn first_error(body: &Text) -> Option<Error> {
    body.json::<Errors>().ok()?.errors.into_values().next()
}

/// The table. A status of 4xx with Mautic's own error body had no effect; whatever comes from something in front of
/// Mautic, and every 5xx, leaves the effect of a write unknown.
fn of_status(status: u16, error: Option<&Error>, wrote: bool, right: &str) -> Failure {
    match (status, error) {
        (401, _) => Failure::new(FailureKind::Credentials, "Mautic does not accept Tandem's credentials."),
        (403, Some(error)) => forbidden(error, right),
        (403, None) => Failure::new(
            FailureKind::Credentials,
            "Something in front of Mautic forbids the call (status 403): a firewall, or Basic credentials of its own.",
        ),
        (404, Some(error)) => not_found(error),
        (408 | 504, _) => with_effect(Failure::new(FailureKind::Timeout, "Mautic did not answer in time."), wrote),
        (429, _) => Failure::new(FailureKind::RateLimited, "Mautic's budget of API calls is used up."),
        (400..=499, Some(error)) => refused(status, error),
        (500..=599, _) => {
            with_effect(Failure::new(FailureKind::Unavailable, format!("Mautic answered with error {status}.")), wrote)
        }
        (300..=399, _) => with_effect(
            Failure::new(
                FailureKind::Garbled,
                "Mautic's address redirects elsewhere: set the base URL to where it leads.",
            ),
            wrote,
        ),
        (_, _) => with_effect(
            Failure::new(FailureKind::Garbled, format!("Something in front of Mautic answered with status {status}.")),
            wrote,
        ),
    }
}

/// A switch that is off (recordings `228-api-disabled-contacts`, `230-basic-auth-disabled`), or a right that the role lacks.
fn forbidden(error: &Error, right: &str) -> Failure {
    let says = |part: &str| error.message.as_deref().is_some_and(|message| message.contains(part));
    let message = if error.kind.as_deref() == Some("api_disabled") || says("API disabled") {
        API_OFF.to_owned()
    } else if says("Basic Auth disabled") {
        "Mautic takes no user and password for its API: switch that on under Settings, Configuration, API Settings (HTTP basic \
         auth), or, better, make an API client of the grant Client Credentials and set MAUTIC_CLIENT_ID and \
         MAUTIC_CLIENT_SECRET."
            .to_owned()
    } else {
        format!("Mautic forbids this to Tandem's role, which needs the right \"{right}\".")
    };
    Failure::new(FailureKind::Credentials, message)
}

/// What helps when the API is off, for calls and for tokens.
const API_OFF: &str =
    "Mautic's API is switched off: switch it on under Settings, Configuration, API Settings (API enabled).";

/// The failure of a token request that Mautic itself explains (recording `229-api-disabled-token`), or that something else
/// answered; `None` for any other, which the grant explains.
pub(super) fn of_token(answer: &Answer) -> Option<Failure> {
    match first_error(&answer.body) {
        Some(error) if error.kind.as_deref() == Some("api_disabled") => {
            Some(Failure::new(FailureKind::Credentials, API_OFF))
        }
        Some(_) => None,
        None => foreign(answer).map(|failure| Failure { effect: Effect::None, ..failure }),
    }
}

/// A missing thing is reported by a controller, with `details` (recording `026-contact-get-404`); a missing path is not
/// (recording `093-campaign-contact-add-seedpath`) and says nothing about the thing: taking it for one would make Tandem
/// believe that every contact was deleted when the base URL is wrong.
fn not_found(error: &Error) -> Failure {
    match &error.details {
        Some(_) => Failure::new(FailureKind::NotFound, "Mautic has no such contact, campaign, segment or other thing."),
        None => Failure::new(
            FailureKind::Misconfigured,
            "Mautic does not know this path of its API: check the base URL and Mautic's version.",
        ),
    }
}

/// Validation: 400 or 422 with messages by field, which repeat the values (recording `014-contact-create-invalid-email`).
fn refused(status: u16, error: &Error) -> Failure {
    let issues: Vec<FieldIssue> = error.details.iter().flat_map(field_issues).collect();
    if status == 422 && issues.iter().any(|issue| issue.code == IssueCode::Taken) {
        let message = format!("Another contact in Mautic has this value of: {}.", names_of(&issues));
        return Failure::new(FailureKind::Taken, message).with_fields(issues);
    }
    let message = match issues.as_slice() {
        [] => format!("Mautic refused the request with status {status}."),
        issues => format!("Mautic refused the values of: {}.", names_of(issues)),
    };
    Failure::new(FailureKind::Refused, message).with_fields(issues)
}

fn names_of(issues: &[FieldIssue]) -> String {
    issues.iter().map(|issue| issue.field.as_str()).collect::<Vec<_>>().join(", ")
}

fn field_issues(details: &Listed<Value>) -> impl Iterator<Item = FieldIssue> {
    let named = details.0.iter().filter(|(field, _)| !field.bytes().all(|byte| byte.is_ascii_digit()));
    named.map(|(field, reasons)| field_issue(field, reasons))
}

fn field_issue(field: &str, reasons: &Value) -> FieldIssue {
    let says = |part: &str| texts(reasons).any(|text| text.contains(part));
    let (code, message) = if says("must be unique") {
        (IssueCode::Taken, "Another contact has this value.")
    } else if says("already using this alias") {
        (IssueCode::RefusedByPlatform, "Another field has this alias.")
    } else if says("reserved for segment filters") {
        (IssueCode::RefusedByPlatform, "Mautic keeps this name for a filter of its segments.")
    } else if says("restricted field") {
        (IssueCode::RefusedByPlatform, "Mautic keeps this name for itself.")
    } else if says("too long") {
        (IssueCode::RefusedByPlatform, "Mautic takes no value as long as this.")
    } else {
        (IssueCode::RefusedByPlatform, "Mautic does not take this value.")
    };
    FieldIssue::new(field, code, message)
}

fn texts(reasons: &Value) -> impl Iterator<Item = &str> {
    let list = reasons.as_array().map_or(std::slice::from_ref(reasons), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

fn with_effect(failure: Failure, wrote: bool) -> Failure {
    if wrote { failure.maybe_done() } else { failure }
}
