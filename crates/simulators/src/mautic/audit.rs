//! The trails that writes leave: the audit log, and the activity of a contact.

use serde_json::{Map, Value, json};

use super::{
    clock,
    rows::{Activity, Audit},
    store::Store,
};

impl Store {
    /// Notes a change in the audit log.
    pub(crate) fn audit(&mut self, user: &str, object: &str, id: u64, action: &str, changes: &Map<String, Value>) {
        let mut details = changes.clone();
        details.insert("fields".into(), Value::Object(changes.clone()));
        let row = Audit {
            at: self.now(),
            user: user.to_owned(),
            object: object.to_owned(),
            object_id: id,
            action: action.to_owned(),
            details: Value::Object(details),
        };
        self.audits.add(row);
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
