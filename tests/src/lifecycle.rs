//! Lifecycle events of test systems: sending them, doing their work, and what Mautic shows of a user afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::queue::local;
use tandem_app::queue::worker::{self, JobHandler, MOST_TOGETHER, Outcome, Received};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::identity::Email;
use tandem_core::ports::{Clock, ContactStore};
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::ContactDump;

use crate::client::Answer;
use crate::hands::Hands;
use crate::system::{KEY, Options, System};
use crate::version;

/// The campaigns that the default rules name.
pub const CAMPAIGNS: [&str; 5] =
    ["Welcome Campaign", "Pro Onboarding", "Enterprise Onboarding", "Retention Campaign", "Win-back Campaign"];

/// The fields that the default rules write, as Mautic calls them.
pub const FIELDS: [&str; 6] = [
    "subscription_tier",
    "subscription_status",
    "subscription_updated_at",
    "signup_date",
    "last_login",
    "lifetime_value",
];

/// How long a lease or the delay of a job takes at most that is waited for by moving the clock on.
const A_LEASE: SignedDuration = SignedDuration::from_secs(61);

/// Names of Mautic's segments and campaigns by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Names {
    segments: BTreeMap<u64, String>,
    campaigns: BTreeMap<u64, String>,
}

/// A user as Mautic and the consent ledger show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// How many contacts have the address.
    pub contacts: usize,
    /// The fields that rules write.
    pub fields: BTreeMap<String, Value>,
    /// The names of the segments that it is in.
    pub segments: BTreeSet<String>,
    /// The names of the campaigns that it is in.
    pub campaigns: BTreeSet<String>,
    /// How often it entered each campaign, those that it was taken out of included.
    pub entries: BTreeMap<String, u64>,
    /// Whether Mautic may mail it.
    pub mailable: bool,
    /// What the ledger says.
    pub opted_in: Option<bool>,
}

impl Options {
    /// With a clock that can be moved on, and without a worker: [`System::settle`] does the work.
    #[must_use]
    pub fn by_hand(mut self, hands: &Hands) -> Self {
        self.clock = Arc::new(hands.clone());
        self.without_worker()
    }
}

impl System {
    /// `POST /events`.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send_events(&self, query: &str, events: &Value) -> Result<Answer, String> {
        let request = self.caller.bare(Method::POST, &format!("/events{query}")).bearer_auth(KEY).json(events);
        self.caller.send(request).await.map_err(|error| error.without_url().to_string())
    }

    /// `GET /events…`.
    ///
    /// # Panics
    /// When no answer came.
    pub async fn get_events(&self, rest: &str) -> Answer {
        let request = self.caller.bare(Method::GET, &format!("/events{rest}")).bearer_auth(KEY);
        self.caller.send(request).await.expect("an answer")
    }

    /// Makes the campaigns that the default rules name. They let a contact enter again: so what is done twice is seen.
    pub async fn make_campaigns(&self) {
        for name in CAMPAIGNS {
            let campaign = json!({"name": name, "isPublished": true, "allowRestart": true});
            self.in_mautic(Method::POST, "/api/campaigns/new", Some(campaign)).await;
        }
    }

    /// Does all work on the queue, one job after the other; moves the clock on where a job is to wait.
    ///
    /// # Errors
    /// When some is left after a day of the clock's time, or a message is no job.
    pub async fn settle(&self, desk: &dyn JobHandler, hands: &Hands) -> Result<(), String> {
        let end = hands.now().saturating_add(SignedDuration::from_hours(24)).map_err(|error| error.to_string())?;
        while hands.now() < end {
            let told = |failure: tandem_core::error::Failure| failure.to_string();
            let received = self.queue.receive(100, Duration::from_secs(360)).await.map_err(told)?;
            if received.is_empty() {
                if self.queue.counts().await.map_err(told)?.waiting == 0 {
                    return Ok(());
                }
                hands.move_on(A_LEASE);
            }
            for message in received {
                let outcome = worker::run(&message.body, message.receives, desk).await;
                self.put_back(&message, outcome).await?;
            }
        }
        Err("jobs are left on the queue".to_owned())
    }

    /// Does what waits on the queue just now, together where jobs can be done so; gives how many there were.
    ///
    /// # Errors
    /// When a message is no job, or the queue fails.
    pub async fn work_together(&self, desk: &dyn JobHandler) -> Result<usize, String> {
        let told = |failure: tandem_core::error::Failure| failure.to_string();
        let waiting = self.queue.receive(MOST_TOGETHER, Duration::from_secs(360)).await.map_err(told)?;
        let received = waiting.into_iter().map(|message| {
            let (job, receives) = (worker::job_of(&message.body)?, message.receives);
            Some(Received { message, job, receives })
        });
        let received = received.collect::<Option<Vec<_>>>().ok_or("a job turned out to be poison")?;
        let count = received.len();
        for portion in worker::portions(received) {
            let outcomes = worker::run_portion(&portion, desk).await;
            for (one, outcome) in portion.iter().zip(outcomes) {
                self.put_back(&one.message, outcome).await?;
            }
        }
        Ok(count)
    }

    /// Does all work on the queue, together where jobs can be done so; moves the clock on where a job is to wait.
    ///
    /// # Errors
    /// As [`System::settle`].
    pub async fn settle_together(&self, desk: &dyn JobHandler, hands: &Hands) -> Result<(), String> {
        let end = hands.now().saturating_add(SignedDuration::from_hours(24)).map_err(|error| error.to_string())?;
        while hands.now() < end {
            if self.work_together(desk).await? > 0 {
                continue;
            }
            let counts = self.queue.counts().await.map_err(|failure| failure.to_string())?;
            if counts.waiting + counts.in_flight == 0 {
                return Ok(());
            }
            hands.move_on(A_LEASE);
        }
        Err("jobs are left on the queue".to_owned())
    }

    async fn put_back(&self, message: &local::Received, outcome: Outcome) -> Result<(), String> {
        let done = match outcome {
            Outcome::Done => self.queue.delete(message).await,
            Outcome::RetryIn(delay) => self.queue.postpone(message, delay).await,
            Outcome::Poison => return Err("a job turned out to be poison".to_owned()),
        };
        done.map_err(|failure| failure.to_string())
    }

    /// The names of Mautic's segments and campaigns.
    pub async fn names(&self) -> Names {
        let segments = self.in_mautic(Method::GET, "/api/segments?limit=500", None).await;
        let campaigns = self.in_mautic(Method::GET, "/api/campaigns?limit=500", None).await;
        Names { segments: names_in(&segments["lists"]), campaigns: names_in(&campaigns["campaigns"]) }
    }

    /// How the user of an address stands. By the state of the simulator: no call is counted.
    ///
    /// # Panics
    /// When the table fails.
    pub async fn seen(&self, email: &str, names: &Names) -> Seen {
        let found = self.contacts_with(email);
        let seen = found.first().map(|contact| seen_of(contact, names)).unwrap_or_default();
        Seen { contacts: found.len(), opted_in: self.ledger_says(email).await, ..seen }
    }

    /// What the consent ledger of an address says.
    ///
    /// # Panics
    /// When the table fails.
    pub async fn ledger_says(&self, email: &str) -> Option<bool> {
        let email: Email = email.parse().expect("an address");
        let resolved = self.contact_store().resolve(&self.foundation.scope, None, Some(&email.identity())).await;
        let ledger = resolved.expect("the table answers").consent;
        ledger.standing().map(|entry| entry.status == ConsentStatus::OptedIn)
    }
}

/// How a contact stands, but for the ledger and for how many there are.
#[must_use]
pub fn seen_of(contact: &ContactDump, names: &Names) -> Seen {
    let named = |names: &BTreeMap<u64, String>, id: &u64| names.get(id).cloned().unwrap_or_else(|| id.to_string());
    let fields = FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), contact.fields.get(*name)?.clone())));
    Seen {
        contacts: 1,
        fields: fields.collect(),
        segments: contact.segments.iter().map(|id| named(&names.segments, id)).collect(),
        campaigns: contact.campaigns.iter().map(|id| named(&names.campaigns, id)).collect(),
        entries: contact.campaign_entries.iter().map(|(id, times)| (named(&names.campaigns, id), *times)).collect(),
        mailable: contact.dnc.is_empty(),
        opted_in: None,
    }
}

fn names_in(lists: &Value) -> BTreeMap<u64, String> {
    let rows: Vec<&Value> = match lists {
        Value::Object(rows) => rows.values().collect(),
        Value::Array(rows) => rows.iter().collect(),
        _ => Vec::new(),
    };
    let name = |row: &&Value| Some((row["id"].as_u64()?, row["name"].as_str()?.to_owned()));
    rows.iter().filter_map(name).collect()
}

/// A moment as Mautic's contact fields keep it: in UTC, in 5.1 with its seconds cut off.
#[must_use]
pub fn as_in_mautic(at: Timestamp) -> Value {
    let format = match version::current() {
        MauticVersion::V5_1 => "%Y-%m-%d %H:%M:00",
        MauticVersion::V7_0 => "%Y-%m-%d %H:%M:%S",
    };
    json!(at.strftime(format).to_string())
}
