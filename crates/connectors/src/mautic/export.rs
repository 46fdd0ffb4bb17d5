//! All that Mautic holds about a contact, for the person to read.

use futures::try_join;
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_core::domain::link::RemoteId;
use tandem_core::error::Result;

use super::client::Request;
use super::convert::contact_number;
use super::wire::Loosely;
use super::{Mautic, errors};

/// How many entries of a contact's history are read; `activity.total` tells when there are more.
const HISTORY: u32 = 1000;

impl Mautic {
    /// The contact, its segments, its campaigns and its history, as Mautic answers them, the description of the fields left
    /// out. Four calls; a merged contact is exported under the id that survived.
    pub(super) async fn export_contact(&self, id: &RemoteId) -> Result<Value> {
        let path = format!("contacts/{}", contact_number(id)?);
        let contact = self.part(Request::get(path), "contact").await?;
        let survivor = survivor(&contact).ok_or_else(|| errors::garbled(false))?;
        let of_contact = |what: &str| Request::get(format!("contacts/{survivor}/{what}"));
        let (segments, campaigns, activity) = try_join!(
            self.part(of_contact("segments"), "lists"),
            self.part(of_contact("campaigns"), "campaigns"),
            self.client.call::<Value>(of_contact("activity").with("limit", HISTORY)),
        )?;
        let activity = json!({"events": activity.get("events"), "total": activity.get("total")});
        let contact = with_plain_fields(contact);
        Ok(json!({"contact": contact, "segments": segments, "campaigns": campaigns, "activity": activity}))
    }

    async fn part(&self, request: Request, name: &str) -> Result<Value> {
        let mut answer: Value = self.client.call(request).await?;
        answer.get_mut(name).map(Value::take).ok_or_else(|| errors::garbled(false))
    }
}

fn survivor(contact: &Value) -> Option<u64> {
    Loosely::deserialize(contact.get("id")?).ok()?.0
}

/// The values alone in place of 5 KB about each field's label, group and type.
fn with_plain_fields(mut contact: Value) -> Value {
    if let Some(all) = contact.pointer_mut("/fields/all").map(Value::take) {
        contact["fields"] = all;
    }
    contact
}
