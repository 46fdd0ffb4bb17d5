//! `consent`: who opted out, by whatever way, stays opted out everywhere, whatever happens in the application, until the
//! person opts in; then mail is allowed everywhere, also when Mautic fails on the way.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::ports::Clock;
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};

use super::{Proof, Size};
use crate::hands::Hands;
use crate::system::{KEY, Options, System};

/// How a person opts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By an event.
    Event,
    /// By the link in a mail; Mautic tells by its webhook.
    Link,
    /// By a record of the application.
    Record,
}

/// What happens in the application to somebody who opted out.
const LIFE: [&str; 6] = ["signup", "records", "plan", "login", "upsert", "profile"];

/// A system that Mautic calls, by a clock of our own.
struct Office {
    system: System,
    hands: Hands,
}

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let rounds = size.pick(1, 8);
    let ways = [Way::Event, Way::Link, Way::Record];
    let (one, two, three) = tokio::join!(office(ways[0], rounds), office(ways[1], rounds), office(ways[2], rounds));
    let opted_in = one? + two? + three?;
    Ok(format!(
        "{} people opted out by event, by link and by record; {} things happened to each, and none was mailed again; {opted_in} opt-ins, each with another call of Mautic failing, were carried out everywhere; an older opt-in and a bounce changed nothing",
        rounds * ways.len(),
        LIFE.len(),
    ))
}

/// What happens to those who opt out in one way; gives how many opt-ins were tried.
async fn office(way: Way, rounds: usize) -> Result<usize, String> {
    let office = Office::open().await;
    for round in 0..rounds {
        office.stays_out(way, &format!("{way:?}{round}").to_lowercase()).await?;
    }
    let calls = office.comes_back(way, "healthy", Vec::new()).await?;
    let mut tried = 1;
    for call in 1..=calls {
        for (kind, rule) in [
            ("error", FaultRule::new(FaultKind::Status).status(500)),
            ("lost", FaultRule::new(FaultKind::LostReply).how(LostReply::Close)),
        ] {
            let mut passed = FaultRule::new(FaultKind::Delay).path("/api").times(call - 1);
            passed.delay_ms = Some(0);
            office.comes_back(way, &format!("{kind}{call}"), vec![passed, rule.path("/api").times(1)]).await?;
            tried += 1;
        }
    }
    office.a_bounce_stays(way).await?;
    Ok(tried)
}

impl Office {
    async fn open() -> Self {
        let hands = Hands::default();
        let system = System::with(Options::default().by_hand(&hands)).await;
        system.make_campaigns().await;
        system.guard().await;
        Self { system, hands }
    }

    fn now(&self) -> Timestamp {
        self.hands.now()
    }

    /// Sends an event and does its work. A second passes: what comes next is later.
    async fn happens(&self, user: &str, name: &str, at: Timestamp, more: Value) -> Result<(), String> {
        let mut event = json!({"name": name, "time": at.to_string(), "user": {"id": user, "email": address(user)}});
        for (key, value) in more.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("user", Value::Object(said)) => {
                    said.iter().for_each(|(key, value)| event["user"][key] = value.clone())
                }
                _ => event[key] = value.clone(),
            }
        }
        let answer = self.system.send_events("", &event).await?;
        if answer.status != 202 {
            return Err(format!("{name} got {} {}", answer.status, answer.body));
        }
        self.settle().await
    }

    async fn settle(&self) -> Result<(), String> {
        self.system.settle(&self.system.desk(), &self.hands).await?;
        self.hands.move_on(SignedDuration::from_secs(2));
        Ok(())
    }

    async fn signs_up(&self, user: &str) -> Result<(), String> {
        self.happens(user, "user_signup", self.now(), json!({"user": {"marketing_opt_in": true}})).await?;
        self.must(user, true, "signed up").await
    }

    async fn opts_out(&self, way: Way, user: &str) -> Result<(), String> {
        match way {
            Way::Event => self.happens(user, "opt_out", self.now(), json!({})).await?,
            Way::Link => self.system.engage("unsubscribe", json!({"address": address(user)})).await,
            Way::Record => self.upserts(user, false).await?,
        }
        self.settle().await
    }

    async fn upserts(&self, user: &str, opt_in: bool) -> Result<(), String> {
        let payload = json!({"id": user, "contact": {"email": address(user), "first_name": format!("Ada{opt_in}")}, "consent": {"marketing_opt_in": opt_in}});
        let answer = self.system.caller.upsert(payload).await.map_err(|error| error.without_url().to_string())?;
        if answer.is_taken() { Ok(()) } else { Err(format!("an upsert got {} {}", answer.status, answer.body)) }
    }

    /// The application's record says yes, and a run brings it to Mautic.
    async fn hands_over(&self, user: &str) -> Result<(), String> {
        let record = json!({"id": user, "email": address(user), "last_name": "Row", "marketing_opt_in": true, "updated_at": self.now().to_string()});
        let request = self.system.caller.bare(Method::POST, "/records").bearer_auth(KEY);
        let answer = self.system.caller.send(request.json(&json!({"records": [record]}))).await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        if answer.status != 200 {
            return Err(format!("a record got {} {}", answer.status, answer.body));
        }
        let ran = self.system.desk().sync(SyncOptions { full: true, ..SyncOptions::default() }).await;
        ran.map(drop).map_err(|failure| failure.to_string())
    }

    async fn lives(&self, user: &str, what: &str) -> Result<(), String> {
        let now = self.now();
        let yes = json!({"user": {"marketing_opt_in": true}});
        match what {
            "signup" => self.happens(user, "user_signup", now, yes).await?,
            "plan" => self.happens(user, "plan_change", now, json!({"properties": {"new_tier": "pro"}})).await?,
            "login" => self.happens(user, "user_login", now, yes).await?,
            "profile" => self.happens(user, "profile_updated", now, yes).await?,
            "records" => self.hands_over(user).await?,
            _ => self.upserts(user, true).await?,
        }
        self.settle().await
    }

    /// Nothing but the person's own later word undoes the opt-out.
    async fn stays_out(&self, way: Way, user: &str) -> Result<(), String> {
        self.signs_up(user).await?;
        // Mautic goes by a clock of its own: older by far more than both differ.
        let before = self.now().saturating_add(SignedDuration::from_hours(-24)).unwrap_or(Timestamp::MIN);
        self.opts_out(way, user).await?;
        for what in LIFE {
            self.lives(user, what).await?;
            self.must(user, false, &format!("opted out by {way:?}, then {what}")).await?;
        }
        self.happens(user, "opt_in", before, json!({})).await?;
        self.must(user, false, &format!("opted out by {way:?}, then an older opt-in")).await?;
        self.happens(user, "opt_in", self.now(), json!({})).await?;
        self.must(user, true, &format!("opted out by {way:?}, and in again")).await
    }

    /// The opt-in is the next thing that happens after the opt-out, with Mautic failing; gives the calls that it took.
    async fn comes_back(&self, way: Way, tag: &str, faults: Vec<FaultRule>) -> Result<u64, String> {
        let user = format!("{way:?}-{tag}").to_lowercase();
        self.signs_up(&user).await?;
        self.opts_out(way, &user).await?;
        let before = self.system.calls();
        self.system.mautic.inject_faults(faults);
        let happened = self.happens(&user, "opt_in", self.now(), json!({})).await;
        self.system.mautic.clear_faults();
        happened?;
        let calls = self.system.calls() - before;
        self.must(&user, true, &format!("opted out by {way:?}, and in again ({tag})")).await?;
        Ok(calls)
    }

    /// An address that takes no mail is no word of the person, and no word of the person makes it take mail.
    async fn a_bounce_stays(&self, way: Way) -> Result<(), String> {
        let user = format!("{way:?}-bounced").to_lowercase();
        self.signs_up(&user).await?;
        self.system.engage("bounce", json!({"address": address(&user)})).await;
        self.settle().await?;
        self.happens(&user, "opt_in", self.now(), json!({})).await?;
        let reasons: Vec<Value> =
            self.system.contact(&address(&user)).dnc.iter().map(|entry| entry["reason"].clone()).collect();
        if reasons == [json!(2)] { Ok(()) } else { Err(format!("a bounce became {reasons:?} by an opt-in")) }
    }

    /// Ledger, do-not-contact, field, and what the source is told say the same.
    async fn must(&self, user: &str, opted_in: bool, when: &str) -> Result<(), String> {
        let contact = self.system.contact(&address(user));
        let ledger = self.system.ledger_says(&address(user)).await;
        let told = self.system.feedback(&address(user)).await.map(|told| told.marketing_opt_in);
        let field = contact.fields.get("marketing_opt_in").cloned();
        let is_told = told.is_none_or(|told| told == Some(opted_in));
        if ledger != Some(opted_in)
            || contact.dnc.is_empty() != opted_in
            || field != Some(json!(i32::from(opted_in)))
            || !is_told
        {
            return Err(format!(
                "{when}: the ledger says {ledger:?}, the field {field:?}, do-not-contact {:?}, the source {told:?}",
                contact.dnc
            ));
        }
        Ok(())
    }
}

fn address(user: &str) -> String {
    format!("{user}@example.com")
}
