//! Webhooks as they leave.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::{
    auth::Actor,
    clock,
    options::WebhookMode,
    php,
    rows::{Hook, QueuedEvent, WebhookLog},
    simulator::MauticSimulator,
    store::Store,
    version::MauticVersion,
};

/// How many events one body holds in queue mode.
const EVENTS_A_BODY: usize = 10;
/// How many of a hook's last deliveries decide whether Mautic gives it up.
const DELIVERIES_THAT_COUNT: usize = 100;
/// How long a hook is left alone after somebody changed it.
const GRACE: SignedDuration = SignedDuration::from_hours(48);
/// What 7.0 writes into the log instead of calling a private address (recording `229` of 7.0.0).
const PRIVATE: &str = "Access to private addresses is not allowed.";

/// A request that is being worked on: its number, and who makes it.
#[derive(Debug, Clone)]
struct Call {
    number: u64,
    actor: Actor,
}

tokio::task_local! {
    static CALL: Call;
}

/// Does a request's work and then, unless Mautic is set to queue, delivers the webhooks that it caused, before the
/// request is answered.
pub(crate) async fn within_request<R>(mautic: &MauticSimulator, actor: Actor, work: impl Future<Output = R>) -> R {
    let number = mautic.inner.counts.next_request();
    CALL.scope(Call { number, actor }, async {
        let result = work.await;
        if mautic.switches().webhooks == WebhookMode::Immediate {
            while let Some(delivery) = next_delivery(mautic, 1, Some(number)) {
                deliver(mautic, delivery).await;
            }
        }
        result
    })
    .await
}

/// Notes an event for all hooks that want its type. It leaves with the next delivery.
pub(crate) fn emit(store: &mut Store, kind: &str, payload: Value) {
    let wants = |hook: &Hook| hook.published && hook.triggers.iter().any(|trigger| trigger == kind);
    let hooks: Vec<u64> = store.hooks.iter().filter(|(_, hook)| wants(hook)).map(|(id, _)| id).collect();
    if hooks.is_empty() {
        return;
    }
    let mut payload = payload;
    payload["timestamp"] = json!(clock::iso(store.now()));
    let call = CALL.try_with(|call| call.number).ok();
    for hook in hooks {
        let (kind, payload) = (kind.to_owned(), payload.clone());
        store.queue.add(QueuedEvent { hook, kind, payload, call, retries: 0, not_before: None });
    }
}

/// What a delivery came to.
enum Outcome {
    Answered { status: u16, note: String },
    Unreachable { note: String },
    Refused,
}

impl Outcome {
    /// What the log has: 0 for a delivery without an answer.
    fn status(&self) -> u16 {
        match self {
            Self::Answered { status, .. } => *status,
            Self::Unreachable { .. } | Self::Refused => 0,
        }
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status())
    }

    fn note(self) -> String {
        match self {
            Self::Answered { note, .. } | Self::Unreachable { note } => note,
            Self::Refused => PRIVATE.to_owned(),
        }
    }
}

/// One body on its way.
struct Delivery {
    hook_id: u64,
    hook: Hook,
    events: Vec<QueuedEvent>,
}

/// Sends everything that is queued and due. Gives the number of bodies sent.
pub(crate) async fn flush(mautic: &MauticSimulator) -> usize {
    let mut sent = 0;
    while let Some(delivery) = next_delivery(mautic, EVENTS_A_BODY, None) {
        sent += 1;
        let waits = deliver(mautic, delivery).await;
        // What is back in the queue and due at once is for another flush.
        if waits && !mautic.inner.options.version.is_7() {
            break;
        }
    }
    sent
}

/// Flushes the queue at a steady pace, for as long as the simulator runs.
pub(crate) async fn flush_every(mautic: MauticSimulator, period: Duration) {
    let mut ticks = tokio::time::interval(period);
    loop {
        ticks.tick().await;
        flush(&mautic).await;
    }
}

/// Takes the next events of one hook out of the queue: those of one request, or all that are due. Events that were sent in
/// vain before come behind the newer ones (recording `237` of 7.0.0). Those of an unpublished hook stay.
fn next_delivery(mautic: &MauticSimulator, most: usize, call: Option<u64>) -> Option<Delivery> {
    let ahead = mautic.switches().queue_ahead;
    mautic.write(|store| {
        let now = store.now() + ahead;
        let is_published = |store: &Store, hook: u64| store.hooks.get(hook).is_some_and(|hook| hook.published);
        let due = |event: &QueuedEvent| event.not_before.is_none_or(|at| at <= now);
        let wanted = |event: &QueuedEvent| if call.is_some() { event.call == call } else { due(event) };
        if call.is_some() {
            // What is not queued is lost with its hook.
            let lost = |event: &QueuedEvent| event.call == call && !is_published(store, event.hook);
            let ids: Vec<u64> = store.queue.iter().filter(|(_, event)| lost(event)).map(|(id, _)| id).collect();
            for id in ids {
                store.queue.remove(id);
            }
        }
        let hook_id = store.queue.find(|event| wanted(event) && is_published(store, event.hook))?.1.hook;
        let hook = store.hooks.get(hook_id)?.clone();
        let fits = |event: &QueuedEvent| event.hook == hook_id && wanted(event);
        let mut rows: Vec<(u32, u64)> =
            store.queue.iter().filter(|(_, event)| fits(event)).map(|(id, event)| (event.retries, id)).collect();
        rows.sort_unstable();
        if hook.order.as_deref() == Some("DESC") && most > 1 {
            rows.reverse();
        }
        let events = rows.into_iter().take(most).filter_map(|(_, id)| store.queue.remove(id)).collect();
        Some(Delivery { hook_id, hook, events })
    })
}

/// Sends one body and notes how that went. Says whether its events are in the queue again.
async fn deliver(mautic: &MauticSimulator, delivery: Delivery) -> bool {
    let started = clock::now();
    let outcome = send(mautic, &delivery).await;
    let runtime = match outcome {
        Outcome::Refused => "0".to_owned(),
        _ => format!("{:.2}", clock::now().duration_since(started).as_secs_f64()),
    };
    let kept = mautic.switches().webhooks != WebhookMode::Immediate && is_kept(mautic, &outcome);
    let actor = CALL.try_with(|call| call.actor.clone()).unwrap_or_else(|_| Actor::visitor());
    let (ahead, delay) = (mautic.switches().queue_ahead, mautic.inner.options.retry_delay);
    mautic.write(|store| {
        let at = store.now();
        if kept {
            let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
            let not_before = store.version.is_7().then(|| (at + ahead).saturating_add(delay).unwrap_or(Timestamp::MAX));
            for event in delivery.events {
                store.queue.add(QueuedEvent { retries: event.retries + 1, not_before, ..event });
            }
        }
        let status = outcome.status();
        if !outcome.is_success() && is_given_up(store, delivery.hook_id, status) {
            unpublish(store, delivery.hook_id, &actor);
        }
        let note = outcome.note();
        store.webhook_logs.add(WebhookLog { hook: delivery.hook_id, status, note, runtime, at });
    });
    kept
}

/// Whether a delivery of the queue is made again. 5.1 loses what was answered with anything else than 2xx.
fn is_kept(mautic: &MauticSimulator, outcome: &Outcome) -> bool {
    match mautic.inner.options.version {
        MauticVersion::V5_1 => matches!(outcome, Outcome::Unreachable { .. }),
        MauticVersion::V7_0 => !outcome.is_success(),
    }
}

/// Whether Mautic unpublishes a hook after a delivery that failed: at once when it is told that the receiver is gone, else
/// when none of the last deliveries succeeded and nobody changed the hook of late. In 5.1 a hook that was made and never
/// changed has no time of change, so that its second failure is enough (recordings `226`, `227`); in 7.0 it has one.
fn is_given_up(store: &Store, hook_id: u64, status: u16) -> bool {
    if status == 410 {
        return true;
    }
    let modified = store.hooks.get(hook_id).and_then(|hook| hook.by.modified);
    if modified.is_some_and(|at| store.now().duration_since(at) < GRACE) {
        return false;
    }
    let logs = store.webhook_logs.iter().rev().filter(|(_, log)| log.hook == hook_id);
    let mut recent = logs.take(DELIVERIES_THAT_COUNT).map(|(_, log)| (200..300).contains(&log.status)).peekable();
    recent.peek().is_some() && !recent.any(|success| success)
}

fn unpublish(store: &mut Store, hook_id: u64, actor: &Actor) {
    let now = store.now();
    if let Some(hook) = store.hooks.edit(hook_id) {
        hook.published = false;
        hook.by.touch(actor, now);
    }
}

/// Whether 7.0 refuses to call an address: loopback, private networks, link-local, unless the administrator lists the host.
fn is_refused(mautic: &MauticSimulator, url: &str) -> bool {
    if !mautic.inner.options.version.is_7() {
        return false;
    }
    let Ok(url) = url::Url::parse(url) else { return false };
    let is_private = match url.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let host = url.host_str().unwrap_or_default();
    is_private && !mautic.switches().private_hosts.iter().any(|allowed| allowed == host)
}

async fn send(mautic: &MauticSimulator, delivery: &Delivery) -> Outcome {
    if is_refused(mautic, &delivery.hook.url) {
        return Outcome::Refused;
    }
    let body = body_of(&delivery.events);
    let request = mautic
        .inner
        .http
        .post(&delivery.hook.url)
        .header("User-Agent", "GuzzleHttp/7")
        .header("Content-Type", "application/json")
        .header("X-Origin-Base-URL", mautic.base_url())
        .header("Webhook-Signature", sign(&delivery.hook.secret, &body))
        .body(body);
    match request.send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            Outcome::Answered { status, note: response.text().await.unwrap_or_default() }
        }
        Err(error) => Outcome::Unreachable { note: error.to_string() },
    }
}

/// Events by type, each type's in their order; the order across types is lost.
fn body_of(events: &[QueuedEvent]) -> Vec<u8> {
    let mut body = Map::new();
    for event in events {
        if let Value::Array(list) = body.entry(&event.kind).or_insert_with(|| json!([])) {
            list.push(whole_numbers(event.payload.clone()));
        }
    }
    php::json_bytes(&Value::Object(body))
}

/// PHP decodes and encodes a payload again on its way, in which 7.0 becomes 7.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 => json!(float as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Value::Object(map) => map.into_iter().map(|(key, item)| (key, whole_numbers(item))).collect(),
        other => other,
    }
}

/// base64(HMAC-SHA256(secret, body)).
fn sign(secret: &str, body: &[u8]) -> String {
    // A key of any length is taken, so the empty fallback never stands in for a signature.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}
