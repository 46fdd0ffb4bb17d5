//! Emails: made, listed, and "sent", which leaves a record and a webhook but no mail.

use axum::{Extension, extract::State};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    answer::Answer,
    auth::Actor,
    clock,
    contacts::flat_profile,
    fields::page_size,
    input::{PathParts, Payload, Query},
    php,
    rows::{Email, EmailStat, object},
    simulator::MauticSimulator,
    store::Store,
    version::MauticVersion,
    webhooks,
};

impl Email {
    fn view(&self, id: u64, version: MauticVersion) -> Value {
        let mut view = self.by.head(self.published);
        view.extend(self.body(id, version));
        Value::Object(view)
    }

    /// The email without its authorship, as opens name it.
    pub(crate) fn body(&self, id: u64, version: MauticVersion) -> Map<String, Value> {
        let mut body = object(json!({
            "id": id,
            "name": self.name,
            "subject": self.subject,
            "language": self.language,
            "category": null,
            "fromAddress": null,
            "fromName": null,
            "replyToAddress": null,
            "bccAddress": null,
            "useOwnerAsMailer": null,
            "utmTags": {"utmSource": null, "utmMedium": null, "utmCampaign": null, "utmContent": null},
            "customHtml": self.html,
            "plainText": null,
            "template": null,
            "emailType": self.kind,
            "publishUp": null,
            "publishDown": null,
            "publicPreview": false,
            "readCount": self.read,
            "sentCount": self.sent,
            "revision": 1,
            "assetAttachments": [],
            "variantStartDate": null,
            "variantSentCount": 0,
            "variantReadCount": 0,
            "variantParent": null,
            "variantChildren": [],
            "translationParent": null,
            "translationChildren": [],
            "unsubscribeForm": null,
            "dynamicContent": [default_dynamic_content()],
            "lists": [],
            "headers": [],
        }));
        if version.is_7() {
            body.insert("preheaderText".into(), Value::Null);
            version.add_projects(&mut body);
        }
        body
    }
}

fn default_dynamic_content() -> Value {
    let filter = json!({
        "glue": null, "field": null, "object": null,
        "type": "Symfony\\Component\\Form\\Extension\\Core\\Type\\TextType",
        "operator": null, "display": null, "filter": null,
    });
    json!({
        "tokenName": "Dynamic Content 1",
        "content": "Default Dynamic Content",
        "filters": [{"content": null, "filters": [filter]}],
    })
}

/// `GET /api/emails`.
pub(crate) async fn list(State(mautic): State<MauticSimulator>, query: Query) -> Answer {
    mautic.read(|store| {
        let wanted = query.text("search").to_lowercase();
        let found: Vec<_> = store.emails.iter().filter(|(_, row)| row.name.to_lowercase().contains(&wanted)).collect();
        let page = found.iter().skip(query.number("start").unwrap_or(0)).take(page_size(&query));
        let views: Map<_, _> = page.map(|(id, email)| (id.to_string(), email.view(*id, store.version))).collect();
        Answer::ok(json!({"total": found.len(), "emails": php::map_or_empty_list(views)}))
    })
}

/// `GET /api/emails/{id}`.
pub(crate) async fn get_one(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.read(|store| {
        let email = store.emails.get(id);
        email.map_or_else(Answer::not_found, |email| Answer::ok(json!({"email": email.view(id, store.version)})))
    })
}

/// `POST /api/emails/new`.
pub(crate) async fn create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    let text = |key: &str| params.get(key).map(php::text).filter(|text| !text.is_empty());
    let Some(name) = text("name") else {
        return Answer::error(400, "name: A name is required.", json!({"name": ["A name is required."]}));
    };
    mautic.write(|store| {
        let mut by = store.authorship(&actor);
        by.modified = Some(by.added);
        let email = Email {
            by,
            published: params.get("isPublished").is_none_or(php::boolean),
            name,
            subject: text("subject"),
            html: text("customHtml"),
            kind: text("emailType").unwrap_or_else(|| "template".into()),
            language: text("language").unwrap_or_else(|| "en".into()),
            read: 0,
            sent: 0,
        };
        let id = store.emails.next_id();
        let view = email.view(id, store.version);
        store.emails.add(email);
        Answer::created(format!("/api/emails/{id}"), json!({"email": view}))
    })
}

/// `DELETE /api/emails/{id}/delete`. Not recorded; it answers as the deletions of other things do.
pub(crate) async fn remove(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.write(|store| {
        let Some(email) = store.emails.remove(id) else { return Answer::not_found() };
        let mut view = email.view(id, store.version);
        view["id"] = Value::Null;
        Answer::ok(json!({"email": view}))
    })
}

/// `POST /api/emails/{id}/contact/{contact}/send`. It does not ask about do-not-contact.
pub(crate) async fn send_to_contact(
    State(mautic): State<MauticSimulator>,
    PathParts((id, contact)): PathParts<(u64, u64)>,
) -> Answer {
    let base = mautic.base_url();
    mautic.write(|store| {
        if !store.emails.contains(id) {
            return Answer::not_found();
        }
        let Some(contact) = store.resolve(contact) else { return Answer::contact_not_found() };
        match send(store, id, contact, &base) {
            Some(_) => Answer::ok(json!({"success": true})),
            None => Answer::ok(json!({"success": false, "failed": "The contact has no email address."})),
        }
    })
}

/// Sends an email to a contact that has an address. Gives the id of the record.
pub(crate) fn send(store: &mut Store, email: u64, contact: u64, base: &str) -> Option<u64> {
    let address = store.contact(contact)?.email()?.to_owned();
    let id = store.email_stats.next_id();
    let hash = hash_of("sent", id);
    let sent = store.now();
    let stat = EmailStat { email, contact, address, hash, sent, read: None, opens: 0, failed: false };
    let payload = sent_payload(store, &stat, base);
    store.email_stats.add(stat.clone());
    if let Some(email) = store.emails.edit(email) {
        email.sent += 1;
    }
    note_sent(store, id, &stat);
    webhooks::emit(store, "mautic.email_on_send", payload?);
    Some(id)
}

/// Twenty-two characters that stand for something on the wire.
pub(crate) fn hash_of(what: &str, id: u64) -> String {
    let mut hash = hex::encode(Sha256::digest(format!("tandem simulator {what} {id}")));
    hash.truncate(22);
    hash
}

fn note_sent(store: &mut Store, id: u64, stat: &EmailStat) {
    let Some(email) = store.emails.get(stat.email) else { return };
    let label = json!({"label": email.name, "href": format!("/email/view/{}", stat.hash), "isExternal": true});
    let details = json!({
        "stat": {
            "email_id": stat.email.to_string(),
            "id": id.to_string(),
            "dateSent": clock::iso(stat.sent),
            "subject": email.subject,
            "email_name": email.name,
            "isRead": "0",
            "isFailed": "0",
            "viewedInBrowser": "0",
            "retryCount": "0",
            "idHash": stat.hash,
            "openDetails": [],
            "storedSubject": email.subject,
            "timeToRead": false,
        },
        "type": "sent",
    });
    store.note(stat.contact, "email.sent", "Email sent", label, details);
}

fn sent_payload(store: &Store, stat: &EmailStat, base: &str) -> Option<Value> {
    let (email, contact) = (store.emails.get(stat.email)?, store.contact(stat.contact)?);
    let mut profile = flat_profile(store, stat.contact, contact);
    let primary = contact.companies.last();
    let companies = contact
        .companies
        .iter()
        .filter_map(|id| Some(store.companies.get(*id)?.joined_row(store, *id, stat.contact, Some(id) == primary)));
    profile.insert("companies".into(), companies.collect());
    let html = email.html.as_deref().unwrap_or_default();
    Some(json!({
        "email": email.view(stat.email, store.version),
        "contact": profile,
        "contentHash": hex::encode(&Sha256::digest(html)[..16]),
        "idHash": stat.hash,
        "subject": email.subject,
        "source": ["api", 0],
        "headers": [],
        "content": html,
        "tokens": tokens(store.version, email, stat, base),
    }))
}

fn tokens(version: MauticVersion, email: &Email, stat: &EmailStat, base: &str) -> Value {
    let proof = hex::encode(Sha256::digest(&stat.address));
    let unsubscribe = format!("{base}/email/unsubscribe/{}/{}/{proof}", stat.hash, stat.address);
    let view = format!("{base}/email/view/{}", stat.hash);
    let mut tokens = object(json!({
        "{dynamiccontent=\"Dynamic Content 1\"}": "Default Dynamic Content",
        "{unsubscribe_text}": format!("<a href='{unsubscribe}'>Unsubscribe</a>"),
        "{unsubscribe_url}": unsubscribe,
        "{webview_text}": format!("<a href='{view}'>Web view</a>"),
        "{webview_url}": view,
        "{signature}": "",
        "{subject}": email.subject,
    }));
    if version.is_7() {
        tokens.insert("{dnc_url}".into(), json!(format!("{base}/email/dnc/{}/{}/{proof}", stat.hash, stat.address)));
        tokens.insert("{resubscribe_url}".into(), json!(format!("{base}/email/resubscribe/{}", stat.hash)));
        tokens.insert("{brand=name}".into(), json!("Your Brand (configurable)"));
    }
    Value::Object(tokens)
}
