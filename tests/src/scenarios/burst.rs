//! `burst`: a hundred events at once, and a Mautic that takes 50 ms for each call and gets 35 of them done in a second, as a
//! real one on two cores does: callers are answered at once, the work is done together with few calls, and all effects of a
//! hundred signups are there within five seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_app::queue::local_worker::JOBS_AT_ONCE;
use tokio::time::Instant;

use super::{Proof, Size};
use crate::lifecycle::{Names, Seen, seen_of};
use crate::system::{Options, System};
use crate::version;

/// What a call of Mautic takes.
const LATENCY: Duration = Duration::from_millis(50);
/// How many calls Mautic gets done in a second.
const CALLS_A_SECOND: u32 = 35;
/// Within this time all effects of signups are promised, by a program that is built for use: at the full size it is held to
/// that. What takes more calls, because Mautic has none for many contacts, is promised within the time that its calls take
/// and two seconds.
const PROMISED: Duration = Duration::from_secs(5);
const BESIDE_THE_CALLS: Duration = Duration::from_secs(2);
/// As many calls a signup may take, the one that puts it into its campaign among them.
const CALLS_OF_A_SIGNUP: f64 = 1.3;
/// As many calls an event may take besides those that Mautic takes for one contact only: out of a segment, and into or out of
/// a campaign.
const SHARED_CALLS: f64 = 0.3;
/// When the scenario gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Users of the burst that comes in one call.
const USERS_OF_ONE_CALL: usize = 10;

/// What a burst took.
struct Took {
    what: String,
    events: usize,
    answers: Vec<Duration>,
    effects: Duration,
    calls: Calls,
}

/// Calls of Mautic.
#[derive(Clone, Copy, Default)]
struct Calls {
    all: u64,
    /// Those that Mautic takes for one contact only.
    single: u64,
}

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let users = size.pick(30, 100);
    let mautic = version::mautic().latency(LATENCY).calls_a_second(CALLS_A_SECOND);
    let mut system = System::with(Options { mautic, ..Options::default().without_worker() }).await;
    system.make_campaigns().await;
    system.start_workers(1, JOBS_AT_ONCE);
    let names = warmed_up(&system).await?;
    let bursts = [
        singly(&system, &names, users, "signups", signup).await?,
        singly(&system, &names, users, "changes of plan", upgrade).await?,
        singly(&system, &names, users, "mixed events", mixed).await?,
        in_one_call(&system, &names, users).await?,
    ];
    for (number, took) in bursts.iter().enumerate() {
        took.check(size, number == 0)?;
    }
    let told: Vec<String> = bursts.iter().map(Took::told).collect();
    Ok(format!("Mautic answers in 50 ms, {CALLS_A_SECOND} calls a second: {}", told.join("; ")))
}

impl Took {
    /// Few calls at every size; in time at the full one, when the program is built for use.
    fn check(&self, size: Size, signups: bool) -> Result<(), String> {
        let each = |calls: u64| calls as f64 / self.events as f64;
        let shared = each(self.calls.all - self.calls.single);
        // The first ones come before there is anything to be done together with.
        let beginning = 6.0 / self.events as f64;
        // What is promised of a hundred signups holds for a hundred.
        let beginning_of_signups = if size == Size::Full { 0.0 } else { beginning };
        let each_signup = CALLS_OF_A_SIGNUP + beginning_of_signups;
        if shared > SHARED_CALLS + beginning || signups && each(self.calls.all) > each_signup {
            return Err(format!("{} took {} calls, {} of them single", self.what, self.calls.all, self.calls.single));
        }
        let calls = Duration::from_secs_f64(self.calls.all as f64 / f64::from(CALLS_A_SECOND));
        let promised = if signups { PROMISED } else { PROMISED.max(calls + BESIDE_THE_CALLS) };
        if size == Size::Full && !cfg!(debug_assertions) && self.effects > promised {
            return Err(format!("the effects of {} took {:.1} s", self.what, self.effects.as_secs_f64()));
        }
        Ok(())
    }

    fn told(&self) -> String {
        let Calls { all, single } = self.calls;
        format!("{}, {all} calls ({single} for one contact only)", self.times())
    }

    fn times(&self) -> String {
        let mut answers = self.answers.clone();
        answers.sort();
        let at = |share: usize| answers[(answers.len() * share / 100).min(answers.len() - 1)].as_millis();
        let effects = self.effects.as_secs_f64();
        if answers.len() == 1 {
            return format!("{} answered in {} ms, all effects after {effects:.2} s", self.what, at(99));
        }
        format!(
            "{} answered in {} ms (median), {} ms (p99), all effects after {effects:.2} s",
            self.what,
            at(50),
            at(99)
        )
    }
}

/// One user goes through all tiers first: the segments are there, as `tandem connect` would have made them.
async fn warmed_up(system: &System) -> Result<Names, String> {
    for event in [
        event("warm", "user_signup", json!({})),
        event("warm", "plan_change", json!({"new_tier": "pro"})),
        event("warm", "plan_change", json!({"new_tier": "enterprise"})),
        event("warm", "subscription_cancelled", json!({})),
    ] {
        posted(system, &event).await?;
        if !system.drained(PATIENCE).await {
            return Err("the system does not warm up".to_owned());
        }
    }
    Ok(system.names().await)
}

/// An event of this moment, with an id of its own.
fn event(user: &str, name: &str, properties: Value) -> Value {
    let id = format!("{user} {name} {properties}");
    json!({"id": id, "name": name, "user": {"id": user, "email": address(user)}, "properties": properties})
}

fn address(user: &str) -> String {
    format!("{user}@example.com")
}

/// Sends an event; gives how long the answer took.
async fn posted(system: &System, event: &Value) -> Result<Duration, String> {
    let begun = Instant::now();
    let answer = system.send_events("", event).await?;
    let took = begun.elapsed();
    if answer.status == 202 { Ok(took) } else { Err(format!("an event got {} {}", answer.status, answer.body)) }
}

/// One event for each user, all at the same time.
async fn singly(
    system: &System,
    names: &Names,
    users: usize,
    what: &str,
    of: fn(usize, &str) -> (Value, Wanted),
) -> Result<Took, String> {
    let events: Vec<(String, Value, Wanted)> = (0..users)
        .map(|number| {
            let user = format!("b{number}");
            let (event, wanted) = of(number, &user);
            (address(&user), event, wanted)
        })
        .collect();
    let (begun, before) = (Instant::now(), calls_of(system));
    let posts = join_all(events.iter().map(|(_, event, _)| posted(system, event)));
    let wanted = events.iter().map(|(address, _, wanted)| (address.clone(), *wanted)).collect();
    let answers = posts.await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let effects = until_seen(system, names, &wanted, begun).await?;
    let calls = calls_of(system).since(before);
    Ok(Took { what: format!("{users} {what}"), events: users, answers, effects, calls })
}

/// Many events for ten users in one call.
async fn in_one_call(system: &System, names: &Names, events: usize) -> Result<Took, String> {
    let tiers = ["pro", "free", "enterprise"];
    let begin = Timestamp::now().as_second() - 3_600;
    let list: Vec<Value> = (0..events)
        .map(|number| {
            let (user, step) = (format!("one{}", number % USERS_OF_ONE_CALL), number / USERS_OF_ONE_CALL);
            let at = Timestamp::from_second(begin + number as i64).unwrap_or_default().to_string();
            let mut event = match step {
                0 => event(&user, "user_signup", json!({})),
                step => event(&user, "plan_change", json!({"new_tier": tiers[step % 3], "step": step})),
            };
            event["time"] = json!(at);
            event
        })
        .collect();
    let last = tiers[(events / USERS_OF_ONE_CALL - 1) % 3];
    let wanted: BTreeMap<String, Wanted> =
        (0..USERS_OF_ONE_CALL).map(|number| (address(&format!("one{number}")), Wanted::Tier(last))).collect();
    let call = json!({"events": list});
    let (begun, before) = (Instant::now(), calls_of(system));
    let answer = posted(system, &call).await?;
    let effects = until_seen(system, names, &wanted, begun).await?;
    let what = format!("one call with {events} events of {USERS_OF_ONE_CALL} users");
    let calls = calls_of(system).since(before);
    Ok(Took { what, events, answers: vec![answer], effects, calls })
}

impl Calls {
    fn since(self, before: Self) -> Self {
        Self { all: self.all - before.all, single: self.single - before.single }
    }
}

fn calls_of(system: &System) -> Calls {
    let single =
        ["POST /api/segments/{id}/contact/{contact}/{action}", "POST /api/campaigns/{id}/contact/{contact}/{action}"];
    Calls { all: system.calls(), single: single.into_iter().map(|route| system.calls_of(route)).sum() }
}

/// What must be seen of a user.
#[derive(Clone, Copy)]
enum Wanted {
    Signup,
    Tier(&'static str),
    Status(&'static str, &'static str),
    Field(&'static str),
    OptedOut,
}

fn signup(_: usize, user: &str) -> (Value, Wanted) {
    (event(user, "user_signup", json!({})), Wanted::Signup)
}

fn upgrade(number: usize, user: &str) -> (Value, Wanted) {
    let tier = if number.is_multiple_of(3) { "enterprise" } else { "pro" };
    (event(user, "plan_change", json!({"new_tier": tier})), Wanted::Tier(tier))
}

fn mixed(number: usize, user: &str) -> (Value, Wanted) {
    match number % 6 {
        0 => (event(user, "subscription_cancelled", json!({})), Wanted::Status("cancelled", "Churned")),
        1 => (event(user, "subscription_past_due", json!({})), Wanted::Status("past_due", "New Users")),
        2 => (event(user, "payment_succeeded", json!({"amount": 12.5})), Wanted::Field("lifetime_value")),
        3 => (event(user, "user_login", json!({})), Wanted::Field("last_login")),
        4 => (event(user, "opt_out", json!({})), Wanted::OptedOut),
        _ => (event(user, "plan_change", json!({"new_tier": "free"})), Wanted::Tier("free")),
    }
}

impl Wanted {
    /// Whether all that an event of this kind does is there.
    fn is_there(self, seen: &Seen) -> bool {
        let segment = |name: &str| seen.segments.contains(name);
        let campaign = |name: &str| seen.campaigns.contains(name);
        let field = |name: &str, value: &str| seen.fields.get(name).and_then(Value::as_str) == Some(value);
        match self {
            Self::Signup => segment("New Users") && segment("Free Tier") && campaign("Welcome Campaign"),
            Self::Tier(tier) => {
                let of = |name| {
                    matches!(
                        (tier, name),
                        ("free", "Free Tier") | ("pro", "Pro Tier") | ("enterprise", "Enterprise Tier")
                    )
                };
                field("subscription_tier", tier)
                    && ["Free Tier", "Pro Tier", "Enterprise Tier"].into_iter().all(|name| segment(name) == of(name))
                    && campaign("Pro Onboarding") == (tier == "pro")
                    && campaign("Enterprise Onboarding") == (tier == "enterprise")
                    && segment("New Users")
            }
            Self::Status(status, name) => {
                let left = status != "cancelled" || campaign("Win-back Campaign") && !campaign("Pro Onboarding");
                field("subscription_status", status) && segment(name) && left
            }
            Self::Field(name) => seen.fields.contains_key(name),
            Self::OptedOut => !seen.mailable,
        }
    }
}

/// Waits until no job is left, and looks whether everything wanted is seen in Mautic then; gives how long it took. Watching
/// Mautic all the while would take the time that is measured.
async fn until_seen(
    system: &System,
    names: &Names,
    wanted: &BTreeMap<String, Wanted>,
    begun: Instant,
) -> Result<Duration, String> {
    if !system.drained(PATIENCE).await {
        return Err("jobs are left on the queue after a minute".to_owned());
    }
    let took = begun.elapsed();
    let contacts = system.mautic.contacts();
    let seen: BTreeMap<_, _> =
        contacts.iter().filter_map(|contact| Some((contact.email.clone()?, seen_of(contact, names)))).collect();
    let is_missing =
        |(address, wanted): &(&String, &Wanted)| !seen.get(*address).is_some_and(|seen| wanted.is_there(seen));
    match wanted.iter().find(is_missing) {
        _ if contacts.len() != seen.len() => Err("an address is there more than once".to_owned()),
        Some((address, _)) => Err(format!("an effect is missing: {:?}", seen.get(address))),
        None => Ok(took),
    }
}
