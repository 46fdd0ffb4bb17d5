//! Which method makes a recorded call.

use serde_json::Value;
use tandem_connectors::mautic::{HookSetup, Mautic, Replacement, WholeContact};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::{ContactWrite, DoNotContact, DoNotContactReason};
use tandem_core::jobs::message::MembershipList;
use tandem_core::mapping::rules::NewField;
use tandem_core::ports::MarketingPlatform;

use super::recording::Recording;
use super::shown::{contact, contacts, done, line, outcomes, written};
use crate::support::mautic;
use crate::support::ports::World;

/// Makes the recorded call by the method for it, and shows what came of it.
pub async fn outcome(recording: &Recording, url: &str) -> String {
    let client = mautic(url, &World::default().ports());
    let parts: Vec<&str> = recording.path().trim_start_matches("/api/").split('/').collect();
    match (recording.method.as_str(), parts.as_slice()) {
        (_, ["", "oauth", ..]) => line(client.ping().await, |_| "token".to_owned()),
        ("GET", ["contacts"]) => look_up(&client, recording).await,
        (_, ["contacts", "batch", verb]) => batch(&client, recording, verb).await,
        ("POST", ["contacts", "new"]) => line(client.upsert(&write(&recording.sent)).await, |one| written(&one)),
        ("GET", ["contacts", id]) => line(client.get(&id_of(id)).await, |one| contact(&one)),
        ("PATCH", ["contacts", id, "edit"]) => {
            line(client.update(&id_of(id), &write(&recording.sent)).await, |one| contact(&one))
        }
        ("PUT", ["contacts", id, "edit"]) => {
            line(client.rewrite(&id_of(id), &write(&recording.sent), &[]).await, |one| contact(&one))
        }
        ("DELETE", ["contacts", id, "delete"]) => {
            line(client.delete(&id_of(id)).await, |gone| format!("was there: {gone}"))
        }
        ("POST", ["contacts", id, "dnc", "email", "add"]) => {
            done(client.forbid_mail(&id_of(id), &entry(&recording.sent)).await)
        }
        ("POST", ["contacts", id, "dnc", "email", "remove"]) => done(client.allow_mail(&id_of(id)).await),
        ("POST", ["contacts", id, "points", "plus", points]) => {
            done(client.add_points(&id_of(id), points.parse().unwrap()).await)
        }
        ("GET", ["contacts", id, "segments"]) => export(&client, id).await,
        ("GET", ["contacts", id, "campaigns"]) => {
            let joined = line(client.campaigns_of(&id_of(id)).await, |ids| format!("{ids:?}"));
            format!("in {joined}; {}", export(&client, id).await)
        }
        ("GET", ["contacts", id, "activity"]) => line(client.history(&id_of(id), 1).await, |history| {
            let kinds: Vec<&str> = history.events.iter().map(|event| event.kind.as_str()).collect();
            format!("{} of {}: {}", history.events.len(), history.total, kinds.join(" "))
        }),
        (_, ["segments" | "campaigns", _, "contact", _, verb]) => membership(&client, recording, parts[0], verb).await,
        (_, parts) => besides_contacts(&client, recording, parts).await,
    }
}

async fn besides_contacts(client: &Mautic, recording: &Recording, parts: &[&str]) -> String {
    match (recording.method.as_str(), parts) {
        ("GET", ["tags"]) => line(client.tags().await, |tags| tags.join(" ")),
        ("GET", ["fields", "contact"]) => line(client.contact_fields().await, |fields| {
            fields.iter().map(|one| format!("{}:{:?}", one.alias, one.field.kind)).collect::<Vec<_>>().join(" ")
        }),
        ("POST", ["fields", "contact", "new"]) => create_field(client, recording).await,
        ("GET", ["segments"]) => line(client.segments().await, |all| {
            let mut names: Vec<String> = all.iter().map(|one| format!("{}:{}", one.id, one.alias)).collect();
            names.sort_unstable();
            names.join(" ")
        }),
        ("POST", ["segments", "new"]) => {
            let name = recording.sent["name"].as_str().unwrap();
            line(client.create_segment(name).await, |one| format!("{}:{}", one.id, one.alias))
        }
        ("GET", ["campaigns"]) => line(client.campaigns().await, |all| {
            all.iter().map(|one| format!("{}:{}:{}", one.id, one.name, one.published)).collect::<Vec<_>>().join(" ")
        }),
        ("POST", ["companies", "new"]) => {
            let fields = recording.sent.as_object().unwrap();
            line(client.create_company(fields).await, |one| format!("{}:{}", one.id, one.name))
        }
        ("GET", ["companies"]) => line(client.companies_named("globex").await, |all| {
            all.iter().map(|one| format!("{}:{}", one.id, one.name)).collect::<Vec<_>>().join(" ")
        }),
        ("POST", ["companies", company, "contact", id, "add"]) => {
            done(client.add_to_company(company, &id_of(id)).await)
        }
        ("POST", ["stages", stage, "contact", id, "add"]) => done(client.move_to_stage(stage, &id_of(id)).await),
        ("GET", ["stats", table]) => stats(client, table).await,
        ("GET", ["hooks"]) => line(client.hooks().await, |all| {
            all.iter().map(|one| format!("{}:{}:{:?}", one.id, one.setup.triggers.len(), one.oldest_first)).collect()
        }),
        ("GET", ["hooks", "triggers"]) => line(client.hook_triggers().await, |all| format!("{} triggers", all.len())),
        ("POST", ["hooks", "new"]) => line(client.create_hook(&hook(&recording.sent)).await, |one| one.id),
        ("GET", ["users", "self"]) => line(client.introduce().await, |(user, info)| {
            format!("{} {:?} admin={} {:?}", user.name, user.role, user.admin, info.version)
        }),
        (method, parts) => format!("no method makes {method} {parts:?}"),
    }
}

/// A list call: by the address searched for, or by the ids answered.
async fn look_up(client: &Mautic, recording: &Recording) -> String {
    let plain = recording.target.replace("%40", "@").replace("%2C", ",").replace("%3A", ":").replace("%27", "'");
    if plain.contains("john@example.com,zoe@example.com") {
        let emails = ["john@example.com", "zoe@example.com"].map(|text| text.parse().unwrap());
        return line(client.find_by_emails(&emails).await, |found| contacts(&found));
    }
    for address in ["john@example.com", "nobody@example.com", "merge@example.com", "x82aa7.o'neil@example.com"] {
        if plain.contains(address) {
            return line(client.find_by_email(&address.parse().unwrap()).await, |found| contacts(&found));
        }
    }
    let ids: Vec<RemoteId> = (1..=20).map(|id: u8| RemoteId(id.to_string())).collect();
    line(client.get_many(&ids).await, |found| {
        let mut ids: Vec<u64> = found.iter().map(|one| one.contact.id.0.parse().unwrap()).collect();
        ids.sort_unstable();
        format!("{ids:?}")
    })
}

async fn batch(client: &Mautic, recording: &Recording, verb: &str) -> String {
    let entries: Vec<Value> = recording.sent.as_array().cloned().unwrap_or_default();
    let writes: Vec<ContactWrite> = entries.iter().map(write).collect();
    let identified = || entries.iter().map(|entry| id_of(&entry["id"].to_string()));
    let result = match (recording.method.as_str(), verb) {
        ("POST", "new") => client.batch_upsert(&writes).await,
        ("PATCH", "edit") => client.batch_update(&identified().zip(writes).collect::<Vec<_>>()).await,
        ("PUT", "edit") if entries.iter().all(|entry| entry.get("id").is_none()) => client.batch_create(&writes).await,
        ("PUT", "edit") => {
            let replace = |(id, write)| Replacement { whole: empty(id), write, clear: Vec::new() };
            client.batch_replace(&identified().zip(writes).map(replace).collect::<Vec<_>>()).await
        }
        _ => {
            let ids: Vec<RemoteId> = recording.target.split("ids=").nth(1).unwrap().split(',').map(id_of).collect();
            return line(client.batch_delete(&ids).await, |gone| format!("{gone:?}"));
        }
    };
    line(result, outcomes)
}

async fn membership(client: &Mautic, recording: &Recording, lists: &str, verb: &str) -> String {
    let list = recording.number(0);
    let list = if lists == "segments" { MembershipList::Segment(list) } else { MembershipList::Campaign(list) };
    done(client.set_membership(&id_of(&recording.number(1)), &list, verb == "add").await)
}

async fn create_field(client: &Mautic, recording: &Recording) -> String {
    let alias = recording.sent["alias"].as_str().unwrap();
    let (options, scale) = match alias {
        "customer_segment" => (vec!["vip".to_owned()], None),
        "total_spent" => (Vec::new(), Some(2)),
        _ => (Vec::new(), None),
    };
    let kind = match recording.sent["type"].as_str().unwrap() {
        "datetime" => serde_json::json!("date_time"),
        other => serde_json::json!(other),
    };
    let field = NewField { label: alias.to_owned(), kind: serde_json::from_value(kind).unwrap(), options, scale };
    line(client.create_field(alias, &field).await, |one| {
        format!("{} {:?} {:?} {:?}", one.alias, one.field.kind, one.field.options, one.field.scale)
    })
}

async fn stats(client: &Mautic, table: &str) -> String {
    line(client.stats(table, 0, 3).await, |rows| {
        let ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        format!("rows {}", ids.join(" "))
    })
}

async fn export(client: &Mautic, id: &str) -> String {
    line(client.export(&id_of(id)).await, |all| {
        let of = |part: &str| all[part].pointer("/1/name").and_then(Value::as_str).unwrap_or("-").to_owned();
        format!("{} segment {} campaign {}", all["contact"]["fields"]["email"], of("segments"), of("campaigns"))
    })
}

fn id_of(text: &str) -> RemoteId {
    RemoteId(text.to_owned())
}

fn empty(id: RemoteId) -> WholeContact {
    let contact = tandem_core::domain::platform::RemoteContact {
        id,
        email: None,
        fields: Default::default(),
        tags: Vec::new(),
        do_not_contact: Vec::new(),
        points: 0,
        stage: None,
    };
    WholeContact { contact, owner: None, stage: None }
}

/// The write that has this body.
fn write(body: &Value) -> ContactWrite {
    let mut fields = body.as_object().cloned().unwrap_or_default();
    fields.remove("id");
    let tags = fields.remove("tags").map(|tags| serde_json::from_value(tags).unwrap()).unwrap_or_default();
    let forbid_mail = fields.remove("doNotContact").map(|entries| entry(&entries[0]));
    ContactWrite { fields: fields.into_iter().collect(), tags, forbid_mail, stage: None }
}

fn entry(body: &Value) -> DoNotContact {
    let reason = match body["reason"].as_u64() {
        Some(1) => DoNotContactReason::Unsubscribed,
        Some(2) => DoNotContactReason::Bounced,
        _ => DoNotContactReason::Manual,
    };
    let comments = body["comments"].as_str().unwrap_or_default().to_owned();
    DoNotContact { channel: "email".to_owned(), reason, comments }
}

fn hook(body: &Value) -> HookSetup {
    HookSetup {
        url: body["webhookUrl"].as_str().unwrap().to_owned(),
        secret: body["secret"].as_str().unwrap().to_owned(),
        triggers: serde_json::from_value(body["triggers"].clone()).unwrap(),
    }
}
