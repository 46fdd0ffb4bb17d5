//! `/api/v1/runs`: looked at, ordered and stopped. `tandem runs` and `tandem sync` say the same.

use axum::http::StatusCode;
use serde_json::json;
use tandem_core::domain::issue::FieldIssue;
use tandem_core::error::{Failure, FailureKind};
use tandem_core::jobs::message::RunOrder;
use tandem_core::policy;
use tandem_core::ports::runs::{RunEnd, RunLog};
use tandem_core::sync::run::stop::Stopping;
use tandem_core::sync::services::Desk;

use super::params::{bad_cursor, cursor, listed};
use super::{Answered, Call, nothing};
use crate::api::runs::{OneRun, OrderedRun, Runs, StoppedRun};
use crate::http::envelope::{ApiError, Reply};
use crate::http::input::Input;
use crate::run_rows::{self, Place};

/// Lists runs, the newest first. Two reads, and one a megabyte of logs.
pub async fn list(call: Call) -> Answered {
    let page = call.params(&["after", "limit"])?.page()?;
    let desk = call.desk().await?;
    let (store, scope) = (&desk.services.runs, &desk.integration.scope);
    let found = store.runs(scope, page.after.as_deref(), page.limit).await;
    let found = found.map_err(|failure| call.failed(failure))?;
    let next = page.next(&found, |run| run.id.clone());
    // What is wrong with single rows is told of one run at a time.
    let runs = found.into_iter().map(|run| RunLog { problems: Vec::new(), ..run }).collect();
    let under_way = under_way(&call, &desk).await?.map(|run| RunLog { problems: Vec::new(), ..run });
    Ok(Reply::Done(json!(Runs { runs, under_way, next })))
}

/// Shows one. One read, and two more for one that is not in the log yet.
pub async fn show(call: Call) -> Answered {
    call.params(&[])?;
    let desk = call.desk().await?;
    let id = call.path("run");
    let current = under_way(&call, &desk).await?.filter(|run| run.id == id);
    let is_under_way = current.is_some();
    let run = match current {
        Some(run) => run,
        None => logged(&call, &desk, &id).await?,
    };
    Ok(Reply::Done(json!(OneRun { run, under_way: is_under_way })))
}

/// Rows of a run that something is wrong with, with what the source holds of them now: personal data. All parts of the run's
/// issues are read, one read a megabyte, and the source is asked once.
pub async fn rows(call: Call) -> Answered {
    let params = call.params(&["issue", "after", "limit"])?;
    let page = params.page()?;
    let place: Option<Place> = page.place()?;
    let desk = call.desk().await?;
    logged(&call, &desk, &call.path("run")).await?;
    let rows = run_rows::rows(&desk, &call.path("run"), params.text("issue"), place.as_ref(), page.limit).await;
    let rows = rows.map_err(|failure| call.failed(failure))?;
    let next = page.next(&rows, |row| cursor(&row.place()));
    listed("rows", &rows, next.as_deref())
}

/// What a dry run would do, change by change: personal data. One read for 50.
pub async fn plan(call: Call) -> Answered {
    let page = call.params(&["after", "limit"])?.page()?;
    let (mut part, mut skip) = match &page.after {
        Some(after) => place_of(after).ok_or_else(bad_cursor)?,
        None => (0, 0),
    };
    let desk = call.desk().await?;
    let run = logged(&call, &desk, &call.path("run")).await?;
    let planned = match (&run.plan, run.end) {
        (Some(plan), _) => plan,
        (None, RunEnd::Queued) => return Err(nothing("the run has not begun yet: there is no plan so far")),
        (None, _) => return Err(nothing("the run was no dry run: it has no plan")),
    };
    if planned.kept > 0 && policy::after(run.started_at, policy::PLAN_KEPT) <= call.started.at {
        return Err(plan_is_gone());
    }
    let (mut changes, mut next) = (Vec::new(), None);
    loop {
        let kept = desk.services.runs.plan(&desk.integration.scope, &run.id, part).await;
        let kept = match kept.map_err(|failure| call.failed(failure))? {
            Some(kept) => kept,
            None if part == 0 && planned.kept > 0 => return Err(plan_is_gone()),
            None => break,
        };
        let left = kept.len().saturating_sub(skip);
        let taken = left.min(page.limit - changes.len());
        changes.extend(kept.into_iter().skip(skip).take(taken));
        if taken < left {
            next = Some(format!("{part}-{}", skip + taken));
            break;
        }
        (part, skip) = (part + 1, 0);
        if changes.len() >= page.limit {
            next = Some(format!("{part}-0"));
            break;
        }
    }
    listed("changes", &changes, next.as_deref())
}

/// 410: an empty page would say that the run changes nothing.
fn plan_is_gone() -> ApiError {
    let message = "the plan is not kept any more: plans are kept for a day, order another dry run";
    ApiError::new(StatusCode::GONE, "plan_is_gone", message)
}

fn place_of(after: &str) -> Option<(u32, usize)> {
    let (part, index) = after.split_once('-')?;
    Some((part.parse().ok()?, index.parse().ok()?))
}

/// Orders one: a job does it, so that the call need not wait. 409 while one is under way.
pub async fn start(call: Call) -> Answered {
    let object = call.object(&["full", "dryRun", "acceptLosses", "pull"]).await?;
    let input = Input::root(&object);
    let read = || {
        let flag = |name: &str| Ok::<_, FieldIssue>(input.flag(name)?.unwrap_or(false));
        Ok(RunOrder {
            run: String::new(),
            full: flag("full")?,
            accept_losses: flag("acceptLosses")?,
            pull: flag("pull")?,
            dry_run: flag("dryRun")?,
        })
    };
    let order = read().map_err(|issue: FieldIssue| ApiError::invalid(vec![issue]))?;
    let desk = call.desk().await?;
    let dry_run = order.dry_run;
    if !dry_run {
        if is_under_way(&call, &desk).await? {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "run_under_way",
                "a sync run of this integration is under way",
            ));
        }
        let given: Vec<&str> = object.keys().map(String::as_str).collect();
        call.note("run.start", &desk.integration.scope.integration.to_string(), &given).await?;
    }
    match desk.order_run(order, &call.started.correlation_id).await {
        Ok(run) => Ok(Reply::Accepted(json!(OrderedRun { run, dry_run, queued: true }))),
        Err(failure) if failure.kind == FailureKind::Conflict => {
            Err(ApiError::new(StatusCode::CONFLICT, "run_under_way", failure.message))
        }
        Err(failure) => Err(call.failed(failure)),
    }
}

/// Stops one; 202 while it is coming to a stop.
pub async fn stop(call: Call) -> Answered {
    let desk = call.desk().await?;
    let id = call.path("run");
    let refused = |failure: Failure| match failure.kind {
        FailureKind::NotFound => no_run(),
        FailureKind::Invalid => ApiError::new(StatusCode::CONFLICT, "run_is_over", failure.message),
        _ => call.failed(failure),
    };
    desk.stoppable_run(&id).await.map_err(refused)?;
    call.note("run.stop", &id, &[]).await?;
    match desk.stop_run(&id).await.map_err(refused)? {
        Stopping::Asked => Ok(Reply::Accepted(json!(StoppedRun { run: id, stopped: false }))),
        Stopping::Stopped => Ok(Reply::Done(json!(StoppedRun { run: id, stopped: true }))),
    }
}

/// The run that is under way, as far as it was saved.
async fn under_way(call: &Call, desk: &Desk) -> Result<Option<RunLog>, ApiError> {
    if !is_under_way(call, desk).await? {
        return Ok(None);
    }
    let state = desk.services.runs.state(&desk.integration.scope).await;
    Ok(state.map_err(|failure| call.failed(failure))?.run)
}

async fn is_under_way(call: &Call, desk: &Desk) -> Result<bool, ApiError> {
    let found = desk.services.runs.is_under_way(&desk.integration.scope, call.started.at).await;
    found.map_err(|failure| call.failed(failure))
}

async fn logged(call: &Call, desk: &Desk, id: &str) -> Result<RunLog, ApiError> {
    let found = desk.services.runs.run(&desk.integration.scope, id).await;
    found.map_err(|failure| call.failed(failure))?.ok_or_else(no_run)
}

fn no_run() -> ApiError {
    nothing("there is no such run")
}
