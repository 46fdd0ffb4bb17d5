//! Users, roles, and the addresses of visitors.

use axum::{Extension, extract::State};
use serde_json::{Value, json};

use super::{answer::Answer, auth::Actor, simulator::MauticSimulator, store::Store};

/// The one user of a fresh installation, as an owner is shown.
pub(crate) fn user_brief(id: u64) -> Option<Value> {
    (id == 1).then(|| json!({"id": 1, "username": "admin", "firstName": "Admin", "lastName": "User"}))
}

/// An address of a visitor.
pub(crate) fn ip_view(store: &Store, id: u64) -> Option<Value> {
    let address = store.addresses.get(id)?;
    Some(json!({
        "ipAddress": address.ip,
        "id": id,
        "ipDetails": {
            "city": "", "region": "", "zipcode": "", "country": "", "latitude": "", "longitude": "", "isp": "",
            "organization": "", "timezone": "", "extra": "",
        },
    }))
}

fn role() -> Value {
    json!({"isPublished": true, "id": 1, "name": "Administrator", "description": "Full system access", "isAdmin": true})
}

/// `GET /api/users/self`: an API client is shown as if its name were one of a person.
pub(crate) async fn whoami(Extension(actor): Extension<Actor>) -> Answer {
    let (first, last) = actor.name.split_once(' ').unwrap_or((&actor.name, ""));
    Answer::ok(json!({
        "isPublished": true,
        "username": actor.name,
        "firstName": first,
        "lastName": last,
        "role": role(),
        "timezone": "",
        "locale": "",
    }))
}

/// `GET /api/roles`.
pub(crate) async fn roles(State(_): State<MauticSimulator>) -> Answer {
    let role = json!({
        "isPublished": true, "dateAdded": null, "dateModified": null, "createdBy": null, "createdByUser": null,
        "modifiedBy": null, "modifiedByUser": null, "id": 1, "name": "Administrator",
        "description": "Full system access", "isAdmin": true, "rawPermissions": null,
    });
    Answer::ok(json!({"total": 1, "roles": [role]}))
}
