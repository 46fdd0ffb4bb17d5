//! Stages of the contact's life.

use tandem_core::domain::link::RemoteId;
use tandem_core::error::Result;

use super::Mautic;
use super::client::Request;
use super::convert::{contact_number, number};
use super::wire::Stages;

/// More stages than anybody has.
const ALL: u32 = 1000;

impl Mautic {
    /// Moves a contact to a stage (recording `103-stage-contact-add`).
    pub async fn move_to_stage(&self, stage: &str, contact: &RemoteId) -> Result<()> {
        let path = format!("stages/{}/contact/{}/add", number(stage, "stage")?, contact_number(contact)?);
        self.done(Request::post(path)).await
    }

    /// Names and ids.
    pub(super) async fn stage_names(&self) -> Result<Vec<(String, String)>> {
        let answer: Stages = self.client.call(Request::get("stages").with("limit", ALL)).await?;
        Ok(answer.stages.into_values().map(|stage| (stage.name, stage.id.0)).collect())
    }
}
