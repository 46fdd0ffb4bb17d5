//! Do-not-contact entries of the channel `email`.

use serde_json::json;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::DoNotContact;
use tandem_core::error::Result;

use super::Mautic;
use super::client::Request;
use super::convert::{contact_number, reason_number};
use super::wire::AnyContact;

impl Mautic {
    /// Adds an entry (recording `051-dnc-add`).
    pub(super) async fn add_do_not_contact(&self, contact: &RemoteId, entry: &DoNotContact) -> Result<()> {
        let body = json!({"reason": reason_number(entry.reason), "comments": entry.comments});
        let path = format!("contacts/{}/dnc/email/add", contact_number(contact)?);
        self.client.call::<AnyContact>(Request::post(path).carrying(&body)?).await.map(drop)
    }

    /// Removes the entry, whatever its reason, the person's own unsubscription included (recording `121-wh-dnc-remove`).
    pub(super) async fn remove_do_not_contact(&self, contact: &RemoteId) -> Result<()> {
        let path = format!("contacts/{}/dnc/email/remove", contact_number(contact)?);
        self.client.call::<AnyContact>(Request::post(path)).await.map(drop)
    }
}
