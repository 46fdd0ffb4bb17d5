//! Campaigns and segments that a contact is in. Adding twice and removing what is not in are both answered with success
//! (recordings `079-segment-contact-add-again`, `092-campaign-contact-add-again`, `085-segment-contact-remove-not-member`).
//! In a campaign whose contacts may restart, a member that is added again begins anew; anywhere, one that was taken out by
//! hand does (`Membership/Action/Adder.php` of Mautic's CampaignBundle).

use tandem_core::domain::link::RemoteId;
use tandem_core::error::Result;
use tandem_core::jobs::message::MembershipList;
use tandem_core::ports::bulk::RemoteList;

use super::Mautic;
use super::client::Request;
use super::convert::{contact_number, decoded, number};
use super::wire::{JoinedCampaigns, JoinedSegment, JoinedSegments};

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

    /// The segments that the contact is in (recording `083-contact-segments`); none that it was taken out of by hand.
    pub(super) async fn joined_segments(&self, contact: &RemoteId) -> Result<Vec<RemoteList>> {
        let path = format!("contacts/{}/segments", contact_number(contact)?);
        let answer: JoinedSegments = self.client.call(Request::get(path)).await?;
        let joined = answer.lists.into_values().filter(|joined| !joined.manually_removed.is_truthy());
        let list = |joined: JoinedSegment| RemoteList {
            id: joined.id.0,
            name: decoded(&joined.name),
            alias: joined.alias,
            published: true,
        };
        Ok(joined.map(list).collect())
    }

    /// Ids of the campaigns that the contact is in (recording `097-contact-campaigns`). Mautic lists published ones only, of
    /// other people's only with the permission to see them, and none that the contact was taken out of
    /// (`Entity/CampaignRepository.php`, `getPublishedCampaigns`); should it list one of the latter, the flag tells.
    pub(super) async fn joined_campaigns(&self, contact: &RemoteId) -> Result<Vec<String>> {
        let path = format!("contacts/{}/campaigns", contact_number(contact)?);
        let answer: JoinedCampaigns = self.client.call(Request::get(path)).await?;
        let joined = answer.campaigns.into_values().filter(|joined| !joined.manually_removed.is_truthy());
        Ok(joined.map(|joined| joined.id.0).collect())
    }
}
