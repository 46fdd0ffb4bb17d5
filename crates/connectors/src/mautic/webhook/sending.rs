//! The email behind an event.

use serde_json::Value;

use super::part::{Part, Read};

/// The sending of an email, as far as an entry tells it.
#[derive(Default)]
pub(super) struct Sending {
    pub email: Option<String>,
    pub campaign: Option<String>,
    pub subject: Option<String>,
}

impl Sending {
    /// Reads `email` (an object, or its number alone), `campaign`, and `source` with `sourceId`, as hits and records of
    /// sent emails carry them. A source `campaign.event` names an event of a campaign and not the campaign.
    pub fn of(thing: &Part<'_>) -> Read<Self> {
        let mut sending = match thing.value("email") {
            Some(Value::Object(_)) => Self::of_object(thing)?,
            Some(Value::String(text)) if text.contains('@') => Self::default(),
            _ => Self { email: thing.id("email")?.map(|id| id.to_string()), ..Self::default() },
        };
        if let Some(Value::Object(_)) = thing.value("campaign") {
            let campaign = thing.object("campaign")?;
            sending.campaign = campaign.map(|campaign| campaign.text_of(&["name", "id"])).transpose()?.flatten();
        } else {
            sending.campaign = thing.text("campaign")?;
        }
        let source = thing.text("source")?;
        match source.as_deref() {
            Some("email") if sending.email.is_none() => sending.email = thing.text("sourceId")?,
            Some("campaign") if sending.campaign.is_none() => sending.campaign = thing.text("sourceId")?,
            Some(_) | None => {}
        }
        Ok(sending)
    }

    fn of_object(thing: &Part<'_>) -> Read<Self> {
        let Some(email) = thing.object("email")? else { return Ok(Self::default()) };
        let id = email.id("id")?.map(|id| id.to_string());
        Ok(Self { email: id, subject: email.text_of(&["subject", "name"])?, campaign: None })
    }
}
