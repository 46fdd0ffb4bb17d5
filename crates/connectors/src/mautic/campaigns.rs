//! Campaigns.

use tandem_core::error::Result;

use super::Mautic;
use super::client::Request;
use super::wire::Campaigns;

/// More campaigns than anybody has.
const ALL: u32 = 10_000;

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub published: bool,
}

impl Mautic {
    /// All campaigns (recording `090-campaigns-list`).
    pub async fn campaigns(&self) -> Result<Vec<Campaign>> {
        let answer: Campaigns = self.client.call(Request::get("campaigns").with("limit", ALL)).await?;
        let campaigns = answer.campaigns.into_values().map(|named| Campaign {
            id: named.id.0,
            name: named.name,
            published: named.is_published.is_truthy(),
        });
        Ok(campaigns.collect())
    }
}
