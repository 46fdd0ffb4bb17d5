//! What people do in the simulated Mautic itself: its administrator, the visitors of a website, the readers of its mails.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tandem_app::store::{ContactTable, ParkedTable};
use tandem_app::system::SystemClock;
use tandem_core::domain::engagement::Standing;
use tandem_core::domain::identity::{Email, RecordKey};
use tandem_core::domain::link::{Lease, Link, RemoteId};
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::TenantId;
use tandem_core::jobs::message::ParkedJob;
use tandem_core::ports::{Attempt, Begin, Clock, ContactStore, Feedback, HookCheck, ParkedJobs};
use tandem_core::webhook::entry::Observed;
use tandem_core::webhook::repair::Hook;
use tandem_simulators::mautic::{ContactDump, FaultKind, FaultRule};

use crate::client::Answer;
use crate::deliveries::Delivery;
use crate::system::{System, WEBHOOK_SECRET};

/// How often a test that waits for queued work lets a minute of the queue's time pass.
const MINUTES: u32 = 120;

impl System {
    /// Calls Mautic's API as its administrator; the answer's JSON.
    ///
    /// # Panics
    /// When Mautic does not answer with JSON.
    pub async fn in_mautic(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let client = Client::builder().no_proxy().build().expect("an HTTP client");
        let request = client.request(method, format!("{}{path}", self.mautic.base_url()));
        let request = request.basic_auth("admin", Some("demo-password"));
        let request = body.into_iter().fold(request, |request, body| request.json(&body));
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// Makes a campaign, a segment or a stage (`campaigns`, `segments`, `stages`); its number.
    ///
    /// # Panics
    /// When Mautic does not make it.
    pub async fn made_in_mautic(&self, kind: &str, name: &str) -> String {
        let answer = self.in_mautic(Method::POST, &format!("/api/{kind}/new"), Some(json!({"name": name}))).await;
        let made = answer.as_object().and_then(|object| object.values().next()).expect("a made thing");
        made["id"].to_string()
    }

    /// A contact as Mautic's API shows it.
    pub async fn shown(&self, contact: &str) -> Value {
        self.in_mautic(Method::GET, &format!("/api/contacts/{contact}"), None).await["contact"].take()
    }

    /// Somebody does something: `unsubscribe`, `bounce`, `open`, `click`, `submit`.
    pub async fn engage(&self, action: &str, who: Value) {
        self.in_mautic(Method::POST, &format!("/_control/engage/{action}"), Some(who)).await;
    }

    /// An anonymous visitor opens a page of the website; the number in the cookie `mtc_id`.
    ///
    /// # Panics
    /// When Mautic does not welcome the visitor.
    pub async fn visitor(&self) -> u64 {
        let page = json!({"page_url": "https://shop.example/"});
        self.in_mautic(Method::POST, "/mtc/event", Some(page)).await["id"].as_u64().expect("a visitor's number")
    }

    /// The contacts that have an address, in any letter case; their tags sorted.
    #[must_use]
    pub fn contacts_with(&self, email: &str) -> Vec<ContactDump> {
        let has = |contact: &ContactDump| contact.email.as_deref().is_some_and(|held| held.eq_ignore_ascii_case(email));
        let mut found: Vec<_> = self.mautic.contacts().into_iter().filter(has).collect();
        found.iter_mut().for_each(|contact| contact.tags.sort());
        found
    }

    /// The one contact that has an address.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[must_use]
    pub fn contact(&self, email: &str) -> ContactDump {
        let mut found = self.contacts_with(email);
        assert_eq!(found.len(), 1, "contacts with this address");
        found.remove(0)
    }

    /// Calls of Mautic's API so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.mautic.stats().api_calls
    }

    /// Calls of one route of Mautic so far: `POST /api/contacts/new`.
    #[must_use]
    pub fn calls_of(&self, route: &str) -> u64 {
        let calls: BTreeMap<String, u64> = self.mautic.stats().calls;
        calls.get(route).copied().unwrap_or_default()
    }

    /// Mautic answers every call with an error of this status until the faults are cleared.
    pub fn mautic_answers(&self, status: u16) {
        let mut rule = FaultRule::new(FaultKind::Status).status(status);
        rule.retry_after = (status == 429).then_some(1);
        self.mautic.inject_faults(vec![rule]);
    }

    /// The next write of a new contact is refused because of these fields.
    pub fn mautic_refuses(&self, method: &str, path: &str, fields: &[&str]) {
        let details: BTreeMap<_, _> =
            fields.iter().map(|field| (*field, json!(["This value is not valid."]))).collect();
        let mut rule = FaultRule::new(FaultKind::Status).status(400).method(method).path(path).times(1);
        rule.body = Some(json!({"errors": [{"code": 400, "message": "refused", "details": details}]}).to_string());
        self.mautic.inject_faults(vec![rule]);
    }

    /// Records, links, identities and consent, as the functions see them.
    #[must_use]
    pub fn contact_store(&self) -> ContactTable {
        let peers = std::sync::Arc::clone(&self.foundation.peers);
        ContactTable::new(self.table.table().clone(), std::sync::Arc::new(SystemClock), peers)
    }

    /// A writer takes a new address for itself, as a function does before it creates the contact, and is never heard of
    /// again. Its lease ends after `lease`.
    ///
    /// # Panics
    /// When the address is not free.
    pub async fn crashed_writer(&self, email: &str, lease: SignedDuration) -> RecordKey {
        let email: Email = email.parse().expect("an address");
        let (key, now) = (RecordKey::first_known_by(&email.identity()), SystemClock.now());
        let until = now.checked_add(lease).expect("a moment");
        let begin = Begin {
            key: key.clone(),
            claim: vec![email.identity()],
            record: Record {
                external_id: None,
                email: Some(email),
                fields: [("first_name".to_owned(), json!("Crashed"))].into(),
                updated_at: now,
                version: 1,
                gone_since: None,
                awaited: None,
                corrected: None,
                overlaid: Default::default(),
                older: Default::default(),
                dated: Default::default(),
                said: Default::default(),
            },
            link: Link { revision: 1, ..Link::new(now) },
            lease: Lease { owner: "gone".to_owned(), until },
            consent: None,
            is_news: true,
        };
        let begun = self.contact_store().begin(&self.foundation.scope, &begin).await;
        assert_eq!(begun.expect("the table takes it"), Attempt::Done);
        key
    }

    /// Ends the lease that a writer left behind, as time would.
    ///
    /// # Panics
    /// When the table fails.
    pub async fn end_lease(&self, email: &str) {
        let (store, scope) = (self.contact_store(), self.foundation.scope.clone());
        let email: Email = email.parse().expect("an address");
        let resolved = store.resolve(&scope, None, Some(&email.identity())).await.expect("the table answers");
        let key = resolved.by_email.expect("a record with this address");
        let lease = store.load(&scope, &key).await.expect("the table answers").lease;
        if let Some(lease) = lease {
            store.let_go(&scope, &key, &lease.owner).await.expect("the table answers");
        }
    }

    /// The jobs that wait for a person.
    ///
    /// # Panics
    /// When the table fails.
    pub async fn parked(&self) -> Vec<ParkedJob> {
        let parked = ParkedTable::new(self.table.table().clone());
        parked.list(&TenantId::default(), 100).await.expect("the table answers")
    }

    /// Waits until all queued work is done; the delays of jobs pass at once.
    ///
    /// # Panics
    /// When some is left after two hours of the queue's time.
    pub async fn finish(&self) {
        for _ in 0..MINUTES {
            if self.drained(Duration::from_millis(250)).await {
                return;
            }
            // To a queue, a job that is under work for minutes is lost: only those that wait may be hurried.
            if self.queue.counts().await.expect("the queue can be counted").in_flight == 0 {
                self.skip_a_minute();
            }
        }
        panic!("jobs are left on the queue");
    }

    /// The time, for requests that name a moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    /// Delivers a body of the test's own, signed as Mautic signs.
    ///
    /// # Panics
    /// When no answer came.
    pub async fn tell(&self, body: Value) -> Answer {
        self.tell_raw(body.to_string().into_bytes()).await
    }

    /// Delivers bytes of the test's own, signed as Mautic signs.
    ///
    /// # Panics
    /// When no answer came.
    pub async fn tell_raw(&self, body: Vec<u8>) -> Answer {
        self.deliver(&Delivery::signed("made up", body, WEBHOOK_SECRET)).await.expect("an answer")
    }

    /// The webhook that leads to this system.
    #[must_use]
    pub fn hook(&self) -> Hook {
        Hook { url: format!("{}/mautic-webhook", self.url()), secret: WEBHOOK_SECRET.to_owned() }
    }

    /// Sees that Mautic calls this system.
    ///
    /// # Panics
    /// When Mautic or the table fails.
    pub async fn guard(&self) -> HookCheck {
        self.desk().guard_hook(&self.hook(), "test").await.expect("Mautic answers")
    }

    /// What follows from a contact's events.
    ///
    /// # Panics
    /// When the table fails.
    pub async fn standing(&self, contact: &str) -> Standing {
        let (desk, contact) = (self.desk(), RemoteId(contact.to_owned()));
        let standing = desk.services.events.standing(&desk.integration.scope, &contact).await;
        standing.expect("the table answers").unwrap_or_default()
    }

    /// What was observed of a contact.
    ///
    /// # Panics
    /// When the table fails.
    pub async fn observed(&self, contact: &str) -> Observed {
        let (desk, contact) = (self.desk(), RemoteId(contact.to_owned()));
        desk.services.events.observed(&desk.integration.scope, &contact).await.expect("the table answers")
    }

    /// The link of the record that has an address.
    ///
    /// # Panics
    /// When there is none.
    pub async fn link(&self, email: &str) -> Link {
        let key = self.record_of(email).await;
        let stored = self.contact_store().load(&self.foundation.scope, &key).await;
        stored.expect("the table answers").link.expect("a link")
    }

    /// What the source of the record that has an address was last told.
    ///
    /// # Panics
    /// When there is no such record.
    pub async fn feedback(&self, email: &str) -> Option<Feedback> {
        let (desk, key) = (self.desk(), self.record_of(email).await);
        desk.services.feedback.feedback(&desk.integration.scope, &key).await.expect("the table answers")
    }

    /// The key of the record that has an address.
    ///
    /// # Panics
    /// When there is none.
    pub async fn record_of(&self, email: &str) -> RecordKey {
        let email: Email = email.parse().expect("an address");
        let resolved = self.contact_store().resolve(&self.foundation.scope, None, Some(&email.identity())).await;
        resolved.expect("the table answers").by_email.expect("a record with this address")
    }
}
