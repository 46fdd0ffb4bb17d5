//! Campaigns and segments that a contact is in. Adding twice and removing what is not in are both answered with success
//! (recordings `079-segment-contact-add-again`, `085-segment-contact-remove-not-member`).

use tandem_core::domain::link::RemoteId;
use tandem_core::error::Result;
use tandem_core::jobs::message::MembershipList;

use super::Mautic;
use super::client::Request;
use super::convert::{contact_number, number};

impl Mautic {
    /// Puts a contact into a list or takes it out (recordings `078-segment-contact-add`, `098-campaign-contact-remove`).
    pub(super) async fn change_membership(
        &self,
        contact: &RemoteId,
        list: &MembershipList,
        member: bool,
    ) -> Result<()> {
        let (lists, id) = match list {
            MembershipList::Campaign(id) => ("campaigns", number(id, "campaign")?),
            MembershipList::Segment(id) => ("segments", number(id, "segment")?),
        };
        let verb = if member { "add" } else { "remove" };
        let path = format!("{lists}/{id}/contact/{}/{verb}", contact_number(contact)?);
        self.done(Request::post(path)).await
    }
}
