//! Parameters of a query, and pages of lists. Cursors are opaque: what an answer names as `next` is where the next page begins.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tandem_core::domain::issue::{FieldIssue, IssueCode};

use super::{Answered, unfit};
use crate::http::envelope::{ApiError, Reply};

/// The most entries of a page, and how many there are when nobody says.
const LONGEST_PAGE: usize = 200;
const USUAL_PAGE: usize = 50;
/// The longest cursor, in characters.
const LONGEST_CURSOR: usize = 2_000;

/// The parameters of a query.
pub(super) struct Params(BTreeMap<String, String>);

/// Which page of a list.
pub(super) struct Page {
    /// Behind which entry it begins.
    pub(super) after: Option<String>,
    /// How many entries it has at most.
    pub(super) limit: usize,
}

impl Params {
    /// Those of an address. One that is none of `known` is refused: a filter that is misspelt must not pass for none.
    pub(super) fn of(uri: &Uri, known: &[&str]) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Ok(Query(pairs)) = pairs else { return Err(unfit("query", "The query can't be read.")) };
        let unknown = pairs.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let issues: Vec<FieldIssue> = unknown
            .map(|(name, _)| {
                let name: String = name.chars().take(100).collect();
                let message = match known {
                    [] => "This path takes no parameters.".to_owned(),
                    known => format!("The parameters are {}.", known.join(", ")),
                };
                FieldIssue::new(name, IssueCode::UnknownField, message)
            })
            .collect();
        if issues.is_empty() { Ok(Self(pairs.into_iter().collect())) } else { Err(ApiError::invalid(issues)) }
    }

    /// A text that says something.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A value of a type; `wanted` says what it must be.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, ApiError> {
        let parsed = self.text(name).map(str::parse).transpose();
        parsed.map_err(|_| unfit(name, format!("The value must be {wanted}.")))
    }

    /// One of several words.
    pub(super) fn word<T: DeserializeOwned>(&self, name: &str, words: &str) -> Result<Option<T>, ApiError> {
        let word = self.text(name).map(|text| serde_json::from_value(json!(text))).transpose();
        word.map_err(|_| {
            ApiError::invalid(vec![FieldIssue::new(
                name,
                IssueCode::NotInList,
                format!("The value must be one of {words}."),
            )])
        })
    }

    /// The page that is asked for by `after` and `limit`.
    pub(super) fn page(&self) -> Result<Page, ApiError> {
        let bad = || unfit("limit", format!("The value must be 1 to {LONGEST_PAGE}."));
        let limit = match self.0.get("limit") {
            None => USUAL_PAGE,
            Some(text) => text.parse().map_err(|_| bad())?,
        };
        if !(1..=LONGEST_PAGE).contains(&limit) {
            return Err(bad());
        }
        // What ids, digests and cursors can't hold is none of them.
        let after = self.text("after").map(str::to_owned);
        let is_sound = |text: &String| {
            text.len() <= LONGEST_CURSOR && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~".contains(&b))
        };
        match after {
            Some(after) if !is_sound(&after) => Err(bad_cursor()),
            after => Ok(Page { after, limit }),
        }
    }
}

impl Page {
    /// The place that the cursor names, where that is more than an id.
    pub(super) fn place<T: DeserializeOwned>(&self) -> Result<Option<T>, ApiError> {
        let Some(after) = &self.after else { return Ok(None) };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(after).map_err(|_| bad_cursor())?;
        serde_json::from_slice(&bytes).map(Some).map_err(|_| bad_cursor())
    }

    /// The id of the last entry of a page that is full: there may be more behind it.
    pub(super) fn next<T>(&self, entries: &[T], id: impl Fn(&T) -> String) -> Option<String> {
        entries.last().filter(|_| entries.len() >= self.limit).map(id)
    }
}

/// A place as a cursor.
pub(super) fn cursor(place: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json!(place).to_string())
}

/// A cursor that no answer named.
pub(super) fn bad_cursor() -> ApiError {
    unfit("after", "The value must be `next` of an answer.")
}

/// A page of a list as it is answered.
pub(super) fn listed(name: &str, entries: &impl Serialize, next: Option<&str>) -> Answered {
    Ok(Reply::Done(json!({name: entries, "next": next})))
}
