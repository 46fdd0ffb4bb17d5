//! What Tandem needs of a marketing platform, a contact at a time.

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::catalog::FieldCatalog;
use crate::domain::identity::Email;
use crate::domain::link::RemoteId;
use crate::domain::platform::{ContactWrite, DoNotContact, PlatformInfo, RemoteContact, Written};
use crate::error::Result;
use crate::jobs::message::MembershipList;

use super::bulk::RemoteList;

/// A marketing platform, as far as Tandem needs one. Methods say in their failure whether the effect may have happened.
#[async_trait]
pub trait MarketingPlatform: Send + Sync {
    /// Sees that a write can be sent at once: whatever has to be fetched before the first one (a token) is fetched. No call
    /// when nothing has to be.
    async fn ready(&self) -> Result<()>;
    /// Contacts with this address; more than one when the platform itself made duplicates. One call.
    async fn find_by_email(&self, email: &Email) -> Result<Vec<RemoteContact>>;
    /// One contact; the answer's id differs from `id` when the platform merged the two. One call.
    async fn get(&self, id: &RemoteId) -> Result<RemoteContact>;
    /// Creates and stores zeros, and never writes on a contact that is there: [`crate::error::FailureKind::Taken`] when the
    /// address, or another value that must be unique, exists. One call.
    async fn create(&self, write: &ContactWrite) -> Result<Written>;
    /// Changes the fields given and no other. Zeros are dropped. One call.
    async fn update(&self, id: &RemoteId, write: &ContactWrite) -> Result<RemoteContact>;
    /// Changes the fields given and no other, zeros and clears included, by reading and writing the whole contact. Two calls.
    async fn rewrite(&self, id: &RemoteId, write: &ContactWrite, clear: &[String]) -> Result<RemoteContact>;
    /// Deletes; `Ok(false)` when it was not there. One call.
    async fn delete(&self, id: &RemoteId) -> Result<bool>;
    /// Puts a contact into a list or takes it out. Doing it twice is doing it once, but for a campaign that lets contacts
    /// restart: a member that is added again may enter it again. One call.
    async fn set_membership(&self, contact: &RemoteId, list: &MembershipList, member: bool) -> Result<()>;
    /// Ids of the campaigns in use that the contact is a member of now, in any order; one that is not in use may be missing.
    /// [`crate::error::FailureKind::NotFound`] for a contact that is not there. One call.
    async fn campaigns_of(&self, contact: &RemoteId) -> Result<Vec<String>>;
    /// The segments that a contact is in. [`crate::error::FailureKind::NotFound`] for a contact that is not there. One call.
    async fn segments_of(&self, contact: &RemoteId) -> Result<Vec<RemoteList>>;
    /// Forbids mail. One call.
    async fn forbid_mail(&self, contact: &RemoteId, entry: &DoNotContact) -> Result<()>;
    /// Allows mail again, whatever the reason was that forbade it. One call.
    async fn allow_mail(&self, contact: &RemoteId) -> Result<()>;
    /// All that the platform holds about a contact, for the person to read. Up to four calls.
    async fn export(&self, contact: &RemoteId) -> Result<Value>;
    /// The contact fields that the platform has. One call.
    async fn fields(&self) -> Result<FieldCatalog>;
    /// The stages by name. One call.
    async fn stages(&self) -> Result<Vec<(String, String)>>;
    /// Whether the API is on and the credentials are good. One call.
    async fn ping(&self) -> Result<PlatformInfo>;
}
