//! What people do with what they are sent, and what follows from all of it. Events are a set: their order of arrival, and
//! how often they arrive, make no difference to what [`standing`] works out.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What a person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngagementKind {
    /// Opened an email; counted once an email.
    Open,
    /// Followed a link of an email.
    Click,
    /// Opted out.
    Unsubscribe,
    /// The address did not take an email, and will not.
    HardBounce,
    /// The address did not take an email this time.
    SoftBounce,
    /// Called an email spam.
    Complaint,
    /// The platform may contact the person again.
    Contactable,
    /// Submitted a form.
    Form,
    /// Looked at a page.
    Page,
}

/// One event of a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngagementEvent {
    /// What the platform calls the thing that happened (`hit:4`, `dnc:7`): the same by whatever way it arrives.
    pub natural_id: String,
    /// What was done.
    pub kind: EngagementKind,
    /// When, by the platform's clock.
    pub at: Timestamp,
    /// The email's number.
    pub email: Option<String>,
    /// The number or name of the campaign that sent it.
    pub campaign: Option<String>,
    /// The email's subject, the form's name, the page's title.
    pub subject: Option<String>,
    /// The page or link.
    pub url: Option<String>,
    /// What the browser called itself.
    pub agent: Option<String>,
    /// When the email was sent, where the event tells it.
    pub sent_at: Option<Timestamp>,
    /// The raw delivery or table row that it came from.
    pub source: String,
}

/// Whether and how mail reaches an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailStatus {
    /// Mail may go there.
    #[default]
    Active,
    /// The person opted out.
    Unsubscribed,
    /// The address takes no mail.
    Bounced,
    /// The person called it spam.
    Complained,
}

/// What follows from all events of a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether mail reaches the person.
    pub email_status: EmailStatus,
    /// How many events there are of each kind; clicks of scanners are not among the clicks.
    pub counts: BTreeMap<EngagementKind, u64>,
    /// Clicks that a mail scanner made.
    pub suspected_clicks: u64,
    /// The newest event.
    pub last_event_at: Option<Timestamp>,
    /// How many events were looked at: of two standings, the one of more events is the newer.
    pub events: u64,
}

/// As many bounces make an address invalid, whatever kind they are of.
const BOUNCES: usize = 3;
/// Links that are followed so soon after the sending, or so close together, were followed by a machine.
const SCANNER_PACE: SignedDuration = SignedDuration::from_secs(5);
/// Several links of one email within [`SCANNER_PACE`]: people follow one at a time.
const SCANNER_LINKS: usize = 3;
/// So many are enough when the email was sent only seconds before.
const SCANNER_LINKS_AT_ONCE: usize = 2;
/// What known scanners call themselves, in lower case.
const SCANNER_AGENTS: &[&str] = &[
    "barracuda",
    "bot",
    "crawler",
    "google-safety",
    "headless",
    "mimecast",
    "outlook-ios-safelinks",
    "proofpoint",
    "scan",
    "spider",
    "urlpreview",
    "wget",
    "curl",
    "python-requests",
    "go-http-client",
    "java/",
];

/// Works out what follows from a contact's events.
#[must_use]
pub fn standing(events: &[EngagementEvent]) -> Standing {
    let mut counts: BTreeMap<EngagementKind, u64> = BTreeMap::new();
    let mut suspected_clicks = 0;
    for event in events {
        if event.kind == EngagementKind::Click && is_suspected(event, events) {
            suspected_clicks += 1;
        } else {
            *counts.entry(event.kind).or_default() += 1;
        }
    }
    Standing {
        email_status: email_status(events),
        counts,
        suspected_clicks,
        last_event_at: events.iter().map(|event| event.at).max(),
        events: u64::try_from(events.len()).unwrap_or(u64::MAX),
    }
}

/// Whether a click was a mail scanner's: by its name, or by its pace.
#[must_use]
pub fn is_suspected(click: &EngagementEvent, events: &[EngagementEvent]) -> bool {
    let agent = click.agent.as_deref().unwrap_or_default().to_lowercase();
    if SCANNER_AGENTS.iter().any(|name| agent.contains(name)) {
        return true;
    }
    let near = events.iter().filter(|other| {
        other.kind == EngagementKind::Click
            && other.email == click.email
            && other.at.duration_since(click.at).abs() <= SCANNER_PACE
    });
    let mut links: Vec<&str> = near.filter_map(|other| other.url.as_deref()).collect();
    links.sort_unstable();
    links.dedup();
    let enough = if follows_the_sending(click, events) { SCANNER_LINKS_AT_ONCE } else { SCANNER_LINKS };
    links.len() >= enough
}

/// Whether the email had just been sent, as far as another event of it tells.
fn follows_the_sending(click: &EngagementEvent, events: &[EngagementEvent]) -> bool {
    let sent = events.iter().filter(|other| other.email == click.email).filter_map(|other| other.sent_at);
    sent.map(|sent| click.at.duration_since(sent)).any(|since| !since.is_negative() && since <= SCANNER_PACE)
}

/// A complaint weighs more than an opt-out, an opt-out more than a bounce. Only a bounce is lifted by the platform.
fn email_status(events: &[EngagementEvent]) -> EmailStatus {
    let latest = |kind| events.iter().filter(|event| event.kind == kind).map(|event| event.at).max();
    if latest(EngagementKind::Complaint).is_some() {
        return EmailStatus::Complained;
    }
    if latest(EngagementKind::Unsubscribe).is_some() {
        return EmailStatus::Unsubscribed;
    }
    let lifted = latest(EngagementKind::Contactable);
    let since = |event: &&EngagementEvent| lifted.is_none_or(|lifted| event.at > lifted);
    let hard = events.iter().filter(|event| event.kind == EngagementKind::HardBounce).filter(since).count();
    let soft = events.iter().filter(|event| event.kind == EngagementKind::SoftBounce).filter(since).count();
    if hard > 0 || soft >= BOUNCES { EmailStatus::Bounced } else { EmailStatus::Active }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EngagementKind, second: i64, url: &str) -> EngagementEvent {
        EngagementEvent {
            natural_id: format!("{kind:?}:{second}:{url}"),
            kind,
            at: Timestamp::from_second(second).unwrap(),
            email: Some("1".to_owned()),
            campaign: None,
            subject: None,
            url: Some(url.to_owned()),
            agent: Some("Mozilla/5.0".to_owned()),
            sent_at: None,
            source: "test".to_owned(),
        }
    }

    #[test]
    fn one_hard_bounce_or_three_soft_ones_make_an_address_invalid() {
        assert_eq!(standing(&[event(EngagementKind::HardBounce, 1, "")]).email_status, EmailStatus::Bounced);
        let soft: Vec<_> = (0..3).map(|second| event(EngagementKind::SoftBounce, second, "")).collect();
        assert_eq!(standing(&soft[..2]).email_status, EmailStatus::Active);
        assert_eq!(standing(&soft).email_status, EmailStatus::Bounced);
    }

    #[test]
    fn the_platform_lifts_a_bounce_but_no_opt_out() {
        let lifted = [event(EngagementKind::HardBounce, 1, ""), event(EngagementKind::Contactable, 2, "")];
        assert_eq!(standing(&lifted).email_status, EmailStatus::Active);
        let kept = [event(EngagementKind::Unsubscribe, 1, ""), event(EngagementKind::Contactable, 2, "")];
        assert_eq!(standing(&kept).email_status, EmailStatus::Unsubscribed);
    }

    #[test]
    fn two_links_within_seconds_of_the_sending_are_a_scanners() {
        let clicks = [event(EngagementKind::Click, 12, "a"), event(EngagementKind::Click, 13, "b")];
        assert_eq!(standing(&clicks).suspected_clicks, 0);
        let sent_at = Some(Timestamp::from_second(10).unwrap());
        let open = EngagementEvent { sent_at, ..event(EngagementKind::Open, 11, "") };
        assert_eq!(standing(&[clicks.to_vec(), vec![open]].concat()).suspected_clicks, 2);
    }

    #[test]
    fn many_links_within_seconds_are_a_scanners_and_no_clicks() {
        let scanned: Vec<_> = ["a", "b", "c"].iter().map(|url| event(EngagementKind::Click, 10, url)).collect();
        let found = standing(&scanned);
        assert_eq!((found.suspected_clicks, found.counts.get(&EngagementKind::Click)), (3, None));
        let read: Vec<_> =
            [(10, "a"), (40, "b"), (90, "c")].iter().map(|(at, url)| event(EngagementKind::Click, *at, url)).collect();
        assert_eq!(standing(&read).counts.get(&EngagementKind::Click), Some(&3));
    }
}
