//! Finding the contact that a caller names by id, address or the platform's own id.

use crate::domain::identity::{Email, ExternalId, Identity, RecordKey};
use crate::domain::link::RemoteId;
use crate::domain::whom::Whom;
use crate::error::{Failure, FailureKind, Result};
use crate::ports::Stored;

use super::services::Desk;

/// What is known of a contact that a caller named.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The record, when Tandem has one.
    pub record: Option<(RecordKey, Stored)>,
    /// The platform's ids of the contact, the one to use first; others with its address and
    /// aliases of merged contacts after it.
    pub contacts: Vec<RemoteId>,
}

impl Known {
    /// The address of the record.
    #[must_use]
    pub fn email(&self) -> Option<&Email> {
        self.record.as_ref()?.1.record.as_ref()?.email.as_ref()
    }

    /// The identities that point to the record.
    #[must_use]
    pub fn identities(&self) -> Vec<Identity> {
        let record = self.record.as_ref().and_then(|(_, stored)| stored.record.as_ref());
        let external = record.and_then(|record| record.external_id.as_ref()).map(ExternalId::identity);
        let addresses = record.into_iter().flat_map(|record| record.addresses()).map(Email::identity);
        external.into_iter().chain(addresses).collect()
    }
}

impl Desk {
    /// All that is known of the contact named: from the table, and by a look-up on the platform when the table has nothing.
    ///
    /// # Errors
    /// As table and platform fail. A contact that nobody knows is no failure: `contacts` is empty.
    pub async fn know(&self, whom: &Whom) -> Result<Known> {
        let mut known = self.remember(whom).await?;
        if known.contacts.is_empty() {
            let email = whom.email.as_ref().or_else(|| known.email()).cloned();
            known.contacts = self.contacts_of(whom, email.as_ref()).await?;
        }
        Ok(known)
    }

    /// What the table knows of the contact named; the platform is not asked.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn remember(&self, whom: &Whom) -> Result<Known> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let key = match &whom.contact {
            Some(id) => contacts.by_remote_id(scope, id).await?,
            None => self.key_of(whom).await?,
        };
        let mut known = Known::default();
        if let Some(key) = key {
            let stored = contacts.load(scope, &key).await?;
            if let Some(link) = &stored.link {
                known.contacts.extend(link.contacts());
            }
            known.record = Some((key, stored));
        }
        Ok(known)
    }

    /// The platform's id of the contact named.
    ///
    /// # Errors
    /// `NotFound` when nobody has it.
    pub async fn contact_id(&self, whom: &Whom) -> Result<RemoteId> {
        if let Some(id) = &whom.contact {
            return Ok(id.clone());
        }
        self.know(whom).await?.contacts.into_iter().next().ok_or_else(unknown)
    }

    async fn key_of(&self, whom: &Whom) -> Result<Option<RecordKey>> {
        let external = whom.external_id.as_ref().map(ExternalId::identity);
        let email = whom.email.as_ref().map(Email::identity);
        let resolved =
            self.services.contacts.resolve(&self.integration.scope, external.as_ref(), email.as_ref()).await?;
        Ok(resolved.by_external_id.or(resolved.by_email))
    }

    async fn contacts_of(&self, whom: &Whom, email: Option<&Email>) -> Result<Vec<RemoteId>> {
        match (&whom.contact, email) {
            (Some(id), _) => Ok(vec![id.clone()]),
            (None, Some(email)) => {
                let found = self.integration.platform.find_by_email(email).await?;
                Ok(found.into_iter().map(|contact| contact.id).collect())
            }
            (None, None) => Ok(Vec::new()),
        }
    }
}

/// Nobody has the contact that a caller named.
#[must_use]
pub fn unknown() -> Failure {
    Failure::new(FailureKind::NotFound, "no such contact is known")
}
