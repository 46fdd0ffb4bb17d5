//! `retry`: Mautic is down for a day, by a clock of our own; every accepted write arrives when it is back, in its newest state.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::json;
use tandem_app::queue::worker::{self, Outcome};
use tandem_app::store::ParkedTable;
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::{Clock, ParkedJobs};
use tandem_core::sync::services::Desk;
use tandem_simulators::mautic::{FaultKind, FaultRule};

use super::{Proof, Size};
use crate::hands::Hands;
use crate::system::{Options, System};

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let contacts = size.pick(3, 20);
    let clock = Arc::new(Hands::default());
    let options = Options { worker: false, clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Options::default() };
    let system = System::with(options).await;
    let doomed = system.caller.upsert(json!({"id": "known", "contact": {"email": "known@example.com"}})).await;
    let known = doomed.map_err(|error| error.to_string())?.contact_id().unwrap_or_default().to_owned();
    system.mautic.inject_faults(vec![FaultRule::new(FaultKind::Status).status(503)]);
    write_while_down(&system, contacts, &known).await?;
    let desk = system.desk();
    let tried = pass_time(&system, &desk, &clock, SignedDuration::from_hours(24)).await?;
    system.mautic.clear_faults();
    pass_time(&system, &desk, &clock, SignedDuration::from_hours(2)).await?;
    check_newest(&system, contacts)?;
    check_parked(&system, &desk, &clock, &known).await?;
    Ok(format!(
        "{contacts} contacts written twice while Mautic was down for 24 simulated hours, {tried} attempts in vain: all arrived in their newest state; 1 hopeless job parked with advice and finished by a replay"
    ))
}

/// Every contact is written twice; and one wish can't be fulfilled: there is no such campaign.
async fn write_while_down(system: &System, contacts: usize, known: &str) -> Result<(), String> {
    for version in ["old", "new"] {
        let payload = |number| json!({"id": format!("c{number}"), "contact": {"email": format!("c{number}@example.com"), "first_name": version}});
        for answer in join_all((0..contacts).map(|number| system.caller.upsert(payload(number)))).await {
            let answer = answer.map_err(|error| error.to_string())?;
            if answer.status != 202 {
                return Err(format!("a write while Mautic was down got {} {}", answer.status, answer.body));
            }
        }
    }
    let wish = json!({"action": "add_to_campaign", "mauticContactId": known, "campaignId": "1"});
    let answer = system.caller.call(&wish).await.map_err(|error| error.to_string())?;
    if answer.status == 202 { Ok(()) } else { Err(format!("a membership while Mautic was down got {}", answer.status)) }
}

/// Runs the queue for this long by the clock, a minute at a time; gives how many attempts failed.
async fn pass_time(system: &System, desk: &Desk, clock: &Hands, time: SignedDuration) -> Result<usize, String> {
    let end = clock.now().checked_add(time).map_err(|error| error.to_string())?;
    let mut in_vain = 0;
    while clock.now() < end {
        let received =
            system.queue.receive(100, Duration::from_secs(360)).await.map_err(|failure| failure.to_string())?;
        for message in received {
            let outcome = worker::run(&message.body, message.receives, desk).await;
            let settled = match outcome {
                Outcome::Done => system.queue.delete(&message).await,
                Outcome::RetryIn(delay) => {
                    in_vain += 1;
                    system.queue.postpone(&message, delay).await
                }
                Outcome::Poison => return Err("a job turned out to be poison".to_owned()),
            };
            settled.map_err(|failure| failure.to_string())?;
        }
        clock.move_on(SignedDuration::from_secs(60));
    }
    Ok(in_vain)
}

fn check_newest(system: &System, contacts: usize) -> Result<(), String> {
    let held = system.mautic.contacts();
    for number in 0..contacts {
        let address = format!("c{number}@example.com");
        let found: Vec<_> = held.iter().filter(|contact| contact.email.as_deref() == Some(address.as_str())).collect();
        match found.as_slice() {
            [one] if one.fields.get("firstname") == Some(&json!("new")) => {}
            [_] => return Err(format!("contact {number} is not in its newest state")),
            many => return Err(format!("contact {number} is there {} times", many.len())),
        }
    }
    Ok(())
}

/// The hopeless job is parked with advice; once its cause is gone, a replay finishes it.
async fn check_parked(system: &System, desk: &Desk, clock: &Hands, known: &str) -> Result<(), String> {
    let parked = ParkedTable::new(system.foundation.table.clone());
    let tenant = TenantId::default();
    let list = || async { parked.list(&tenant, 10).await.map_err(|failure| failure.to_string()) };
    let waiting = list().await?;
    let [job] = waiting.as_slice() else { return Err(format!("{} jobs are parked, not 1", waiting.len())) };
    if job.advice.is_empty() {
        return Err("the parked job has no advice".to_owned());
    }
    let client = reqwest::Client::new();
    let url = format!("{}/api/campaigns/new", system.mautic.base_url());
    let made = client
        .post(url)
        .basic_auth("admin", Some("demo-password"))
        .json(&json!({"name": "Welcome", "isPublished": true}));
    made.send().await.map_err(|error| error.to_string())?;
    system.foundation.queue.send(&job.job, Duration::ZERO).await.map_err(|failure| failure.to_string())?;
    parked.remove(&tenant, &job.job.id).await.map_err(|failure| failure.to_string())?;
    pass_time(system, desk, clock, SignedDuration::from_mins(5)).await?;
    let enrolled =
        system.mautic.contacts().iter().any(|contact| contact.id.to_string() == known && contact.campaigns == [1]);
    if !enrolled || !list().await?.is_empty() {
        return Err("the replay did not finish the parked job".to_owned());
    }
    Ok(())
}
