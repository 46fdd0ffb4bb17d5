//! Whom jobs and events are about, for people to read.

use tandem_core::automation::stored::StoredEvent;
use tandem_core::domain::identity::{Email, ExternalId, RecordKey};
use tandem_core::domain::link::RemoteId;
use tandem_core::jobs::message::{MembershipRequest, ParkedJob, Task};
use tandem_core::sync::services::Desk;

use crate::failure::CommandError;

/// What a job does.
pub fn kind(task: &Task) -> &'static str {
    match task {
        Task::PushContact { .. } => "push contact",
        Task::SetMembership(_) | Task::RequestMembership(_) => "membership",
        Task::DeleteContact { .. } | Task::DeletePerson { .. } | Task::Erase { .. } => "delete contact",
        Task::TakeDelivery { .. } => "take delivery",
        Task::ApplyDelivery { .. } => "apply delivery",
        Task::CheckGone { .. } => "check contact",
        Task::CheckAllowed { .. } => "check consent",
        Task::TakeNewcomer { .. } => "newcomer",
        Task::WriteBack { .. } => "write back",
        Task::TakeBack { .. } => "take back",
        Task::Sync => "sync",
        Task::LookAfter => "look after",
        Task::SendOutbox => "send",
        Task::ApplyEvent { .. } => "event",
        Task::Identify { .. } => "identify",
    }
}

/// The person whom each job is about, where it is one: an address, the application's id, or the contact's number.
pub async fn people_of(desk: &Desk, jobs: &[ParkedJob]) -> Result<Vec<Option<String>>, CommandError> {
    let mut people = Vec::with_capacity(jobs.len());
    for job in jobs {
        people.push(match &job.job.task {
            Task::PushContact { record } | Task::TakeBack { record, .. } | Task::Identify { record, .. } => {
                person(desk, record).await?
            }
            Task::DeleteContact { contact }
            | Task::CheckGone { contact }
            | Task::CheckAllowed { contact, .. }
            | Task::TakeNewcomer { contact }
            | Task::WriteBack { contact } => Some(person_of_contact(desk, contact).await?),
            Task::SetMembership(change) => Some(person_of_contact(desk, &change.contact).await?),
            Task::RequestMembership(MembershipRequest { whom, .. }) | Task::Erase { whom, .. } => match &whom.contact {
                Some(contact) => Some(person_of_contact(desk, contact).await?),
                None => named(whom.external_id.as_ref(), whom.email.as_ref()),
            },
            Task::DeletePerson { email, .. } => named(None, email.as_ref()),
            Task::ApplyEvent { event } => match desk.stored_event(event).await? {
                Some(event) => person_of_event(desk, &event).await?,
                None => None,
            },
            Task::TakeDelivery { .. } | Task::ApplyDelivery { .. } => None,
            Task::Sync | Task::LookAfter | Task::SendOutbox => None,
        });
    }
    Ok(people)
}

/// The person to whom an event happened.
pub async fn person_of_event(desk: &Desk, event: &StoredEvent) -> Result<Option<String>, CommandError> {
    let told = event
        .payload
        .as_ref()
        .and_then(|payload| named(payload.user.external_id.as_ref(), payload.user.email.as_ref()));
    match (told, &event.subject) {
        (Some(person), _) => Ok(Some(person)),
        (None, Some(record)) => person(desk, record).await,
        (None, None) => Ok(None),
    }
}

async fn person_of_contact(desk: &Desk, contact: &RemoteId) -> Result<String, CommandError> {
    let (contacts, scope) = (&desk.services.contacts, &desk.integration.scope);
    let known = match contacts.by_remote_id(scope, contact).await? {
        Some(record) => person(desk, &record).await?,
        None => None,
    };
    Ok(known.unwrap_or_else(|| format!("contact {}", contact.0)))
}

async fn person(desk: &Desk, record: &RecordKey) -> Result<Option<String>, CommandError> {
    let stored = desk.services.contacts.load(&desk.integration.scope, record).await?;
    Ok(stored.record.and_then(|record| named(record.external_id.as_ref(), record.email.as_ref())))
}

fn named(id: Option<&ExternalId>, email: Option<&Email>) -> Option<String> {
    let email = email.map(|email| email.as_str().to_owned());
    email.or_else(|| id.map(|id| format!("id {}", id.as_str())))
}
