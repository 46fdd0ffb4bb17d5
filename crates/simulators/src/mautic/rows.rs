//! What the simulator stores: one type a table.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{auth::Actor, clock, version::MauticVersion};

/// Who made and changed an entity, and when. Mautic writes it at the head of each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Authorship {
    pub(crate) added: Timestamp,
    pub(crate) modified: Option<Timestamp>,
    pub(crate) created_by: Option<String>,
    pub(crate) modified_by: Option<String>,
    /// The users among them; API clients and visitors are none.
    #[serde(default)]
    pub(crate) created_by_id: Option<u64>,
    #[serde(default)]
    pub(crate) modified_by_id: Option<u64>,
    /// Mautic 7.0 sets the time of change once and never moves it again (recordings `216` to `218` of 7.0.0).
    #[serde(default)]
    pub(crate) frozen: bool,
}

impl Authorship {
    pub(crate) fn new(actor: &Actor, now: Timestamp, version: MauticVersion) -> Self {
        let nobody = Self::nobody(now, version);
        let mut created = Self { created_by: Some(actor.name.clone()), created_by_id: actor.id, ..nobody };
        if created.frozen {
            // What was just made counts as changed, too.
            created.touch(actor, now);
        }
        created
    }

    /// What nobody made, such as a contact that a visit made.
    pub(crate) fn nobody(now: Timestamp, version: MauticVersion) -> Self {
        Self {
            added: now,
            modified: None,
            created_by: None,
            modified_by: None,
            created_by_id: None,
            modified_by_id: None,
            frozen: version.is_7(),
        }
    }

    pub(crate) fn touch(&mut self, actor: &Actor, now: Timestamp) {
        self.modified = self.modified.filter(|_| self.frozen).or(Some(now));
        self.modified_by = Some(actor.name.clone());
        self.modified_by_id = actor.id;
    }

    /// The seven keys with which an entity begins.
    pub(crate) fn head(&self, published: bool) -> Map<String, Value> {
        object(json!({
            "isPublished": published,
            "dateAdded": clock::iso(self.added),
            "dateModified": self.modified.map(clock::iso),
            "createdBy": self.created_by_id,
            "createdByUser": self.created_by,
            "modifiedBy": self.modified_by_id,
            "modifiedByUser": self.modified_by,
        }))
    }
}

/// The map of a JSON object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A contact. `values` holds what its fields have in the database; what is null there is absent here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) by: Authorship,
    pub(crate) identified: Option<Timestamp>,
    pub(crate) points: i64,
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) owner: Option<u64>,
    pub(crate) stage: Option<u64>,
    pub(crate) tags: Vec<u64>,
    pub(crate) dnc: Vec<u64>,
    pub(crate) ips: Vec<u64>,
    pub(crate) segments: BTreeMap<u64, Membership>,
    pub(crate) campaigns: BTreeMap<u64, Membership>,
    /// The companies it belongs to; the last one is the primary one.
    pub(crate) companies: Vec<u64>,
    pub(crate) image: Option<String>,
}

impl Contact {
    pub(crate) fn new(by: Authorship) -> Self {
        Self {
            by,
            identified: None,
            points: 0,
            values: BTreeMap::new(),
            owner: None,
            stage: None,
            tags: Vec::new(),
            dnc: Vec::new(),
            ips: Vec::new(),
            segments: BTreeMap::new(),
            campaigns: BTreeMap::new(),
            companies: Vec::new(),
            image: None,
        }
    }

    pub(crate) fn value(&self, alias: &str) -> Option<&str> {
        self.values.get(alias).and_then(Value::as_str)
    }

    pub(crate) fn email(&self) -> Option<&str> {
        self.value("email")
    }

    /// Somebody, not just a visitor.
    pub(crate) fn has_identity(&self) -> bool {
        ["email", "firstname", "lastname", "company"].iter().any(|alias| self.value(alias).is_some())
    }
}

/// A contact's place in a segment or campaign. A removed one leaves its row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) added: Timestamp,
    pub(crate) removed: bool,
    /// How often the contact went in. Mautic counts it for campaigns only; in a segment it stays at one.
    #[serde(default = "first_rotation")]
    pub(crate) rotation: u64,
}

impl Membership {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { added: now, removed: false, rotation: first_rotation() }
    }

    /// Lets the contact enter again: one more rotation, dated now (`Entity/Lead.php` of Mautic's CampaignBundle).
    pub(crate) fn restart(&mut self, now: Timestamp) {
        *self = Self { added: now, removed: false, rotation: self.rotation + 1 };
    }
}

fn first_rotation() -> u64 {
    1
}

/// A field of contacts or companies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) by: Option<Authorship>,
    pub(crate) label: String,
    pub(crate) alias: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) group: String,
    pub(crate) object: String,
    pub(crate) fixed: bool,
    pub(crate) default: Option<String>,
    /// Null where Mautic has an empty array.
    pub(crate) properties: Value,
    /// Where its column stands in the database: lists come in this order.
    pub(crate) column: u64,
    /// Where it stands among the fields; answers about one contact come in this order.
    #[serde(default)]
    pub(crate) order: u64,
    /// How many characters it takes; None where nothing of text is kept.
    #[serde(default)]
    pub(crate) limit: Option<u64>,
    /// Whether no two contacts may have the same value of it.
    #[serde(default)]
    pub(crate) unique: bool,
    /// When and by whom it was changed, where Mautic itself made it.
    #[serde(default)]
    pub(crate) changed: Option<Authorship>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) by: Authorship,
    pub(crate) published: bool,
    pub(crate) name: String,
    pub(crate) public_name: String,
    pub(crate) alias: String,
    pub(crate) description: Option<String>,
    pub(crate) filters: Value,
    pub(crate) global: bool,
    pub(crate) preference_center: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Campaign {
    pub(crate) by: Authorship,
    pub(crate) published: bool,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) allow_restart: bool,
    pub(crate) events: Value,
    pub(crate) segments: Vec<u64>,
    pub(crate) canvas: Value,
    /// How often contacts entered it, those included that were deleted or merged since. Mautic shows no such number.
    #[serde(default)]
    pub(crate) entries: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Company {
    pub(crate) by: Authorship,
    pub(crate) score: i64,
    pub(crate) values: BTreeMap<String, Value>,
}

impl Company {
    pub(crate) fn name(&self) -> &str {
        self.values.get("companyname").and_then(Value::as_str).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stage {
    pub(crate) by: Authorship,
    pub(crate) published: bool,
    pub(crate) name: String,
    pub(crate) weight: i64,
    pub(crate) description: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Email {
    pub(crate) by: Authorship,
    pub(crate) published: bool,
    pub(crate) name: String,
    pub(crate) subject: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) kind: String,
    pub(crate) language: String,
    pub(crate) read: u64,
    pub(crate) sent: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Form {
    pub(crate) by: Authorship,
    pub(crate) published: bool,
    pub(crate) name: String,
    pub(crate) alias: String,
    pub(crate) description: Option<String>,
    pub(crate) kind: String,
    pub(crate) post_action: String,
    pub(crate) fields: Vec<Value>,
    pub(crate) actions: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hook {
    pub(crate) by: Authorship,
    pub(crate) published: bool,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) url: String,
    pub(crate) secret: String,
    pub(crate) order: Option<String>,
    pub(crate) triggers: Vec<String>,
}

/// An event that waits to be sent to the hooks that asked for its type.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct QueuedEvent {
    pub(crate) hook: u64,
    pub(crate) kind: String,
    pub(crate) payload: Value,
    /// The request that caused it, by which it is found again when that request ends.
    pub(crate) call: Option<u64>,
    /// How often it was sent in vain, and from when on it may be sent again.
    #[serde(default)]
    pub(crate) retries: u32,
    #[serde(default)]
    pub(crate) not_before: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WebhookLog {
    pub(crate) hook: u64,
    pub(crate) status: u16,
    pub(crate) note: String,
    pub(crate) runtime: String,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DoNotContact {
    pub(crate) contact: u64,
    pub(crate) reason: i64,
    pub(crate) channel: String,
    pub(crate) channel_id: Option<u64>,
    pub(crate) comments: String,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EmailStat {
    pub(crate) email: u64,
    pub(crate) contact: u64,
    pub(crate) address: String,
    pub(crate) hash: String,
    pub(crate) sent: Timestamp,
    pub(crate) read: Option<Timestamp>,
    pub(crate) opens: u64,
    pub(crate) failed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PageHit {
    pub(crate) contact: u64,
    pub(crate) at: Timestamp,
    pub(crate) url: String,
    pub(crate) title: Option<String>,
    pub(crate) user_agent: String,
    pub(crate) device: String,
    pub(crate) query: Value,
    /// The email whose link was followed, if one was.
    pub(crate) email: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Submission {
    pub(crate) form: u64,
    pub(crate) contact: u64,
    pub(crate) at: Timestamp,
    pub(crate) device: String,
    pub(crate) results: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Redirect {
    pub(crate) url: String,
    pub(crate) key: String,
}

/// Something that the activity of a contact shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Activity {
    pub(crate) contact: u64,
    pub(crate) at: Timestamp,
    pub(crate) event: String,
    pub(crate) kind: String,
    pub(crate) label: Value,
    pub(crate) details: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Audit {
    pub(crate) at: Timestamp,
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) user_id: u64,
    pub(crate) object: String,
    pub(crate) object_id: u64,
    pub(crate) action: String,
    /// As PHP serializes them.
    pub(crate) details: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) token: String,
    pub(crate) expires: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) ip: String,
}

/// A contact that was merged away: its id stands under which the survivor is found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Merged {
    pub(crate) into: u64,
}
