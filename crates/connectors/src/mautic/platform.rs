//! The port that the business sees.

use async_trait::async_trait;
use serde_json::Value;
use tandem_core::domain::catalog::FieldCatalog;
use tandem_core::domain::identity::Email;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::{ContactWrite, DoNotContact, PlatformInfo, RemoteContact, Written};
use tandem_core::error::Result;
use tandem_core::jobs::message::MembershipList;
use tandem_core::ports::MarketingPlatform;
use tandem_core::ports::bulk::RemoteList;

use super::{Mautic, errors};

#[async_trait]
impl MarketingPlatform for Mautic {
    async fn ready(&self) -> Result<()> {
        self.client.ready().await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Vec<RemoteContact>> {
        self.find_by_emails(std::slice::from_ref(email)).await
    }

    async fn get(&self, id: &RemoteId) -> Result<RemoteContact> {
        self.whole_contact(id).await.map(|whole| whole.contact)
    }

    async fn create(&self, write: &ContactWrite) -> Result<Written> {
        let outcomes = self.batch_create(std::slice::from_ref(write)).await?;
        outcomes.into_iter().next().unwrap_or_else(|| Err(errors::garbled(true)))
    }

    async fn update(&self, id: &RemoteId, write: &ContactWrite) -> Result<RemoteContact> {
        self.patch_contact(id, write).await
    }

    async fn rewrite(&self, id: &RemoteId, write: &ContactWrite, clear: &[String]) -> Result<RemoteContact> {
        self.put_contact(id, write, clear).await
    }

    async fn delete(&self, id: &RemoteId) -> Result<bool> {
        self.delete_contact(id).await
    }

    async fn set_membership(&self, contact: &RemoteId, list: &MembershipList, member: bool) -> Result<()> {
        self.change_membership(contact, list, member).await
    }

    async fn campaigns_of(&self, contact: &RemoteId) -> Result<Vec<String>> {
        self.joined_campaigns(contact).await
    }

    async fn segments_of(&self, contact: &RemoteId) -> Result<Vec<RemoteList>> {
        self.joined_segments(contact).await
    }

    async fn forbid_mail(&self, contact: &RemoteId, entry: &DoNotContact) -> Result<()> {
        self.add_do_not_contact(contact, entry).await
    }

    async fn allow_mail(&self, contact: &RemoteId) -> Result<()> {
        self.remove_do_not_contact(contact).await
    }

    async fn export(&self, contact: &RemoteId) -> Result<Value> {
        self.export_contact(contact).await
    }

    async fn fields(&self) -> Result<FieldCatalog> {
        self.field_catalog().await
    }

    async fn stages(&self) -> Result<Vec<(String, String)>> {
        self.stage_names().await
    }

    async fn ping(&self) -> Result<PlatformInfo> {
        self.introduce().await.map(|(_, info)| info)
    }
}
