//! `histories`: what happened to many users arrives shuffled, repeated and in parallel, and ends as it does in order.

mod oracle;
mod story;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::automation::listing::EventQuery;
use tandem_core::ports::Clock;
use tokio::time::Instant;

use super::{Proof, Size};
use crate::lifecycle::{Names, Seen, seen_of};
use crate::system::{Options, System};
use oracle::{End, end_of};
use story::Story;

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 6;
/// Jobs that each of two workers does at once.
const JOBS_AT_ONCE: usize = 8;
/// How long the work of one wave of calls may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// The share of events that are sent once more.
const REPEATED: f64 = 0.2;

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let stories = stories(size.pick(60, 1_000));
    let (shuffled, ordered) = tokio::join!(shuffled(&stories), ordered(&stories));
    let (shuffled, sent) = shuffled?;
    let ordered = ordered?;
    let users = users(&shuffled).await;
    let in_order = self::users(&ordered).await;
    let wrong: Vec<String> = stories.iter().filter_map(|story| fault(story, &users, &in_order)).collect();
    if let Some(first) = wrong.first() {
        return Err(format!("{} of {} users end otherwise: {first}", wrong.len(), stories.len()));
    }
    let again = repeated(&shuffled, &stories).await?;
    let events: usize = stories.iter().map(|story| story.events.len()).sum();
    Ok(format!(
        "{} users, {events} events sent {sent} times, shuffled and in parallel: each user ends as by the oracle, and as in order; all of them once more: {again} duplicates, 0 Mautic calls",
        stories.len()
    ))
}

fn stories(users: usize) -> Vec<Story> {
    let mut chance = StdRng::seed_from_u64(11);
    let begin = SystemClock.now().saturating_add(SignedDuration::from_hours(-60 * 24)).unwrap_or(Timestamp::MIN);
    let begin = Timestamp::from_second(begin.as_second()).unwrap_or(begin);
    (0..users).map(|number| Story::of(number, begin, &mut chance)).collect()
}

/// A system on which two workers do the jobs.
async fn system() -> System {
    let mut system = System::with(Options::default().without_worker()).await;
    system.make_campaigns().await;
    system.start_workers(2, JOBS_AT_ONCE);
    system
}

/// All events in any order, some more than once, in calls of any size; gives how many were sent.
async fn shuffled(stories: &[Story]) -> Result<(System, usize), String> {
    let mut chance = StdRng::seed_from_u64(5);
    let mut events: Vec<Value> =
        stories.iter().flat_map(|story| story.events.iter().map(|event| story.sent(event))).collect();
    let repeats: Vec<Value> = events.iter().filter(|_| chance.random_bool(REPEATED)).cloned().collect();
    events.extend(repeats);
    events.shuffle(&mut chance);
    let sent = events.len();
    let mut calls = Vec::new();
    while !events.is_empty() {
        let size = chance.random_range(1..=40).min(events.len());
        calls.push(events.split_off(events.len() - size));
    }
    let system = system().await;
    send_all(&system, &calls).await?;
    finish(&system).await?;
    Ok((system, sent))
}

/// The events of each user in order, each when the one before it is done.
async fn ordered(stories: &[Story]) -> Result<System, String> {
    let system = system().await;
    let sorted = stories.iter().map(|story| {
        let mut events = story.events.clone();
        events.sort_by_key(|event| (event.at, event.id.clone()));
        // The system must know the user before an event that gives the id only.
        events.iter_mut().for_each(|event| event.by_id_only = false);
        Story { user: story.user.clone(), events }
    });
    let sorted: Vec<Story> = sorted.collect();
    let rounds = sorted.iter().map(|story| story.events.len()).max().unwrap_or_default();
    for round in 0..rounds {
        let events = sorted.iter().filter_map(|story| Some(story.sent(story.events.get(round)?)));
        let calls: Vec<Vec<Value>> = events.collect::<Vec<_>>().chunks(100).map(<[Value]>::to_vec).collect();
        send_all(&system, &calls).await?;
        finish(&system).await?;
    }
    Ok(system)
}

async fn send_all(system: &System, calls: &[Vec<Value>]) -> Result<usize, String> {
    let answers = futures::stream::iter(calls).map(|call| send(system, call)).buffer_unordered(CALLS_AT_ONCE);
    let duplicates: Vec<Result<usize, String>> = answers.collect().await;
    duplicates.into_iter().sum()
}

/// Sends a call; gives how many of its events were known.
async fn send(system: &System, events: &[Value]) -> Result<usize, String> {
    let answer = system.send_events("", &json!({"events": events})).await?;
    if answer.status != 202 || answer.data()["rejected"] != json!(0) {
        return Err(format!("a call got {} {}", answer.status, answer.body));
    }
    Ok(answer.data()["duplicates"].as_u64().unwrap_or_default() as usize)
}

/// Waits for all work; the delays of jobs pass at once, when none is under work: to a queue, one that takes minutes is lost.
async fn finish(system: &System) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let counts = system.queue.counts().await.map_err(|failure| failure.to_string())?;
        match (counts.in_flight, counts.waiting) {
            (0, 0) => break,
            (0, _) => system.skip_a_minute(),
            _ if begun.elapsed() > PATIENCE => return Err(left(system).await),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let parked = system.parked().await;
    parked.first().map_or(Ok(()), |job| Err(format!("{} jobs are parked: {}", parked.len(), job.reason)))
}

async fn left(system: &System) -> String {
    let events = system.desk().newest_events(&EventQuery::default(), 10_000).await.unwrap_or_default().events;
    let open: Vec<_> = events.iter().filter(|(_, event)| event.completed_at.is_none()).collect();
    format!("jobs are left on the queue; {} events are not completed: {:?}", open.len(), open.first())
}

/// All contacts by address; those that are there twice make the scenario fail by their number.
async fn users(system: &System) -> BTreeMap<String, Seen> {
    let names: Names = system.names().await;
    let mut users: BTreeMap<String, Seen> = BTreeMap::new();
    for contact in system.mautic.contacts() {
        let seen = seen_of(&contact, &names);
        let address = contact.email.unwrap_or_default();
        let before = users.get(&address).map_or(0, |seen| seen.contacts);
        users.insert(address, Seen { contacts: before + 1, ..seen });
    }
    users
}

/// What is wrong with the end of a user's story.
fn fault(story: &Story, shuffled: &BTreeMap<String, Seen>, ordered: &BTreeMap<String, Seen>) -> Option<String> {
    let expected = end_of(&story.events);
    for (how, users) in [("in order", ordered), ("shuffled", shuffled)] {
        let Some(seen) = users.get(&story.address()) else { return Some(format!("{} is missing {how}", story.user)) };
        let end = end(seen);
        if seen.contacts != 1 || end != expected {
            let told: Vec<String> = story.events.iter().map(|event| format!("{} {:?}", event.at, event.what)).collect();
            return Some(format!(
                "{} {how}: {} contacts, {end:?} instead of {expected:?} after {}",
                story.user,
                seen.contacts,
                told.join(", ")
            ));
        }
    }
    None
}

fn end(seen: &Seen) -> End {
    let fields = seen.fields.iter().filter(|(name, _)| *name != "last_login");
    End {
        fields: fields.map(|(name, value)| (name.clone(), value.clone())).collect(),
        segments: seen.segments.clone(),
        campaigns: seen.campaigns.clone(),
    }
}

/// Everything once more: nothing happens.
async fn repeated(system: &System, stories: &[Story]) -> Result<usize, String> {
    let calls = system.calls();
    let events: Vec<Value> =
        stories.iter().flat_map(|story| story.events.iter().map(|event| story.sent(event))).collect();
    let chunks: Vec<Vec<Value>> = events.chunks(100).map(<[Value]>::to_vec).collect();
    let duplicates = send_all(system, &chunks).await?;
    finish(system).await?;
    match (system.calls() - calls, duplicates) {
        (0, known) if known == events.len() => Ok(known),
        (more, known) => {
            Err(format!("a repeat of {} events made {more} Mautic calls; {known} were known", events.len()))
        }
    }
}
