//! `/api/v1/issues`: what needs a person, folded by cause, and what people decided of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::error::Result;
use tandem_core::jobs::message::ParkedJob;
use tandem_core::jobs::replay::longest_parked;
use tandem_core::ports::Attempt;
use tandem_core::sync::issues::{Issue, IssueKind, issue_of};

use super::jobs::again;
use super::params::{cursor, listed};
use super::{Answered, Call, changed, nothing, unfit};
use crate::api::issues::{IssueView, OneIssue, Replayed};
use crate::http::envelope::{ApiError, Reply};
use crate::http::input::Input;
use crate::store::{Decision, DecisionState};

/// The longest note, in characters.
const LONGEST_NOTE: usize = 500;
/// How many jobs a call puts on the queue again.
const AT_ONCE: usize = 100;

/// Lists issues, the last seen first; those that are open or acknowledged, unless `state` says otherwise. Reads as
/// `Services::issues`, and one more.
pub async fn list(call: Call) -> Answered {
    let params = call.params(&["state", "after", "limit"])?;
    let page = params.page()?;
    let wanted = params.word::<DecisionState>("state", "open, acknowledged, resolved, ignored")?;
    let mut issues = all(&call).await?;
    issues.retain(|issue| match wanted {
        Some(wanted) => issue.state == wanted,
        None => matches!(issue.state, DecisionState::Open | DecisionState::Acknowledged),
    });
    // By the place of the last one, which may be gone, or seen again, since: what came before it is on the first page.
    if let Some(place) = page.place::<Place>()? {
        issues.retain(|issue| Place::of(issue).is_behind(&place));
    }
    let more = issues.len() > page.limit;
    issues.truncate(page.limit);
    let next = page.next(&issues, |issue| cursor(&Place::of(issue))).filter(|_| more);
    listed("issues", &issues, next.as_deref())
}

/// Where an issue stands in the list: the last seen first, of one moment by id.
#[derive(Serialize, Deserialize)]
struct Place(Timestamp, String);

impl Place {
    fn of(issue: &IssueView) -> Self {
        Self(issue.issue.last_seen, issue.issue.id.clone())
    }

    fn is_behind(&self, other: &Self) -> bool {
        (other.0, &self.1) > (self.0, &other.1)
    }
}

/// Shows one.
pub async fn show(call: Call) -> Answered {
    call.params(&[])?;
    let issue = found(&call).await?;
    let revision = issue.revision;
    Ok(Reply::Found(json!(OneIssue { issue }), revision))
}

/// Acknowledges, resolves, ignores or opens one again.
pub async fn change(call: Call) -> Answered {
    let object = call.object(&["state", "note"]).await?;
    let input = Input::root(&object);
    let (state, note) = read(input).map_err(|issue| ApiError::invalid(vec![issue]))?;
    let issue = found(&call).await?;
    if call.seen()?.is_some_and(|seen| seen != issue.revision) {
        return Err(changed());
    }
    let act = call.actor().act;
    let decision = Decision { state, by: act.by.clone(), at: act.at, note, revision: issue.revision + 1 };
    let entry = act.entry(&format!("issue.{}", word(state)), &issue.issue.id, &["state"]);
    let attempt = call.state.admin.issues.decide(call.tenant(), &issue.issue.id, &decision, &entry).await;
    match attempt.map_err(|failure| call.failed(failure))? {
        Attempt::Done => {
            let revision = decision.revision;
            let issue = IssueView::of(issue.issue, Some(&decision));
            Ok(Reply::Found(json!(OneIssue { issue }), revision))
        }
        Attempt::Contended => Err(changed()),
    }
}

/// Puts the jobs of one on the queue again, a hundred a call: those that were parked longest ago, so that those that are parked
/// again meanwhile are the last.
pub async fn replay(call: Call) -> Answered {
    let issue = found(&call).await?;
    if issue.issue.kind != IssueKind::ParkedJobs {
        let message = format!("Nothing of it can be done again as it is. {}", issue.issue.advice);
        return Err(unfit("issue", message));
    }
    let is_its = |job: &ParkedJob| issue_of(job) == issue.issue.id;
    let jobs = longest_parked(&*call.state.services.parked, call.tenant(), is_its, AT_ONCE).await;
    let (jobs, more) = jobs.map_err(|failure| call.failed(failure))?;
    call.note("issue.replay", &issue.issue.id, &[]).await?;
    let mut replayed = Vec::new();
    for job in &jobs {
        again(&call, job).await.map_err(|failure| call.failed(failure))?;
        replayed.push(job.job.id.clone());
    }
    let replayed = Replayed { replayed, more };
    Ok(if more { Reply::Accepted(json!(replayed)) } else { Reply::Done(json!(replayed)) })
}

fn read(input: Input<'_>) -> std::result::Result<(DecisionState, Option<String>), FieldIssue> {
    let states = "The value must be open, acknowledged, resolved or ignored.";
    let state = match input.text("state")? {
        None => return Err(input.issue("state", IssueCode::Missing, states)),
        Some(text) => {
            serde_json::from_value(json!(text)).map_err(|_| input.issue("state", IssueCode::NotInList, states))?
        }
    };
    match input.text("note")?.map(str::trim).filter(|note| !note.is_empty()) {
        Some(note) if note.chars().count() > LONGEST_NOTE => {
            Err(input.issue("note", IssueCode::TooLong, format!("A note takes at most {LONGEST_NOTE} characters.")))
        }
        note => Ok((state, note.map(str::to_owned))),
    }
}

fn word(state: DecisionState) -> &'static str {
    match state {
        DecisionState::Open => "open",
        DecisionState::Acknowledged => "acknowledge",
        DecisionState::Resolved => "resolve",
        DecisionState::Ignored => "ignore",
    }
}

async fn all(call: &Call) -> std::result::Result<Vec<IssueView>, ApiError> {
    let known = call.state.integrations.list(call.tenant()).await.map_err(|refused| call.refused(refused))?;
    let mut integrations: Vec<_> = known.iter().map(|one| one.id().clone()).collect();
    let own = call.scope().integration;
    if call.tenant().is_default() && !integrations.contains(&own) {
        integrations.push(own);
    }
    let found = async {
        let issues = call.state.services.issues(call.tenant(), &integrations).await?;
        let decisions: BTreeMap<String, Decision> = call.state.admin.issues.all(call.tenant()).await?;
        let of = |issue: Issue| {
            let decision = decisions.get(&issue.id);
            IssueView::of(issue, decision)
        };
        Result::Ok(issues.into_iter().map(of).collect())
    };
    found.await.map_err(|failure| call.failed(failure))
}

async fn found(call: &Call) -> std::result::Result<IssueView, ApiError> {
    let id = call.path("issue");
    let issue = all(call).await?.into_iter().find(|issue| issue.issue.id == id);
    issue.ok_or_else(|| nothing("there is no such issue"))
}
