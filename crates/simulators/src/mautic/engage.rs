//! People, played by the controls: somebody gets an email, opens it, follows a link, opts out, sends a form.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    auth::Actor,
    emails,
    rows::{Email, Form},
    simulator::MauticSimulator,
    store::Store,
    tracking,
};

/// Who does what. The contact is named by id or by address; the rest has defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Engagement {
    contact: Option<u64>,
    address: Option<String>,
    email: Option<u64>,
    form: Option<u64>,
    url: Option<String>,
    comments: Option<String>,
    fields: Map<String, Value>,
}

const LINK: &str = "https://example.com/p";
const BROWSER: &str = "Mozilla/5.0 (Macintosh)";

/// `POST /_control/engage/{send|open|click|unsubscribe|resubscribe|bounce|submit}`.
pub(crate) async fn act(
    State(mautic): State<MauticSimulator>,
    Path(action): Path<String>,
    Json(engagement): Json<Engagement>,
) -> (StatusCode, Json<Value>) {
    let base = mautic.base_url();
    let done = mautic.write(|store| match action.as_str() {
        "send" => engagement.send(store, &base),
        "open" => engagement.with_stat(store, &base, tracking::open),
        "click" => {
            let url = engagement.url.as_deref().unwrap_or(LINK);
            engagement.with_stat(store, &base, |store, stat| {
                let row = store.email_stats.get(stat)?.clone();
                tracking::link(store, &row, url);
                tracking::click(store, stat, url, BROWSER.into())
            })
        }
        "unsubscribe" => engagement
            .with_stat(store, &base, |store, stat| tracking::unsubscribe(store, stat).map(|(contact, _)| contact)),
        "resubscribe" => engagement.with_stat(store, &base, tracking::resubscribe),
        "bounce" => {
            let comments = engagement.comments.as_deref().unwrap_or("550 no such user");
            engagement.with_stat(store, &base, |store, stat| tracking::bounce(store, stat, comments))
        }
        "submit" => engagement.submit(store),
        _ => None,
    });
    match done {
        Some(contact) => (StatusCode::OK, Json(json!({"contact": contact}))),
        None => (StatusCode::NOT_FOUND, Json(json!({"error": "no such action, contact, email or form"}))),
    }
}

impl Engagement {
    fn contact(&self, store: &Store) -> Option<u64> {
        let by_address = || store.with_email(self.address.as_deref()?).into_iter().next();
        self.contact.and_then(|id| store.resolve(id)).or_else(by_address)
    }

    /// The email in question, the newest one by default, a made-up one where there is none.
    fn email(&self, store: &mut Store) -> u64 {
        let newest = self.email.or_else(|| store.emails.iter().next_back().map(|(id, _)| id));
        newest.unwrap_or_else(|| {
            let by = store.authorship(&Actor::visitor());
            store.emails.add(Email {
                by,
                published: true,
                name: "Demo mail".into(),
                subject: Some("Hello".into()),
                html: Some(format!("<html><body><a href=\"{LINK}\">go</a></body></html>")),
                kind: "template".into(),
                language: "en".into(),
                read: 0,
                sent: 0,
            })
        })
    }

    fn send(&self, store: &mut Store, base: &str) -> Option<u64> {
        let contact = self.contact(store)?;
        let email = self.email(store);
        emails::send(store, email, contact, base).map(|_| contact)
    }

    /// Acts on the last email that the contact got, which is sent first where there is none.
    fn with_stat(
        &self,
        store: &mut Store,
        base: &str,
        act: impl FnOnce(&mut Store, u64) -> Option<u64>,
    ) -> Option<u64> {
        let contact = self.contact(store)?;
        let wanted = |stat: &super::rows::EmailStat| {
            stat.contact == contact && self.email.is_none_or(|email| email == stat.email)
        };
        let last = store.email_stats.iter().rev().find(|(_, stat)| wanted(stat)).map(|(id, _)| id);
        let stat = match last {
            Some(stat) => stat,
            None => {
                let email = self.email(store);
                emails::send(store, email, contact, base)?
            }
        };
        act(store, stat)
    }

    fn submit(&self, store: &mut Store) -> Option<u64> {
        let newest = self.form.or_else(|| store.forms.iter().next_back().map(|(id, _)| id));
        let form = newest.unwrap_or_else(|| make_form(store));
        let mut fields = self.fields.clone();
        if let Some(address) = &self.address {
            fields.entry("email").or_insert_with(|| json!(address));
        }
        let visitor = self.contact.map(|contact| (contact, emails::hash_of("device", contact)));
        tracking::submit_form(store, form, &fields, visitor)
    }
}

fn make_form(store: &mut Store) -> u64 {
    let by = store.authorship(&Actor::visitor());
    let email = json!({"id": 1, "label": "Email", "alias": "email", "type": "email", "mappedField": "email"});
    store.forms.add(Form {
        by,
        published: true,
        name: "Newsletter".into(),
        alias: "newsletter".into(),
        description: None,
        kind: "standalone".into(),
        post_action: "return".into(),
        fields: vec![email],
        actions: json!([]),
    })
}
