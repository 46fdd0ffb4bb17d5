//! What is known of a person, in the columns of the shop's own tables: consent, bounces, the state of a lead's address.
//!
//! The filters make each write one that may come twice and late: it changes only rows that say less than it does.

use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::engagement::{EmailStatus, EngagementEvent, EngagementKind, standing};
use tandem_core::domain::identity::Email;
use tandem_core::error::Result;
use tandem_core::ports::Feedback;
use uuid::Uuid;

use super::Supabase;
use super::client::Request;

const PROFILES: &str = "customer_profiles";
const EMAILS: &str = "customer_emails";
const LEADS: &str = "leads";

impl Supabase {
    /// An opt-out is always written. An opt-in is when the person made it, and only into a profile that was not changed
    /// since: that change may have been an opt-out that Tandem has not read yet.
    pub(super) async fn write_consent(&self, customer: Uuid, feedback: &Feedback) -> Result<()> {
        let profile = Request::patch(PROFILES).with("id", format!("eq.{customer}"));
        let request = match (feedback.marketing_opt_in, opted_in_at(feedback)) {
            (Some(false), _) => profile.with("marketing_opt_in", "not.is.false"),
            (Some(true), Some(at)) => {
                profile.with("marketing_opt_in", "not.is.true").with("updated_at", format!("lte.{at}"))
            }
            (Some(true), None) | (None, _) => return Ok(()),
        };
        self.change(PROFILES, request, &json!({"marketing_opt_in": feedback.marketing_opt_in})).await
    }

    /// The number of bounces never falls, so a greater one is the newer.
    pub(super) async fn write_bounces(
        &self,
        customer: Uuid,
        email: &Email,
        feedback: &Feedback,
        events: &[EngagementEvent],
    ) -> Result<()> {
        let bounces = bounces(feedback);
        if bounces == 0 {
            return Ok(());
        }
        let invalid = is_invalid(events);
        let less = format!(
            "(bounce_count.is.null,bounce_count.lt.{bounces},and(bounce_count.eq.{bounces},is_invalid.not.is.{invalid}))"
        );
        let request = Request::patch(EMAILS)
            .with("customer_id", format!("eq.{customer}"))
            .with("email", is_address(email))
            .with("or", less);
        self.change(EMAILS, request, &json!({"bounce_count": bounces, "is_invalid": invalid})).await
    }

    /// A complaint weighs more than an opt-out, an opt-out more than a bounce; only a bounce is lifted, and by the platform.
    pub(super) async fn write_lead(&self, email: &Email, feedback: &Feedback) -> Result<()> {
        let (status, yields) = match feedback.standing.email_status {
            EmailStatus::Complained => ("complained", "email_status.neq.complained"),
            EmailStatus::Unsubscribed => ("unsubscribed", "email_status.not.in.(complained,unsubscribed)"),
            EmailStatus::Bounced => ("bounced", "email_status.not.in.(complained,unsubscribed,bounced)"),
            EmailStatus::Active if count(feedback, EngagementKind::Contactable) > 0 => {
                ("active", "email_status.eq.bounced")
            }
            // Another sender may have found that the address bounces.
            EmailStatus::Active => ("active", "email_status.is.null"),
        };
        let request = Request::patch(LEADS)
            .with("email", is_address(email))
            .with("or", format!("(email_status.is.null,{yields})"));
        self.change(LEADS, request, &json!({"email_status": status})).await
    }

    /// A value that a shop's column does not take (an enumeration without it, say) holds back nothing else.
    async fn change(&self, table: &'static str, request: Request, values: &Value) -> Result<()> {
        match self.if_there(table, self.client.write(request.carrying(values)?)).await {
            Err(rejected) if rejected.is_about_a_row() => {
                tracing::warn!(table, code = rejected.code(), "Supabase refused a change: it is left out");
                Ok(())
            }
            changed => Ok(changed.map(drop)?),
        }
    }
}

/// When the person opted in, if that is what stands. What the application said itself it knows.
fn opted_in_at(feedback: &Feedback) -> Option<Timestamp> {
    let entry = feedback.consent.as_ref()?;
    let by_person = entry.status == ConsentStatus::OptedIn && entry.source.may_undo();
    by_person.then_some(entry.at)
}

fn bounces(feedback: &Feedback) -> u64 {
    count(feedback, EngagementKind::HardBounce).saturating_add(count(feedback, EngagementKind::SoftBounce))
}

fn count(feedback: &Feedback, kind: EngagementKind) -> u64 {
    feedback.standing.counts.get(&kind).copied().unwrap_or_default()
}

/// Whether the address takes no mail, whatever the person said: a standing shows an opt-out before a bounce.
fn is_invalid(events: &[EngagementEvent]) -> bool {
    use EngagementKind::{Contactable, HardBounce, SoftBounce};
    let about_address = events.iter().filter(|event| matches!(event.kind, HardBounce | SoftBounce | Contactable));
    standing(&about_address.cloned().collect::<Vec<_>>()).email_status == EmailStatus::Bounced
}

/// The condition that a text is the address, in whatever letter case and between blanks. `ilike` would take an address's
/// `*` for anything, and has no way to say that it is one.
fn is_address(email: &Email) -> String {
    let escaped: String = email
        .as_str()
        .chars()
        .flat_map(|char| (!char.is_ascii_alphanumeric()).then_some('\\').into_iter().chain([char]))
        .collect();
    format!(r"imatch.^\s*{escaped}\s*$")
}
