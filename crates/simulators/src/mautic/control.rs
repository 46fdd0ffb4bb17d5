//! The simulator's own controls, for tests and demos: faults, counts, dumps, switches.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    auth::Actor,
    companies, engage,
    faults::FaultRule,
    options::WebhookMode,
    rows::{Contact, Membership},
    simulator::{MauticSimulator, lock},
    store::Store,
    webhooks,
};

/// What has been called, and how often.
#[derive(Debug, Default)]
pub(crate) struct CallCounts {
    calls: Mutex<BTreeMap<String, u64>>,
    tokens: AtomicU64,
    faults: AtomicU64,
    requests: AtomicU64,
}

impl CallCounts {
    /// A number for a request, never given twice.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn call(&self, method: &str, route: &str) {
        *lock(&self.calls).entry(format!("{method} {route}")).or_default() += 1;
    }

    pub(crate) fn token_request(&self) {
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }

    fn reset(&self) {
        lock(&self.calls).clear();
        self.tokens.store(0, Ordering::Relaxed);
        self.faults.store(0, Ordering::Relaxed);
    }
}

/// Counts of calls, and the state in numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SimulatorStats {
    /// Calls of the API by method and route, as in `GET /api/contacts/{id}`.
    pub calls: BTreeMap<String, u64>,
    /// Calls of the API together.
    pub api_calls: u64,
    /// Requests for a token.
    pub token_requests: u64,
    /// Faults that struck.
    pub faults_injected: u64,
    /// Contacts that exist.
    pub contacts: usize,
    /// Addresses, in lower case, that several contacts have, with their ids.
    pub duplicates: BTreeMap<String, Vec<u64>>,
    /// How often contacts entered each campaign, by its id: first additions and restarts, those of contacts included that
    /// were deleted or merged since.
    pub campaign_entries: BTreeMap<u64, u64>,
    /// How many batch calls were under way at the same time at most.
    pub batches_at_once: usize,
}

/// A contact in short.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContactDump {
    /// Its id.
    pub id: u64,
    /// Its address.
    pub email: Option<String>,
    /// Its points.
    pub points: i64,
    /// Its fields, without those that are null.
    pub fields: Map<String, Value>,
    /// The names of its tags.
    pub tags: Vec<String>,
    /// Its do-not-contact entries: channel, reason, comments.
    pub dnc: Vec<Value>,
    /// The companies it belongs to; the last one is the primary one.
    #[serde(default)]
    pub companies: Vec<u64>,
    /// The segments it is in.
    pub segments: Vec<u64>,
    /// The campaigns it is in.
    pub campaigns: Vec<u64>,
    /// How often it entered each campaign, by its id (Mautic's rotation); those it was taken out of included.
    pub campaign_entries: BTreeMap<u64, u64>,
    /// When it was last changed.
    pub date_modified: Option<String>,
}

impl ContactDump {
    fn of(store: &Store, id: u64, contact: &Contact) -> Self {
        let dnc = contact.dnc.iter().filter_map(|id| store.dnc.get(*id));
        Self {
            id,
            email: contact.email().map(str::to_owned),
            points: contact.points,
            fields: contact.values.iter().map(|(alias, value)| (alias.clone(), value.clone())).collect(),
            tags: contact.tags.iter().filter_map(|id| Some(store.tags.get(*id)?.name.clone())).collect(),
            dnc: dnc
                .map(|row| json!({"channel": row.channel, "reason": row.reason, "comments": row.comments}))
                .collect(),
            companies: contact.companies.clone(),
            segments: current(&contact.segments),
            campaigns: current(&contact.campaigns),
            campaign_entries: contact.campaigns.iter().map(|(id, member)| (*id, member.rotation)).collect(),
            date_modified: contact.by.modified.map(super::clock::iso),
        }
    }
}

fn current(memberships: &BTreeMap<u64, Membership>) -> Vec<u64> {
    memberships.iter().filter(|(_, member)| !member.removed).map(|(id, _)| *id).collect()
}

impl MauticSimulator {
    /// Puts these rules in the place of all earlier ones.
    pub fn inject_faults(&self, rules: Vec<FaultRule>) {
        self.inner.faults.set(rules);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.inner.faults.set(Vec::new());
    }

    /// What was called, and what there is.
    pub fn stats(&self) -> SimulatorStats {
        let counts = &self.inner.counts;
        let calls = lock(&counts.calls).clone();
        let (contacts, duplicates) = self.read(|store| (store.contact_count(), store.duplicates()));
        let campaign_entries = self.read(|store| store.campaigns.iter().map(|(id, row)| (id, row.entries)).collect());
        SimulatorStats {
            api_calls: calls.iter().filter(|(call, _)| call.contains(" /api")).map(|(_, count)| count).sum(),
            calls,
            token_requests: counts.tokens.load(Ordering::Relaxed),
            faults_injected: counts.faults.load(Ordering::Relaxed),
            contacts,
            duplicates: duplicates.into_iter().collect(),
            campaign_entries,
            batches_at_once: self.inner.cores.most_at_once(),
        }
    }

    /// All contacts, in short.
    pub fn contacts(&self) -> Vec<ContactDump> {
        self.read(|store| store.contacts().map(|(id, contact)| ContactDump::of(store, id, contact)).collect())
    }

    /// Back to a fresh installation: no data, no tokens, no faults, counts at zero.
    pub fn reset(&self) {
        self.clear_faults();
        self.inner.counts.reset();
        self.inner.limit.set(self.inner.options.rate_limit);
        self.rewrite(Store::reset);
    }

    /// Sets the calls that are allowed in an hour, or takes the limit away. A new hour begins.
    pub fn set_rate_limit(&self, calls_per_hour: Option<u64>) {
        self.inner.limit.set(calls_per_hour);
    }

    /// Lets time pass for the rate limit, as far as the hour is concerned whose calls it counts.
    pub fn advance_rate_limit(&self, by: std::time::Duration) {
        self.inner.limit.advance(i64::try_from(by.as_secs()).unwrap_or(i64::MAX));
    }

    /// Switches the API, and Basic authentication for it, on and off.
    pub fn set_enabled(&self, api: bool, basic: bool) {
        self.switch(|switches| {
            switches.api = api;
            switches.basic = basic;
        });
    }

    /// Takes the database away, or brings it back: without one every call of the API and for a token is a 500.
    pub fn set_database(&self, there: bool) {
        self.switch(|switches| switches.database = there);
    }

    /// Lists the private hosts to which Mautic 7.0 may deliver webhooks, in the place of those listed so far.
    pub fn set_allowed_private_addresses(&self, hosts: &[&str]) {
        self.switch(|switches| switches.private_hosts = hosts.iter().map(|host| (*host).to_owned()).collect());
    }

    /// Lets time pass for everything that Mautic dates.
    pub fn advance_clock(&self, by: std::time::Duration) {
        let by = jiff::SignedDuration::try_from(by).unwrap_or(jiff::SignedDuration::MAX);
        self.write(|store| store.ahead = store.ahead.saturating_add(by));
    }

    /// The time of its database, as it stands in a URL.
    pub(crate) fn now_in_urls(&self) -> String {
        self.read(|store| super::clock::sql(store.now())).replace(' ', "+").replace(':', "%3A")
    }

    /// Delivers webhooks at once, or from the queue, from now on.
    pub fn set_webhook_mode(&self, mode: WebhookMode) {
        self.switch(|switches| switches.webhooks = mode);
    }

    /// Makes the next row of a table get this id, as if others had been there.
    pub(crate) fn skip_to(&self, table: &str, id: u64) {
        self.write(|store| store.restore(&json!({"table": table, "next": id})));
    }

    /// Lets time pass for the queue of webhooks, as far as the delay is concerned after which 7.0 sends again.
    pub fn advance_webhook_queue(&self, by: std::time::Duration) {
        let by = jiff::SignedDuration::try_from(by).unwrap_or(jiff::SignedDuration::MAX);
        self.switch(|switches| switches.queue_ahead = switches.queue_ahead.saturating_add(by));
    }

    /// Puts contacts into the database as they are, past everything that the API would ask: several with one address, as
    /// Mautic's own races and imports leave them. Gives their ids, in the order given. No hook hears of it.
    pub fn plant_contacts(&self, contacts: &[Map<String, Value>]) -> Vec<u64> {
        let planter = Actor { id: Some(1), name: self.inner.options.user_name.clone(), way: None };
        self.write(|store| contacts.iter().map(|fields| plant(store, fields, &planter)).collect())
    }

    /// Puts companies of these names into the database, several of one name among them, as Mautic's races leave them. Gives their
    /// ids, in the order given. No hook hears of it.
    pub fn plant_companies(&self, names: &[&str]) -> Vec<u64> {
        let planter = Actor { id: Some(1), name: self.inner.options.user_name.clone(), way: None };
        self.write(|store| names.iter().map(|name| companies::make(store, name, &planter)).collect())
    }

    /// Makes a field of contacts a unique identifier, or an ordinary one. Says whether there is such a field.
    pub fn set_unique_identifier(&self, alias: &str, unique: bool) -> bool {
        self.write(|store| {
            let id = store.fields.find(|field| field.object == "lead" && field.alias == alias).map(|(id, _)| id);
            let field = id.and_then(|id| store.fields.edit(id));
            field.map(|field| field.unique = unique).is_some()
        })
    }

    /// Makes all tokens invalid.
    pub fn revoke_tokens(&self) {
        self.write(|store| {
            let ids: Vec<u64> = store.tokens.iter().map(|(id, _)| id).collect();
            for id in ids {
                store.tokens.remove(id);
            }
        });
    }

    /// Delivers all queued webhooks. Gives the number of bodies that were sent.
    pub async fn flush_webhooks(&self) -> usize {
        webhooks::flush(self).await
    }

    /// The id that the next contact will get.
    pub fn next_contact_id(&self) -> u64 {
        self.read(Store::next_contact_id)
    }
}

/// Everything under `/_control`, which needs no credentials and knows no faults.
pub(crate) fn routes() -> Router<MauticSimulator> {
    Router::new()
        .route("/_control/faults", post(set_faults).delete(clear_faults))
        .route("/_control/stats", get(stats))
        .route("/_control/contacts", get(contacts).post(plant_contacts))
        .route("/_control/reset", post(reset))
        .route("/_control/rate-limit", post(rate_limit))
        .route("/_control/webhooks/flush", post(flush))
        .route("/_control/webhooks/private", post(allow_private))
        .route("/_control/fields/{alias}/unique", post(set_unique))
        .route("/_control/api", post(switch_api))
        .route("/_control/revoke-tokens", post(revoke_tokens))
        .route("/_control/engage/{action}", post(engage::act))
}

async fn set_faults(State(mautic): State<MauticSimulator>, Json(rules): Json<Vec<FaultRule>>) -> Json<Value> {
    let count = rules.len();
    mautic.inject_faults(rules);
    Json(json!({"rules": count}))
}

async fn clear_faults(State(mautic): State<MauticSimulator>) -> Json<Value> {
    mautic.clear_faults();
    Json(json!({"rules": 0}))
}

async fn stats(State(mautic): State<MauticSimulator>) -> Json<SimulatorStats> {
    Json(mautic.stats())
}

async fn contacts(State(mautic): State<MauticSimulator>) -> Json<Vec<ContactDump>> {
    Json(mautic.contacts())
}

async fn plant_contacts(
    State(mautic): State<MauticSimulator>,
    Json(contacts): Json<Vec<Map<String, Value>>>,
) -> Json<Value> {
    Json(json!({"ids": mautic.plant_contacts(&contacts)}))
}

fn plant(store: &mut Store, fields: &Map<String, Value>, planter: &Actor) -> u64 {
    let mut contact = Contact::new(store.authorship(planter));
    contact.identified = Some(store.now());
    let given = fields.iter().filter(|(_, value)| !value.is_null());
    contact.values = given.map(|(alias, value)| (alias.clone(), value.clone())).collect();
    store.add_contact(contact)
}

async fn allow_private(State(mautic): State<MauticSimulator>, Json(hosts): Json<Vec<String>>) -> Json<Value> {
    mautic.set_allowed_private_addresses(&hosts.iter().map(String::as_str).collect::<Vec<_>>());
    Json(json!({"allowed": hosts}))
}

async fn set_unique(
    State(mautic): State<MauticSimulator>,
    Path(alias): Path<String>,
    Json(Unique { unique }): Json<Unique>,
) -> Json<Value> {
    Json(json!({"found": mautic.set_unique_identifier(&alias, unique)}))
}

#[derive(Deserialize)]
struct Unique {
    unique: bool,
}

async fn reset(State(mautic): State<MauticSimulator>) -> Json<Value> {
    mautic.reset();
    Json(json!({"reset": true}))
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<u64>,
}

async fn rate_limit(State(mautic): State<MauticSimulator>, Json(Limit { limit }): Json<Limit>) -> Json<Value> {
    mautic.set_rate_limit(limit);
    Json(json!({"limit": limit}))
}

async fn flush(State(mautic): State<MauticSimulator>) -> Json<Value> {
    Json(json!({"bodies": mautic.flush_webhooks().await}))
}

#[derive(Deserialize)]
struct Enabled {
    enabled: Option<bool>,
    basic: Option<bool>,
    database: Option<bool>,
}

async fn switch_api(State(mautic): State<MauticSimulator>, Json(wanted): Json<Enabled>) -> Json<Value> {
    let now = mautic.switches();
    let (api, basic) = (wanted.enabled.unwrap_or(now.api), wanted.basic.unwrap_or(now.basic));
    let database = wanted.database.unwrap_or(now.database);
    mautic.set_enabled(api, basic);
    mautic.set_database(database);
    Json(json!({"enabled": api, "basic": basic, "database": database}))
}

async fn revoke_tokens(State(mautic): State<MauticSimulator>) -> Json<Value> {
    mautic.revoke_tokens();
    Json(json!({"revoked": true}))
}
