//! What people do on pages: hits and forms.

use tandem_core::domain::engagement::{EngagementEvent, EngagementKind};
use tandem_core::webhook::entry::{EntryKind, Told};

use super::built::{event, name};
use super::natural;
use super::person::Person;
use super::sending::Sending;
use super::telling::Telling;

/// `page_on_hit`: a page (recording `mautic-5.1.0-webhooks/022-mautic.page_on_hit`), or a link of an email, which is told
/// by its `source` and its `email`. There is no other telling of a click.
pub(super) fn hit(telling: &Telling<'_>) -> Told {
    let hit = telling.thing("hit")?;
    let at = telling.when(hit.moment_of(&["dateHit"]), None);
    let (sending, url) = (Sending::of(&hit)?, hit.text("url")?);
    let natural_id = natural::hit(hit.id("id")?, at, url.as_deref());
    let kind = visit(hit.text("source")?.as_deref(), sending.email.is_some());
    let event = EngagementEvent {
        email: sending.email,
        campaign: sending.campaign,
        subject: sending.subject.or(hit.text("urlTitle")?),
        url,
        agent: hit.text("userAgent")?,
        ..event(kind, natural_id, at)
    };
    telling.of(Person::of(&hit, &telling.root)?, name(kind), EntryKind::Engagement(event), at)
}

/// A hit that came from an email is a click.
pub(in crate::mautic) fn visit(source: Option<&str>, has_email: bool) -> EngagementKind {
    if source == Some("email") || has_email { EngagementKind::Click } else { EngagementKind::Page }
}

/// `form_on_submit` (recording `mautic-5.1.0-webhooks/024-mautic.form_on_submit`). The address among the results is not
/// read: a form may ask for somebody else's.
pub(super) fn submitted(telling: &Telling<'_>) -> Told {
    let submission = telling.thing("submission")?;
    let at = telling.when(submission.moment_of(&["dateSubmitted"]), None);
    let natural_id = natural::form(submission.id("id")?, at);
    let form = submission.object("form")?;
    let event = EngagementEvent {
        subject: form.map(|form| form.text_of(&["name", "alias"])).transpose()?.flatten(),
        url: submission.text("referer")?,
        ..event(EngagementKind::Form, natural_id, at)
    };
    telling.of(Person::of(&submission, &telling.root)?, "form", EntryKind::Engagement(event), at)
}
