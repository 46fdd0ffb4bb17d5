//! From PostgREST's answers to failures: the one place that reads a status or an error code.
//!
//! Only the code of an error body is read (<https://docs.postgrest.org/en/v12/references/errors.html>): message, details and
//! hint quote values.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tandem_core::error::{Failure, FailureKind, Result};

use super::wire::Error;
use crate::http::Answer;

/// A failure, with the code that it came with.
#[derive(Debug)]
pub(super) struct Rejected {
    code: Option<String>,
    failure: Failure,
}

impl Rejected {
    /// A column that the table or view does not have: PostgreSQL says so of reads, PostgREST of writes.
    pub(super) fn lacks_column(&self) -> bool {
        self.is(&["42703", "PGRST204"])
    }

    /// A table or view that is not there: PostgREST up to 12 leaves that to PostgreSQL.
    pub(super) fn lacks_table(&self) -> bool {
        self.is(&["42P01", "PGRST205"])
    }

    /// A value that is no value of its column's type.
    pub(super) fn is_about_a_type(&self) -> bool {
        self.is(&["22P02", "22003", "22007", "22008"])
    }

    /// A row that refers to one that is gone.
    pub(super) fn lacks_parent(&self) -> bool {
        self.is(&["23503"])
    }

    /// One of the rows written is to blame, and the others might be taken without it: bad data (22) or a constraint (23).
    pub(super) fn is_about_a_row(&self) -> bool {
        self.code().starts_with("22") || self.code().starts_with("23")
    }

    /// The code, for a log line.
    pub(super) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    fn is(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code())
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        rejected.failure
    }
}

impl From<Failure> for Rejected {
    fn from(failure: Failure) -> Self {
        Self { code: None, failure }
    }
}

/// The failure that a status other than 2xx stands for; `table` is what the call was about.
pub(super) fn check(answer: &Answer, table: &str, now: Timestamp) -> Result<(), Rejected> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let code = code(answer);
    let failure = of_answer(answer.status, code.as_deref(), table, answer.wrote);
    let failure = match answer.retry_after(now) {
        Some(moment) => failure.not_before(moment),
        None => failure,
    };
    Err(Rejected { code, failure })
}

/// The body of a 2xx answer.
pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    answer.body.json().map_err(|_| Failure::new(FailureKind::Garbled, "Supabase's answer can't be read."))
}

/// Whether there is no PostgREST at the path: it, and the gateway before it, answer 404 without a code of a missing table.
pub(super) fn is_unknown_path(answer: &Answer) -> bool {
    answer.status == 404 && code(answer).is_none_or(|code| code == "PGRST125")
}

fn code(answer: &Answer) -> Option<String> {
    let code = answer.body.json::<Error>().ok()?.code?;
    // A code goes into messages: five letters and digits, or PostgREST's own, and nothing else.
    let sound = code.len() <= 8 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    sound.then_some(code)
}

/// The table. A status of 4xx with a code had no effect; every 5xx, and whatever comes from something in front of
/// PostgREST, leaves the effect of a write unknown.
fn of_answer(status: u16, code: Option<&str>, table: &str, wrote: bool) -> Failure {
    match (status, code) {
        (401 | 403, _) | (_, Some("42501")) => forbidden(code, table),
        (404, Some("42P01" | "PGRST205")) => {
            misconfigured(&format!("Supabase has no table or view {table} that its API shows: see docs/supabase.sql."))
        }
        (400, Some("42703" | "PGRST204")) => {
            misconfigured(&format!("Supabase's table or view {table} lacks a column: see docs/supabase.sql."))
        }
        (404, None | Some("PGRST125")) => misconfigured("There is no PostgREST at the address of Supabase."),
        (408 | 504, _) | (_, Some("57014")) => {
            with_effect(Failure::new(FailureKind::Timeout, "Supabase did not answer in time."), wrote)
        }
        (429, _) => Failure::new(FailureKind::RateLimited, "Supabase takes no more calls for the moment."),
        (409, Some(code)) => {
            Failure::new(FailureKind::Conflict, format!("Supabase refused a write to {table}: {code}."))
        }
        (400..=499, Some(code)) => {
            Failure::new(FailureKind::Refused, format!("Supabase refused a call of {table}: {code}."))
        }
        (500..=599, code) => {
            let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
            let message = format!("Supabase answered with error {status}{code}.");
            with_effect(Failure::new(FailureKind::Unavailable, message), wrote)
        }
        (300..=399, _) => with_effect(
            Failure::new(FailureKind::Garbled, "Supabase's address redirects elsewhere: set it to where it leads."),
            wrote,
        ),
        (_, _) => with_effect(
            Failure::new(
                FailureKind::Garbled,
                format!("Something in front of Supabase answered with status {status}."),
            ),
            wrote,
        ),
    }
}

/// 42501 is PostgreSQL's "permission denied", with 401 for the anonymous role and 403 for others.
fn forbidden(code: Option<&str>, table: &str) -> Failure {
    let message = match code {
        Some("42501") => format!("Supabase does not let the key use {table}: see the grants in docs/supabase.sql."),
        Some(_) | None => "Supabase does not accept Tandem's key.".to_owned(),
    };
    Failure::new(FailureKind::Credentials, message)
}

fn misconfigured(message: &str) -> Failure {
    Failure::new(FailureKind::Misconfigured, message)
}

fn with_effect(failure: Failure, wrote: bool) -> Failure {
    if wrote { failure.maybe_done() } else { failure }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use tandem_core::error::Effect;

    use super::*;

    fn failure(status: u16, body: &str, wrote: bool) -> Failure {
        let answer = Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec().into(), wrote };
        check(&answer, "leads", Timestamp::UNIX_EPOCH).unwrap_err().into()
    }

    #[test]
    fn statuses_and_codes_become_the_kinds_that_callers_decide_on() {
        for (status, body, kind) in [
            (401, r#"{"code":"PGRST301"}"#, FailureKind::Credentials),
            (401, r#"{"message":"Invalid API key"}"#, FailureKind::Credentials),
            (403, r#"{"code":"42501"}"#, FailureKind::Credentials),
            (404, r#"{"code":"42P01"}"#, FailureKind::Misconfigured),
            (404, r#"{"code":"PGRST205"}"#, FailureKind::Misconfigured),
            (404, "{}", FailureKind::Misconfigured),
            (400, r#"{"code":"42703"}"#, FailureKind::Misconfigured),
            (400, r#"{"code":"22P02"}"#, FailureKind::Refused),
            (400, "<html>", FailureKind::Garbled),
            (409, r#"{"code":"23503"}"#, FailureKind::Conflict),
            (429, "", FailureKind::RateLimited),
            (500, r#"{"code":"57014"}"#, FailureKind::Timeout),
            (503, r#"{"code":"PGRST001"}"#, FailureKind::Unavailable),
            (540, "project paused", FailureKind::Unavailable),
            (504, "", FailureKind::Timeout),
            (301, "", FailureKind::Garbled),
        ] {
            assert_eq!(failure(status, body, false).kind, kind, "{status} {body}");
        }
    }

    #[test]
    fn a_write_that_failed_on_the_way_may_have_been_done_and_a_refused_one_was_not() {
        assert_eq!(failure(503, "", true).effect, Effect::Unknown);
        assert_eq!(failure(503, "", false).effect, Effect::None);
        assert_eq!(failure(409, r#"{"code":"23503"}"#, true).effect, Effect::None);
    }

    #[test]
    fn a_failure_quotes_nothing_of_the_answer() {
        let body = r#"{"code":"23505","message":"jane@example.com","details":"Key (email)=(jane@example.com)"}"#;
        let text = format!("{:?}", failure(409, body, true));
        assert!(text.contains("23505") && !text.contains("jane"), "{text}");
        let forged = failure(409, r#"{"code":"jane@x.com"}"#, true);
        assert!(!format!("{forged:?}").contains("jane"), "{forged:?}");
    }
}
