//! `webhooks`: every recorded delivery is proved and has its effect; one byte changed, and it is refused.

use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::engagement::{EmailStatus, EngagementKind, Standing};
use tandem_core::domain::identity::Email;
use tandem_core::domain::link::RemoteId;
use tandem_core::webhook::proof::{Secrets, Unverified};

use super::{Proof, Size};
use crate::deliveries::{self, Delivery};
use crate::system::{Options, System, WEBHOOK_SECRET};

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let recorded = deliveries::recorded();
    let refused = flip_every_byte(&recorded, size)?;
    let system = System::with(Options::default().without_worker()).await;
    let mut entries = 0;
    for delivery in &recorded {
        let answer = system.deliver(delivery).await?;
        if answer.status != 200 || answer.data()["eventsFailed"] != 0 {
            return Err(format!("{}: {} {}", delivery.name, answer.status, answer.body));
        }
        entries += answer.data()["eventsProcessed"].as_u64().unwrap_or(0);
    }
    check_effects(&system).await?;
    let before = effects(&system).await?;
    for delivery in &recorded {
        system.deliver(delivery).await?;
    }
    if effects(&system).await? != before {
        return Err("delivering everything again changed something".to_owned());
    }
    Ok(format!(
        "{} deliveries with {entries} entries proved and applied, and once more without effect; {refused} changed ones refused",
        recorded.len()
    ))
}

/// Changes each byte of each body and signature in turn; gives how many were refused.
fn flip_every_byte(recorded: &[Delivery], size: Size) -> Result<usize, String> {
    let secrets = Secrets::new([WEBHOOK_SECRET.to_owned()]);
    let step = size.pick(97, 1);
    let mut refused = 0;
    for delivery in recorded {
        if !is_proved(&delivery.body, &delivery.signature, &secrets) {
            return Err(format!("{} is not proved as it is", delivery.name));
        }
        for place in (0..delivery.body.len()).step_by(step) {
            let mut body = delivery.body.clone();
            body[place] ^= 1;
            if is_proved(&body, &delivery.signature, &secrets) {
                return Err(format!("{} with byte {place} changed is proved", delivery.name));
            }
            refused += 1;
        }
        refused += flip_signature(delivery, &secrets)?;
    }
    Ok(refused)
}

fn flip_signature(delivery: &Delivery, secrets: &Secrets) -> Result<usize, String> {
    for place in 0..delivery.signature.len() {
        let mut signature = delivery.signature.clone().into_bytes();
        signature[place] = if signature[place] == b'A' { b'B' } else { b'A' };
        let signature = String::from_utf8(signature).map_err(|_| "no text")?;
        if is_proved(&delivery.body, &signature, secrets) {
            return Err(format!("{} with character {place} of the signature changed is proved", delivery.name));
        }
    }
    Ok(delivery.signature.len())
}

fn is_proved(body: &[u8], signature: &str, secrets: &Secrets) -> bool {
    Unverified { body: body.to_vec(), signature: Some(signature.to_owned()), secret: None }.verify(secrets).is_ok()
}

/// What the recorded people did, contact by contact.
async fn check_effects(system: &System) -> Result<(), String> {
    use EngagementKind::{Contactable, Form, Open, Page, Unsubscribe};
    // Contact 16 opted out, was made contactable, was forbidden mail by hand, and was made contactable in the same second.
    let expected = [
        ("16", EmailStatus::Unsubscribed, vec![(Unsubscribe, 2), (Contactable, 1)]),
        ("17", EmailStatus::Active, vec![(Page, 1)]),
        ("18", EmailStatus::Active, vec![(Form, 1)]),
        ("19", EmailStatus::Active, vec![(Open, 1)]),
        ("361", EmailStatus::Active, vec![(Page, 2), (Form, 1)]),
    ];
    for (contact, status, counts) in expected {
        let standing = standing(system, contact).await?;
        if (standing.email_status, &standing.counts) != (status, &counts.into_iter().collect()) {
            return Err(format!("contact {contact} is {:?} with {:?}", standing.email_status, standing.counts));
        }
    }
    let consent = system.consent("hook@example.com").await?;
    match consent {
        Some(ConsentStatus::OptedOut) => Ok(()),
        other => Err(format!("the recorded opt-out left {other:?}")),
    }
}

async fn standing(system: &System, contact: &str) -> Result<Standing, String> {
    let desk = system.desk();
    let found = desk.services.events.standing(&desk.integration.scope, &RemoteId(contact.to_owned())).await;
    Ok(found.map_err(|failure| failure.to_string())?.unwrap_or_default())
}

/// All that can be compared of the effects.
async fn effects(system: &System) -> Result<Vec<Standing>, String> {
    let mut all = Vec::new();
    for contact in ["16", "17", "18", "19", "20", "21", "360", "361", "362", "363", "364"] {
        all.push(standing(system, contact).await?);
    }
    Ok(all)
}

impl System {
    /// What stands in the consent ledger of an address.
    ///
    /// # Errors
    /// What went wrong, as a sentence.
    pub async fn consent(&self, address: &str) -> Result<Option<ConsentStatus>, String> {
        let email: Email = address.parse().map_err(|_| "no address")?;
        let desk = self.desk();
        let resolved = desk.services.contacts.resolve(&desk.integration.scope, None, Some(&email.identity())).await;
        Ok(resolved.map_err(|failure| failure.to_string())?.consent.standing().map(|entry| entry.status))
    }
}
