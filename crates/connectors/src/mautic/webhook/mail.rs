//! What people do with emails. Mautic tells of opens (recording `mautic-5.1.0-webhooks/031-mautic.email_on_open`); clicks,
//! opt-outs, bounces and complaints by names of their own are those of older designs and plugins.

use tandem_core::domain::engagement::{EngagementEvent, EngagementKind};
use tandem_core::webhook::entry::{EntryKind, Told};

use super::built::{event, name};
use super::natural::StatName;
use super::part::{Part, Read};
use super::person::Person;
use super::reasons;
use super::sending::Sending;
use super::telling::Telling;

/// The record of the email that was sent stands under this key.
const STAT: &str = "stat";

/// Types that Mautic itself does not have.
#[derive(Clone, Copy)]
pub(super) enum MailEvent {
    Click,
    Unsubscribe,
    Bounce,
    Complaint,
}

/// `email_on_open`: comes with every open, and counts once.
pub(super) fn opened(telling: &Telling<'_>) -> Told {
    let stat = telling.thing(STAT)?;
    let at = telling.when(stat.moment_of(&["dateRead"]), stat.moment_of(&["lastOpened", "dateSent"]));
    let natural_id = stat_name(&stat)?.opened(at);
    of(telling, &stat, event(EngagementKind::Open, natural_id, at))
}

/// Any other event of an email.
pub(super) fn other(telling: &Telling<'_>, what: MailEvent) -> Told {
    let stat = telling.thing(STAT)?;
    let at = telling.when(stat.moment_of(own_dates(what)), stat.moment_of(&["dateRead", "dateSent"]));
    let url = match what {
        MailEvent::Click => url_of(telling, &stat)?,
        MailEvent::Unsubscribe | MailEvent::Bounce | MailEvent::Complaint => None,
    };
    let kind = kind_of(telling, &stat, what)?;
    let natural_id = stat_name(&stat)?.other(name(kind), at, url.as_deref());
    let agent = stat.text("userAgent")?;
    of(telling, &stat, EngagementEvent { url, agent, ..event(kind, natural_id, at) })
}

fn of(telling: &Telling<'_>, stat: &Part<'_>, event: EngagementEvent) -> Told {
    let (sending, person) = (Sending::of(stat)?, Person::of(stat, &telling.root)?);
    let sent_at = stat.moment_of(&["dateSent"]);
    let (kind, at) = (event.kind, event.at);
    let event = EngagementEvent {
        email: sending.email,
        campaign: sending.campaign,
        subject: sending.subject,
        sent_at,
        ..event
    };
    telling.of(person, name(kind), EntryKind::Engagement(event), at)
}

fn stat_name(stat: &Part<'_>) -> Read<StatName> {
    Ok(StatName { hash: stat.text("trackingHash")?, id: stat.id("id")? })
}

const fn own_dates(what: MailEvent) -> &'static [&'static str] {
    match what {
        MailEvent::Click => &["dateClicked", "dateHit"],
        MailEvent::Unsubscribe => &["dateUnsubscribed"],
        MailEvent::Bounce => &["dateBounced"],
        MailEvent::Complaint => &["dateComplained"],
    }
}

fn kind_of(telling: &Telling<'_>, stat: &Part<'_>, what: MailEvent) -> Read<EngagementKind> {
    Ok(match what {
        MailEvent::Click => EngagementKind::Click,
        MailEvent::Unsubscribe => EngagementKind::Unsubscribe,
        MailEvent::Complaint => EngagementKind::Complaint,
        MailEvent::Bounce => bounce_of(stat)?.or(bounce_of(&telling.root)?).unwrap_or(EngagementKind::SoftBounce),
    })
}

/// Whether the address is lost, by whatever says so.
fn bounce_of(part: &Part<'_>) -> Read<Option<EngagementKind>> {
    const SAYS: [&str; 8] = ["bounceType", "bounce_type", "type", "code", "status", "reason", "comments", "message"];
    for key in SAYS {
        if let Some(kind) = part.text(key)?.and_then(|said| reasons::bounce(&said)) {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

/// The link that was followed.
fn url_of(telling: &Telling<'_>, stat: &Part<'_>) -> Read<Option<String>> {
    match stat.text("url")? {
        Some(url) => Ok(Some(url)),
        None => telling.root.text("url"),
    }
}
