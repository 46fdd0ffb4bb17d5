//! One constructor for each Lambda function; their `main` does nothing else than call it.

use std::sync::Arc;

use aws_config::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tandem_core::error::{Failure, FailureKind};
use tandem_core::policy;
use tandem_core::ports::JobQueue;

use crate::admin::Admin;
use crate::config::{Config, ConfigProblems, Environment};
use crate::desks::Desks;
use crate::queue::sqs::{self, SqsQueue};
use crate::store::{Table, table};
use crate::telemetry::{self, LogFormat};
use crate::wiring::Foundation;
use crate::{http, secrets};

/// Serves `mautic-sync` until the runtime ends the process.
///
/// # Errors
/// When the configuration can't be used: then the function does not start, and says why.
pub async fn mautic_sync() -> Result<(), Error> {
    let (foundation, _) = foundation().await?;
    let state = foundation.app_state(true)?;
    lambda_http::run(http::mautic_sync(state)).await
}

/// Serves `mautic-webhook` until the runtime ends the process.
///
/// # Errors
/// When the configuration can't be used.
pub async fn mautic_webhook() -> Result<(), Error> {
    let (foundation, _) = foundation().await?;
    let state = foundation.app_state(true)?;
    lambda_http::run(http::mautic_webhook(state)).await
}

/// Serves `billing-webhook` until the runtime ends the process.
///
/// # Errors
/// When the configuration can't be used.
pub async fn billing_webhook() -> Result<(), Error> {
    let (foundation, _) = foundation().await?;
    let state = foundation.app_state(true)?;
    lambda_http::run(http::billing_webhook(state)).await
}

/// Syncs, and looks after the webhook, deliveries left behind and gaps, whenever the schedule calls.
///
/// # Errors
/// When the configuration can't be used, or no integration is set up: there is nothing to look after.
pub async fn scheduled_sync() -> Result<(), Error> {
    let (foundation, _) = foundation().await?;
    let desks = some_desks(&foundation).await?;
    let (desks, foundation) = (&desks, &foundation);
    lambda_runtime::run(service_fn(|event: LambdaEvent<serde::de::IgnoredAny>| async move {
        Box::pin(look_after_all(&**desks, foundation, &event.context)).await
    }))
    .await
}

/// Looks after the one integration that there is, or queues the look of each.
async fn look_after_all(
    desks: &dyn Desks,
    foundation: &Foundation,
    context: &lambda_runtime::Context,
) -> Result<(), Error> {
    let (id, scopes) = (&context.request_id, desks.all().await?);
    let end = deadline_of(context).map(|end| policy::after(end, -FOR_THE_WATCH));
    let in_time = || end.is_none_or(|end| foundation.clock.now() < end);
    if let Err(failure) = Admin::new(&foundation.table).go_on_deleting(&in_time).await {
        tracing::warn!(kind = ?failure.kind, "tenants that are being deleted are gone on with later: {failure}");
    }
    if let [scope] = &scopes[..]
        && let Some(desk) = desks.of(scope).await?
    {
        // One of them failing must not keep the other from being done. The watch comes last: on an old Mautic it may read its
        // history for days, with all the calls that there are.
        let until = deadline_of(context).map(|end| policy::after(end, -FOR_THE_WATCH));
        let ran = Box::pin(desk.sync_on_schedule(until, id)).await;
        let watched = Box::pin(desk.watch(desk.integration.hook.as_ref(), id)).await;
        tracing::info!(watched = ?watched?, synced = ran?.is_some(), "looked after the integration");
        return Ok(());
    }
    tracing::info!(integrations = scopes.len(), "the integrations are looked after by a job each");
    for scope in scopes {
        foundation.look_after_later(scope, id).await?;
    }
    Ok(())
}

/// Runs the queue's jobs until the runtime ends the process.
///
/// # Errors
/// When the configuration can't be used, or no integration is set up: there is nothing to run jobs against.
pub async fn queue_worker() -> Result<(), Error> {
    let (foundation, queue) = foundation().await?;
    let runner = foundation.job_runner(some_desks(&foundation).await?);
    let (runner, queue) = (&runner, &queue);
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async move {
        Ok::<_, Error>(queue.run_batch(event.payload, runner).await)
    }))
    .await
}

/// The desks, if there are any.
async fn some_desks(foundation: &Foundation) -> Result<Arc<dyn Desks>, Error> {
    let desks = foundation.desks()?;
    if desks.all().await?.is_empty() { Err(no_mautic().into()) } else { Ok(desks) }
}

/// What a run leaves of an invocation's time to the watch.
const FOR_THE_WATCH: SignedDuration = SignedDuration::from_secs(60);

/// When Lambda ends the invocation.
fn deadline_of(context: &lambda_runtime::Context) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(context.deadline).ok()?).ok()
}

fn no_mautic() -> Failure {
    Failure::new(FailureKind::Misconfigured, "no Mautic is configured")
}

async fn foundation() -> Result<(Foundation, Arc<SqsQueue>), Error> {
    let mut environment = Environment::of_process()?;
    telemetry::start_logging(&environment, LogFormat::Json, "info");
    let shared = aws_config::load_from_env().await;
    if secrets::has_references(&mut environment) {
        secrets::resolve(&mut environment, &aws_sdk_ssm::Client::new(&shared)).await?;
    }
    let (config, queue_url) = settings(&environment)?;
    let queue = Arc::new(sqs_queue(&config, &queue_url, &shared));
    let table = Table::new(table::client(&shared, None), &config.table);
    let foundation = Foundation::open(config, table, Arc::clone(&queue) as Arc<dyn JobQueue>).await?;
    environment.warn_of_unknown_names();
    Ok((foundation, queue))
}

/// The configuration, and the queue's address, which only functions on Lambda need: all that is missing is named at once.
fn settings(environment: &Environment) -> Result<(Config, String), ConfigProblems> {
    let config = Config::read(environment);
    let url = environment.get(&["TANDEM_QUEUE_URL"]);
    let mut problems = config.as_ref().err().map(|problems| problems.0.clone()).unwrap_or_default();
    if url.is_none() {
        problems.push("TANDEM_QUEUE_URL is missing".to_owned());
    }
    if environment.get(&["TANDEM_API_KEY"]).is_some_and(|key| key.trim().len() < SHORTEST_KEY) {
        problems
            .push(format!("TANDEM_API_KEY must have at least {SHORTEST_KEY} characters: strangers can try keys here"));
    }
    match (config, url) {
        (Ok(config), Some(url)) if problems.is_empty() => Ok((config, url.to_owned())),
        _ => Err(ConfigProblems(problems)),
    }
}

/// The fewest characters that a fixed API key has where strangers can reach the functions.
const SHORTEST_KEY: usize = 32;

fn sqs_queue(config: &Config, url: &str, shared: &SdkConfig) -> SqsQueue {
    let queue = SqsQueue::new(sqs::client(shared), url);
    match &config.dead_letter_url {
        Some(dead_letters) => queue.with_dead_letters(dead_letters),
        None => queue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_fixed_key_stops_the_start_on_lambda_and_is_not_shown() {
        let environment: Environment = [("TANDEM_QUEUE_URL", "https://q.example"), ("TANDEM_API_KEY", "tdm_short_key")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let said = settings(&environment).unwrap_err().to_string();
        assert!(said.contains("TANDEM_API_KEY") && said.contains("32") && !said.contains("tdm_short_key"), "{said}");
    }
}
