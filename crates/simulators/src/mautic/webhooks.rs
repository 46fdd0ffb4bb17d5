//! Webhooks as they leave.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::{
    clock,
    options::WebhookMode,
    php,
    rows::{Hook, QueuedEvent, WebhookLog},
    simulator::MauticSimulator,
    store::Store,
};

/// How many events one body holds in queue mode.
const EVENTS_A_BODY: usize = 10;
/// How many failures in a row make Mautic give a hook up.
const FAILURES_TO_GIVE_UP: u32 = 10;

tokio::task_local! {
    /// The number of the request that is being worked on.
    static CALL: u64;
}

/// Does a request's work and then, unless Mautic is set to queue, delivers the webhooks that it caused, before the
/// request is answered.
pub(crate) async fn within_request<R>(mautic: &MauticSimulator, work: impl Future<Output = R>) -> R {
    let call = mautic.inner.counts.next_request();
    let result = CALL.scope(call, work).await;
    if mautic.inner.options.webhooks == WebhookMode::Immediate {
        while let Some(delivery) = next_delivery(mautic, 1, Some(call)) {
            deliver(mautic, delivery, false).await;
        }
    }
    result
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
    let call = CALL.try_with(|call| *call).ok();
    for hook in hooks {
        store.queue.add(QueuedEvent { hook, kind: kind.to_owned(), payload: payload.clone(), call });
    }
}

/// What a delivery came to.
enum Outcome {
    Answered { status: u16, note: String },
    Unreachable { note: String },
}

/// One body on its way.
struct Delivery {
    hook_id: u64,
    hook: Hook,
    events: Vec<QueuedEvent>,
}

/// Sends everything that is queued. Gives the number of bodies sent.
pub(crate) async fn flush(mautic: &MauticSimulator) -> usize {
    let mut sent = 0;
    while let Some(delivery) = next_delivery(mautic, EVENTS_A_BODY, None) {
        sent += 1;
        // What could not be delivered is back in the queue now; another try is for another flush.
        if !deliver(mautic, delivery, true).await {
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

/// Takes the next events of one hook out of the queue: those of one request, or all.
fn next_delivery(mautic: &MauticSimulator, most: usize, call: Option<u64>) -> Option<Delivery> {
    let wanted = |event: &QueuedEvent| call.is_none() || event.call == call;
    mautic.write(|store| {
        loop {
            let hook_id = store.queue.find(wanted)?.1.hook;
            let hook = store.hooks.get(hook_id).cloned();
            let fits = |event: &QueuedEvent| event.hook == hook_id && wanted(event);
            let mut ids: Vec<u64> = store.queue.iter().filter(|(_, event)| fits(event)).map(|(id, _)| id).collect();
            let youngest_first = hook.as_ref().and_then(|hook| hook.order.as_deref()) == Some("DESC");
            if youngest_first && most > 1 {
                ids.reverse();
            }
            let Some(hook) = hook.filter(|hook| hook.published) else {
                // Nobody is left to hear of these.
                for id in ids {
                    store.queue.remove(id);
                }
                continue;
            };
            let events = ids.into_iter().take(most).filter_map(|id| store.queue.remove(id)).collect();
            return Some(Delivery { hook_id, hook, events });
        }
    })
}

/// Sends one body and notes how that went. Says whether anybody answered.
async fn deliver(mautic: &MauticSimulator, delivery: Delivery, keep_unreachable: bool) -> bool {
    let started = clock::now();
    let outcome = send(mautic, &delivery).await;
    let runtime = format!("{:.2}", clock::now().duration_since(started).as_secs_f64());
    mautic.write(|store| {
        let (status, note) = match outcome {
            Outcome::Answered { status, note } => (status, note),
            Outcome::Unreachable { note } => {
                if keep_unreachable {
                    delivery.events.into_iter().for_each(|event| {
                        store.queue.add(event);
                    });
                }
                (0, note)
            }
        };
        let at = store.now();
        store.webhook_logs.add(WebhookLog { hook: delivery.hook_id, status, note, runtime, at });
        count(store, delivery.hook_id, status);
        status != 0
    })
}

/// A hook that keeps failing is unpublished; one that answers 410 at once.
fn count(store: &mut Store, hook: u64, status: u16) {
    let Some(hook) = store.hooks.edit(hook) else { return };
    if (200..300).contains(&status) {
        hook.failures = 0;
        return;
    }
    hook.failures += 1;
    if status == 410 || hook.failures >= FAILURES_TO_GIVE_UP {
        hook.published = false;
    }
}

async fn send(mautic: &MauticSimulator, delivery: &Delivery) -> Outcome {
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
