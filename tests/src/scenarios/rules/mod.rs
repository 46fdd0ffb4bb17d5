//! `rules`: every default rule's whole effect, seen in Mautic; then each with Mautic failing at each of its calls in turn,
//! and with its worker killed: the same end, one contact, and each campaign entered once.

mod cases;

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tandem_core::ports::Clock;
use tandem_simulators::mautic::{FaultKind, FaultRule};

use super::{Proof, Size};
use crate::hands::Hands;
use crate::lifecycle::{Names, Seen};
use crate::system::{Options, System};
use cases::{Case, Happening, address};

/// Systems on which cases are tried at the same time.
const STAGES: usize = 3;
/// Systems that wait for time-outs at the same time.
const SLOW_STAGES: usize = 8;
/// Longer than Tandem waits for an answer: what is asked for is done when nobody hears it any more.
const TOO_LONG_MS: u64 = 10_400;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Error,
    RateLimit,
    LostReply,
    Timeout,
}

/// How often a rule was tried in each way, and how many calls failed.
#[derive(Clone, Copy, Default)]
struct Tally {
    rules: usize,
    failed: usize,
    timeouts: usize,
    killed: usize,
}

/// A system, and what is the same for all cases on it.
struct Stage {
    system: System,
    hands: Hands,
    names: Names,
    first: Timestamp,
}

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let cases = cases::all();
    let troubled = cases.chunks(cases.len().div_ceil(STAGES)).map(|cases| in_trouble(cases.to_vec(), size));
    let slow: Vec<(usize, Case)> =
        cases.clone().into_iter().enumerate().filter(|(number, _)| is_slowed(*number, size)).collect();
    let slow = slow.chunks(size.pick(2, 3)).map(|cases| with_timeouts(cases.to_vec(), size));
    let slow = futures::stream::iter(slow).buffer_unordered(SLOW_STAGES).collect::<Vec<_>>();
    let (troubled, slow) = tokio::join!(join_all(troubled), slow);
    let mut all = Tally::default();
    for tally in troubled.into_iter().chain(slow) {
        let tally = tally?;
        all.rules += tally.rules;
        all.failed += tally.failed;
        all.timeouts += tally.timeouts;
        all.killed += tally.killed;
    }
    Ok(format!(
        "{} cases of the default rules, each as promised; each again with each of its calls failing: {} times by an error, a rate limit or a lost reply, {} times by a timeout; {} times with its worker killed: same end, one contact, each campaign entered once",
        all.rules, all.failed, all.timeouts, all.killed
    ))
}

/// Cases without trouble, then with every call failing in every quick way, then with killed workers.
async fn in_trouble(cases: Vec<Case>, size: Size) -> Result<Tally, String> {
    let stage = Stage::new().await?;
    let mut tally = Tally::default();
    let mut chance = StdRng::seed_from_u64(3);
    for case in &cases {
        let calls = stage.healthy(case, "well").await?;
        tally.rules += 1;
        for fault in [Fault::Error, Fault::LostReply, Fault::RateLimit] {
            // A limit is met before the call has any effect, whichever it is.
            let few = fault == Fault::RateLimit && size == Size::Small;
            for call in 1..=(if few { calls.min(1) } else { calls }) {
                stage.with_fault(case, fault, call).await?;
                tally.failed += 1;
            }
        }
        for number in 0..size.pick(1, 12) {
            stage.killed(case, &format!("killed{number}"), &mut chance).await?;
            tally.killed += 1;
        }
    }
    Ok(tally)
}

/// At the small size every fifth case has to do with time-outs, each of which takes its ten seconds.
fn is_slowed(number: usize, size: Size) -> bool {
    size == Size::Full || number.is_multiple_of(5)
}

/// Cases with calls that take too long; at the small size one call of each, another for each case.
async fn with_timeouts(cases: Vec<(usize, Case)>, size: Size) -> Result<Tally, String> {
    let stage = Stage::new().await?;
    let mut tally = Tally::default();
    for (number, case) in cases {
        let calls = stage.healthy(&case, "well").await?;
        let chosen: Vec<u64> = match size {
            Size::Small => (1..=calls).filter(|call| *call == number as u64 % calls + 1).collect(),
            Size::Full => (1..=calls).collect(),
        };
        for call in chosen {
            stage.with_fault(&case, Fault::Timeout, call).await?;
            tally.timeouts += 1;
        }
    }
    Ok(tally)
}

impl Stage {
    /// A system on which some went through all tiers before: the segments are there.
    async fn new() -> Result<Self, String> {
        let hands = Hands::default();
        let system = System::with(Options::default().by_hand(&hands)).await;
        system.make_campaigns().await;
        let month_ago = hands.now().saturating_add(SignedDuration::from_hours(-30 * 24)).map_err(told)?;
        let first = Timestamp::from_second(month_ago.as_second()).map_err(told)?;
        let mut stage = Self { system, hands, names: Names::default(), first };
        for pioneer in cases::all().into_iter().filter(|case| ["won-back", "downgrade"].contains(&case.name)) {
            stage.went_through(&format!("pioneer-{}", pioneer.name), None, &pioneer.before).await?;
        }
        stage.names = stage.system.names().await;
        Ok(stage)
    }

    /// Sends events one after the other, each when the one before it is done.
    async fn went_through(&self, user: &str, visitor: Option<u64>, events: &[Happening]) -> Result<(), String> {
        let desk = self.system.desk();
        for (number, event) in events.iter().enumerate() {
            self.post(user, visitor, event, &format!("{user}-{number}")).await?;
            self.system.settle(&desk, &self.hands).await?;
        }
        Ok(())
    }

    async fn post(&self, user: &str, visitor: Option<u64>, event: &Happening, id: &str) -> Result<(), String> {
        let answer = self.system.send_events("", &event.of(user, visitor, self.first, id)).await?;
        if answer.status == 202 { Ok(()) } else { Err(format!("an event got {} {}", answer.status, answer.body)) }
    }

    /// A user to whom happened what the case begins with.
    async fn prepared(&self, case: &Case, tag: &str) -> Result<(String, Option<u64>), String> {
        let user = format!("{}-{tag}", case.name);
        let visitor = if case.visitor { Some(self.system.visitor().await) } else { None };
        self.went_through(&user, visitor, &case.before).await?;
        Ok((user, visitor))
    }

    /// A case without trouble; gives the number of calls that the event takes.
    async fn healthy(&self, case: &Case, tag: &str) -> Result<u64, String> {
        let (user, visitor) = self.prepared(case, tag).await?;
        let before = self.system.calls();
        self.post(&user, visitor, &case.event, &format!("{user}-last")).await?;
        self.system.settle(&self.system.desk(), &self.hands).await?;
        let calls = self.system.calls() - before;
        self.check(case, &user, visitor, "without trouble").await?;
        Ok(calls)
    }

    async fn with_fault(&self, case: &Case, fault: Fault, call: u64) -> Result<(), String> {
        let (user, visitor) = self.prepared(case, &format!("{fault:?}{call}").to_lowercase()).await?;
        self.system.mautic.inject_faults(fault.at(call));
        self.post(&user, visitor, &case.event, &format!("{user}-last")).await?;
        let settled = self.system.settle(&self.system.desk(), &self.hands).await;
        self.system.mautic.clear_faults();
        settled?;
        self.check(case, &user, visitor, &format!("with {fault:?} at call {call}")).await
    }

    /// The worker dies at a random moment, and once more; another one finishes the work when the leases are over.
    async fn killed(&self, case: &Case, tag: &str, chance: &mut StdRng) -> Result<(), String> {
        let (user, visitor) = self.prepared(case, tag).await?;
        let id = format!("{user}-last");
        self.post(&user, visitor, &case.event, &id).await?;
        for _ in 0..2 {
            let (desk, event) = (self.system.desk(), id.clone());
            let work = tokio::spawn(async move { desk.apply_event(&event).await });
            tokio::time::sleep(Duration::from_millis(chance.random_range(0..120))).await;
            work.abort();
            // What Mautic was asked for is done there by then.
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.hands.move_on(SignedDuration::from_secs(61));
        }
        self.system.settle(&self.system.desk(), &self.hands).await?;
        self.check(case, &user, visitor, "with its worker killed").await
    }

    async fn check(&self, case: &Case, user: &str, visitor: Option<u64>, how: &str) -> Result<(), String> {
        let seen = self.system.seen(&address(user), &self.names).await;
        let expected = case.expected(self.first);
        if seen != expected {
            let shown = self.system.get_events(&format!("/{user}-last")).await;
            let different = difference(&seen, &expected);
            return Err(format!("{} {how}: {different}; the event: {}", case.name, shown.data()["event"]));
        }
        let answer = self.system.get_events(&format!("/{user}-last")).await;
        if answer.data()["event"]["status"] != json!("completed") {
            return Err(format!("{} {how}: the event is {}", case.name, answer.body));
        }
        if let Some(visitor) = visitor
            && self.system.contact(&address(user)).id != visitor
        {
            return Err(format!("{} {how}: the visitor was not claimed", case.name));
        }
        if case.name == "profile" {
            let fields = self.system.contact(&address(user)).fields;
            if (fields.get("firstname"), fields.get("city")) != (Some(&json!("Eve")), Some(&json!("Hobart"))) {
                return Err(format!("{how}: the profile was not taken: {fields:?}"));
            }
        }
        if case.name == "deleted" { self.nobody_comes_back(user, how).await } else { Ok(()) }
    }

    /// Events that are older than the deletion, and came late, bring nobody back.
    async fn nobody_comes_back(&self, user: &str, how: &str) -> Result<(), String> {
        for (number, late) in cases::all().into_iter().filter(|case| case.before.len() < 2).enumerate() {
            self.post(user, None, &late.event, &format!("{user}-late-{number}")).await?;
        }
        self.system.settle(&self.system.desk(), &self.hands).await?;
        let seen = self.system.seen(&address(user), &self.names).await;
        let there = self.system.caller.call(&json!({"action": "export_contact", "id": user})).await;
        if seen.contacts != 0 || there.map(|answer| answer.status).unwrap_or_default() == 200 {
            return Err(format!("deleted {how}: a late event brought the user back"));
        }
        Ok(())
    }
}

impl Fault {
    /// The fault strikes this call of Mautic's API, counted from 1, and no other.
    fn at(self, call: u64) -> Vec<FaultRule> {
        let mut passed = FaultRule::new(FaultKind::Delay).path("/api").times(call - 1);
        passed.delay_ms = Some(0);
        let mut struck = match self {
            Self::Error => FaultRule::new(FaultKind::Status).status(500),
            Self::RateLimit => FaultRule::new(FaultKind::Status).status(429),
            Self::LostReply => FaultRule::new(FaultKind::LostReply),
            Self::Timeout => FaultRule::new(FaultKind::Delay),
        };
        struck.retry_after = (self == Self::RateLimit).then_some(1);
        struck.delay_ms = (self == Self::Timeout).then_some(TOO_LONG_MS);
        vec![passed, struck.path("/api").times(1)]
    }
}

/// What is not as it should be.
fn difference(seen: &Seen, expected: &Seen) -> String {
    let parts = [
        ("contacts", format!("{:?}", seen.contacts), format!("{:?}", expected.contacts)),
        ("fields", format!("{:?}", seen.fields), format!("{:?}", expected.fields)),
        ("segments", format!("{:?}", seen.segments), format!("{:?}", expected.segments)),
        ("campaigns", format!("{:?}", seen.campaigns), format!("{:?}", expected.campaigns)),
        ("entries", format!("{:?}", seen.entries), format!("{:?}", expected.entries)),
        ("mailable", format!("{:?}", seen.mailable), format!("{:?}", expected.mailable)),
        ("ledger", format!("{:?}", seen.opted_in), format!("{:?}", expected.opted_in)),
    ];
    let different = parts.into_iter().filter(|(_, seen, expected)| seen != expected);
    different
        .map(|(what, seen, expected)| format!("{what} {seen} instead of {expected}"))
        .collect::<Vec<_>>()
        .join("; ")
}

fn told(error: jiff::Error) -> String {
    error.to_string()
}
