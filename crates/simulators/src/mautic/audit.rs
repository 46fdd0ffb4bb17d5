//! The trails that writes leave: the audit log, and the activity of a contact.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{
    auth::Actor,
    clock, php,
    rows::{Activity, Audit},
    store::Store,
};

/// The details of a row of the audit log, as PHP serializes them: each value by its key.
#[derive(Debug, Default)]
pub(crate) struct Details(Vec<(String, String)>);

impl Details {
    /// What a saved entity has: each changed field with its old and new value, and behind the first one all of them again
    /// as `fields` (recordings `153`, `225` and `219` of 7.0.0).
    pub(crate) fn changed(changes: &Map<String, Value>) -> Self {
        let mut details = Self::default();
        for (place, (field, change)) in changes.iter().enumerate() {
            details.add(field, change);
            if place == 0 {
                details.add("fields", &Value::Object(changes.clone()));
            }
        }
        details
    }

    pub(crate) fn add(&mut self, key: &str, value: &Value) {
        self.0.push((key.to_owned(), php::serialize(value)));
    }

    /// When a contact stopped being a stranger.
    pub(crate) fn add_identified(&mut self, at: Timestamp) {
        let date = at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string();
        let date = format!("s:4:\"date\";{}", php::serialize(&json!(date)));
        let zone = "s:13:\"timezone_type\";i:3;s:8:\"timezone\";s:3:\"UTC\";";
        let object = format!("O:8:\"DateTime\":3:{{{date}{zone}}}");
        self.0.push(("dateIdentified".into(), format!("a:2:{{i:0;s:0:\"\";i:1;{object}}}")));
    }

    /// By whom and on which way, where the API was used.
    pub(crate) fn add_manipulator(&mut self, actor: &Actor) {
        if let Some(key) = actor.way {
            self.add("manipulated_by", &json!(actor.name));
            self.add("manipulator_key", &json!(key));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn text(&self) -> String {
        let pairs = self.0.iter().map(|(key, value)| format!("{}{value}", php::serialize(&json!(key))));
        format!("a:{}:{{{}}}", self.0.len(), pairs.collect::<String>())
    }
}

impl Store {
    /// Notes something in the audit log.
    pub(crate) fn audit(&mut self, actor: &Actor, object: &str, id: u64, action: &str, details: &Details) {
        let row = Audit {
            at: self.now(),
            user: actor.audited().to_owned(),
            user_id: actor.id.unwrap_or_default(),
            object: object.to_owned(),
            object_id: id,
            action: action.to_owned(),
            details: details.text(),
        };
        self.audits.add(row);
    }

    /// Notes a save of a contact; one that changed nothing leaves no row.
    pub(crate) fn audit_save(&mut self, actor: &Actor, id: u64, created: bool, mut details: Details) {
        if details.is_empty() {
            return;
        }
        let identified = details.0.iter().any(|(key, _)| key == "dateIdentified");
        details.add_manipulator(actor);
        self.audit(actor, "lead", id, if created { "create" } else { "update" }, &details);
        if identified {
            self.audit(actor, "lead", id, "identified", &Details::default());
        }
    }

    /// Notes something in the activity of a contact.
    pub(crate) fn note(&mut self, contact: u64, event: &str, kind: &str, label: Value, details: Value) {
        let at = self.now();
        self.activities.add(Activity { contact, at, event: event.to_owned(), kind: kind.to_owned(), label, details });
    }

    /// Notes that points were given or taken.
    pub(crate) fn note_points(&mut self, contact: u64, name: &str, action: &str, delta: i64) {
        let id = self.activities.next_id();
        let details = json!({"log": {
            "eventName": name,
            "actionName": action,
            "dateAdded": clock::iso(self.now()),
            "type": action,
            "delta": delta.to_string(),
            "id": id.to_string(),
            "lead_id": contact.to_string(),
        }});
        self.note(contact, "point.gained", "Point gained", json!(format!("{name} / {}", delta.abs())), details);
    }
}
