//! The webhook that calls Tandem: made, mended, and proved by a delivery.

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;
use serde_json::{Map, Value};
use tandem_core::error::Result;
use tandem_core::ports::{GuardedHook, HookCheck, HookDelivery};
use tandem_core::webhook::proof::signature;

use super::super::hooks::Attempt;
use super::super::{Hook, HookSetup, Mautic};
use crate::http::{Body, Call, Http, Patience};

/// The types of events that Tandem asks for. Not among them are `email_on_send` and `sms_on_send`: a mail to every
/// contact would come back as as many events that change nothing.
const TRIGGERS: [&str; 12] = [
    "mautic.company_post_delete",
    "mautic.company_post_save",
    "mautic.email_on_open",
    "mautic.form_on_submit",
    "mautic.lead_channel_subscription_changed",
    "mautic.lead_company_change",
    "mautic.lead_list_change",
    "mautic.lead_points_change",
    "mautic.lead_post_delete",
    "mautic.lead_post_save_new",
    "mautic.lead_post_save_update",
    "mautic.page_on_hit",
];

/// The company that is made and deleted so that the webhook has something to tell. No person, so nobody is mailed and no
/// segment or campaign takes notice.
const TRIAL: &str = "Tandem webhook test";

/// What became of the test delivery that Tandem itself sends to the webhook's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Knock {
    /// It was taken.
    Taken,
    /// It was not.
    Refused {
        /// Why.
        reason: String,
        /// What helps.
        cure: String,
    },
}

/// Sends a signed delivery without events to the webhook's address, as Mautic's "Send test" would: whether a Tandem answers
/// there that knows the secret. One call, none of it of Mautic's.
pub async fn knock(http: &Http, url: &str, secret: &str) -> Knock {
    let refused = |reason: &str, cure: &str| Knock::Refused { reason: reason.to_owned(), cure: cure.to_owned() };
    let body = br#"{"timestamp":"2026-01-01T00:00:00+00:00"}"#.to_vec();
    let signed = signature(&body, secret).and_then(|text| HeaderValue::from_str(&text).ok());
    let Ok(address) = Url::parse(url) else {
        return refused(
            "The address is no web address.",
            "give the full address, https://… to …/mautic-webhook/mautic",
        );
    };
    let headers = signed.map(|value| (HeaderName::from_static("webhook-signature"), value)).into_iter().collect();
    let call = Call {
        peer: "The webhook's address",
        method: Method::POST,
        url: address,
        authorization: None,
        headers,
        body: Body::Json(body.into()),
        patience: Patience::Usual,
    };
    match http.send(call).await {
        Ok(answer) => match answer.status {
            200..=299 => Knock::Taken,
            status => {
                let (reason, cure) = of_status(status);
                Knock::Refused { reason, cure }
            }
        },
        Err(failure) => refused(&failure.message, "see that Tandem runs and can be reached there"),
    }
}

/// Makes or mends the webhook that calls `url`. Of several with that address, whatever their query, the first is kept and
/// the others are deleted: each would send every event once more. Two calls when all is right.
///
/// # Errors
/// The first failure of a call.
pub async fn ensure_webhook(mautic: &Mautic, url: &str, secret: &str) -> Result<GuardedHook> {
    let offered = mautic.hook_triggers().await?;
    let triggers = TRIGGERS.iter().map(|&name| name.to_owned()).filter(|name| offered.contains(name)).collect();
    let setup = HookSetup { url: url.to_owned(), secret: secret.to_owned(), triggers };
    let mut ours = mautic.hooks().await?.into_iter().filter(|hook| same_address(&hook.setup.url, url));
    let Some(first) = ours.next() else {
        let made = mautic.create_hook(&setup).await?;
        return Ok(GuardedHook { id: made.id, check: HookCheck::Made });
    };
    let mut check = HookCheck::Right;
    if !is_right(&first, &setup) {
        let url = if leads_here(&first, &setup) { first.setup.url.clone() } else { setup.url.clone() };
        mautic.update_hook(&first.id, &HookSetup { url, ..setup }).await?;
        check = HookCheck::Repaired;
    }
    for double in ours {
        mautic.delete_hook(&double.id).await?;
        check = HookCheck::Repaired;
    }
    Ok(GuardedHook { id: first.id, check })
}

/// Has Mautic send something by the webhook, and reads in its log whether that arrived. Four calls.
pub async fn try_webhook(mautic: &Mautic, id: &str) -> HookDelivery {
    match tried(mautic, id).await {
        Ok(delivery) => delivery,
        Err(failure) => HookDelivery::Unseen { reason: failure.message },
    }
}

/// Whether the newest delivery arrived, as Mautic's log says. One call.
pub async fn newest_delivery(mautic: &Mautic, id: &str) -> HookDelivery {
    match mautic.hook_attempts(id, ATTEMPTS).await {
        Ok(attempts) => judged(&attempts),
        Err(failure) => HookDelivery::Unseen { reason: failure.message },
    }
}

async fn tried(mautic: &Mautic, id: &str) -> Result<HookDelivery> {
    let before = mautic.hook_attempts(id, 1).await?.first().map_or(0, |attempt| attempt.id);
    let fields = Map::from_iter([("companyname".to_owned(), Value::from(TRIAL))]);
    let company = mautic.create_company(&fields).await?;
    mautic.delete_company(&company.id).await?;
    let mut attempts = mautic.hook_attempts(id, ATTEMPTS).await?;
    attempts.retain(|attempt| attempt.id > before);
    Ok(judged(&attempts))
}

/// How many attempts are looked at: a failure has up to two rows, one with its status and one without.
const ATTEMPTS: u32 = 4;

/// What the attempts say, the newest first. A refusal with a status may be noted once more, without it.
fn judged(attempts: &[Attempt]) -> HookDelivery {
    let Some(newest) = attempts.first() else { return HookDelivery::NothingSent };
    let (reason, cure) = match newest.status.or_else(|| status_in(&newest.note)) {
        Some(200..=299) => return HookDelivery::Arrives,
        Some(status) => of_status(status),
        None => of_note(&newest.note),
    };
    HookDelivery::Fails { reason, cure }
}

/// The status in `https://… returned 500 with payload: …`.
fn status_in(note: &str) -> Option<u16> {
    let (_, after) = note.split_once(" returned ")?;
    after.split_whitespace().next()?.parse().ok()
}

fn of_status(status: u16) -> (String, String) {
    let cure = match status {
        401 | 403 => {
            "give Tandem and the hook the same MAUTIC_WEBHOOK_SECRET, and see that nothing in front of Tandem forbids the call"
        }
        404 => "correct the address: its path ends in /mautic-webhook/mautic",
        300..=399 => "give the address that the redirect leads to",
        410 => "nothing is at this address any more: give the new one",
        413 => "let what is in front of Tandem pass bodies of 10 MB",
        _ => "look into Tandem's log, and see that it runs",
    };
    (format!("The webhook's address answered with status {status}."), cure.to_owned())
}

/// What Mautic notes without an answer: its own refusal, or an error of curl by its number.
fn of_note(note: &str) -> (String, String) {
    let says = |part: &str| note.contains(part);
    let (reason, cure) = if says("private addresses") {
        (
            "Mautic sends nothing to private addresses.",
            "list the exact host of the webhook's address in Mautic's setting `webhook_allowed_private_addresses`",
        )
    } else if says("cURL error 6:") || says("Could not resolve host") {
        (
            "Mautic does not know the host of the webhook's address.",
            "give an address that Mautic's own machine can look up",
        )
    } else if says("cURL error 7:") || says("Failed to connect") {
        (
            "Mautic can't connect to the webhook's address.",
            "see that Tandem runs, and that Mautic's machine may call it",
        )
    } else if says("cURL error 28:") || says("timed out") {
        ("The webhook's address did not answer Mautic in time.", "see that Mautic's machine may call it")
    } else if says("cURL error 60:") || says("SSL certificate") {
        (
            "Mautic does not accept the certificate of the webhook's address.",
            "give it a certificate that Mautic's machine trusts",
        )
    } else {
        (
            "Mautic could not deliver, and its log says no more.",
            "look into Mautic's own log, and see that its machine may call the address",
        )
    };
    (reason.to_owned(), cure.to_owned())
}

fn same_address(one: &str, other: &str) -> bool {
    let bare = |url: &str| url.split('?').next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
    bare(one) == bare(other)
}

fn is_right(hook: &Hook, setup: &HookSetup) -> bool {
    let found = &hook.setup;
    // A PATCH takes no event away (recording `230-hook-patch-triggers` of 7.0.0): what an administrator added stays.
    let tells_right = found.secret == setup.secret && found.triggers.is_superset(&setup.triggers);
    hook.published && hook.oldest_first == Some(true) && leads_here(hook, setup) && tells_right
}

/// A secret in the query is somebody's way around a proxy that takes signatures away: it stays.
fn leads_here(hook: &Hook, setup: &HookSetup) -> bool {
    let found = &hook.setup;
    found.url == setup.url || same_address(&found.url, &setup.url) && !setup.url.contains('?')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(status: Option<u16>, note: &str) -> Attempt {
        Attempt { id: 1, status, note: note.to_owned() }
    }

    fn told(attempts: &[Attempt]) -> (String, String) {
        match judged(attempts) {
            HookDelivery::Fails { reason, cure } => (reason, cure),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_newest_attempt_decides_whether_deliveries_arrive() {
        assert_eq!(judged(&[]), HookDelivery::NothingSent);
        assert_eq!(judged(&[attempt(Some(200), "ok"), attempt(Some(500), "no")]), HookDelivery::Arrives);
        assert!(told(&[attempt(Some(500), "no"), attempt(Some(200), "ok")]).0.contains("500"));
    }

    #[test]
    fn a_refused_private_address_is_told_with_the_setting_that_allows_it() {
        let (_, cure) = told(&[attempt(None, "Access to private addresses is not allowed.")]);
        assert!(cure.contains("webhook_allowed_private_addresses"), "{cure}");
    }

    #[test]
    fn nothing_of_what_was_sent_is_repeated() {
        let note = "https://t.example/hook?secret=x returned 401 with payload: {\"email\":\"a@example.com\"}";
        let (reason, cure) = told(&[attempt(None, note)]);
        assert!(reason.contains("401") && cure.contains("MAUTIC_WEBHOOK_SECRET"), "{reason} {cure}");
        assert!(!format!("{reason}{cure}").contains("example"));
        let (reason, _) = told(&[attempt(None, "cURL error 7: Failed to connect to t.example port 443")]);
        assert!(reason.contains("connect") && !reason.contains("t.example"), "{reason}");
    }
}
