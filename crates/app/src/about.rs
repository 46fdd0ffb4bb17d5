//! Whom jobs and events are about, for people to read.

use tandem_core::automation::stored::StoredEvent;
use tandem_core::domain::identity::{Email, ExternalId, RecordKey};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::jobs::message::{MembershipRequest, ParkedJob, Task};
use tandem_core::sync::services::Services;

/// The person whom a job is about, where it is one: an address, the application's id, or the contact's number. At most two reads.
///
/// # Errors
/// As the table fails.
pub async fn person_of_job(services: &Services, job: &ParkedJob) -> Result<Option<String>> {
    let scope = &job.job.scope;
    match &job.job.task {
        Task::PushContact { record }
        | Task::TakeBack { record, .. }
        | Task::BringLists { record }
        | Task::Identify { record, .. } => person(services, scope, record).await,
        Task::DeleteContact { contact }
        | Task::CheckGone { contact }
        | Task::CheckAllowed { contact, .. }
        | Task::TakeNewcomer { contact }
        | Task::WriteBack { contact } => person_of_contact(services, scope, contact).await.map(Some),
        Task::SetMembership(change) => person_of_contact(services, scope, &change.contact).await.map(Some),
        Task::RequestMembership(MembershipRequest { whom, .. }) | Task::Erase { whom, .. } => match &whom.contact {
            Some(contact) => person_of_contact(services, scope, contact).await.map(Some),
            None => Ok(named(whom.external_id.as_ref(), whom.email.as_ref())),
        },
        Task::DeletePerson { email, .. } => Ok(named(None, email.as_ref())),
        Task::ApplyEvent { event } => match services.lifecycle.event(scope, event).await? {
            Some(event) => person_of_event(services, scope, &event).await,
            None => Ok(None),
        },
        Task::TakeDelivery { .. } | Task::ApplyDelivery { .. } => Ok(None),
        Task::Sync | Task::StartRun(_) | Task::LookAfter | Task::SendOutbox => Ok(None),
    }
}

/// The person to whom an event happened. At most one read.
///
/// # Errors
/// As the table fails.
pub async fn person_of_event(services: &Services, scope: &Scope, event: &StoredEvent) -> Result<Option<String>> {
    let told = event
        .payload
        .as_ref()
        .and_then(|payload| named(payload.user.external_id.as_ref(), payload.user.email.as_ref()));
    match (told, &event.subject) {
        (Some(person), _) => Ok(Some(person)),
        (None, Some(record)) => person(services, scope, record).await,
        (None, None) => Ok(None),
    }
}

async fn person_of_contact(services: &Services, scope: &Scope, contact: &RemoteId) -> Result<String> {
    let known = match services.contacts.by_remote_id(scope, contact).await? {
        Some(record) => person(services, scope, &record).await?,
        None => None,
    };
    Ok(known.unwrap_or_else(|| format!("contact {}", contact.0)))
}

async fn person(services: &Services, scope: &Scope, record: &RecordKey) -> Result<Option<String>> {
    let stored = services.contacts.load(scope, record).await?;
    Ok(stored.record.and_then(|record| named(record.external_id.as_ref(), record.email.as_ref())))
}

fn named(id: Option<&ExternalId>, email: Option<&Email>) -> Option<String> {
    let email = email.map(|email| email.as_str().to_owned());
    email.or_else(|| id.map(|id| format!("id {}", id.as_str())))
}
