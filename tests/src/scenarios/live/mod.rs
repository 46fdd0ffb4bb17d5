//! `live`: what an installation does all day, by its commands, its HTTP interface and Mautic's own links alone, so that it runs
//! against a real Mautic as against the simulated ones: connecting, writing, webhooks, opting out and in, a merge, a look for
//! changes, lifecycle events. What it made, it takes away again.

mod mautic;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::config::Environment;
use tandem_simulators::MauticSimulator;

use self::mautic::Marketers;
use super::target::{prefix, real_mautic, real_variables, settled};
use super::{Proof, Size};
use crate::child::DevServer;
use crate::client::{Answer, Caller};
use crate::command::tandem;
use crate::version;

/// How long something that Mautic tells may take to arrive before it is looked for.
const BY_WEBHOOK: Duration = Duration::from_secs(20);

/// How long it may take after it was looked for.
const BY_LOOK: Duration = Duration::from_secs(40);

/// The secret that Mautic signs with, unless the environment names one.
const WEBHOOK_SECRET: &str = "secret_of_the_live_scenario";

/// Runs the scenario: one person at the small size, five one after the other at the full size.
pub async fn run(size: Size) -> Proof {
    let people = size.pick(1, 5);
    if let Some(environment) = real_mautic() {
        return against(&environment, real_variables(), people).await;
    }
    let address = "127.0.0.1:0".parse().map_err(|_| "no address")?;
    let simulated = MauticSimulator::start(version::mautic(), address).await.map_err(|error| error.to_string())?;
    let variables: Vec<(String, String)> = [
        ("MAUTIC_BASE_URL", simulated.base_url()),
        ("MAUTIC_CLIENT_ID", "1_demo".to_owned()),
        ("MAUTIC_CLIENT_SECRET", "demo-secret".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    against(&variables.iter().cloned().collect(), variables, people).await
}

async fn against(mautic: &Environment, mut variables: Vec<(String, String)>, people: usize) -> Proof {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    if mautic.get(&["MAUTIC_WEBHOOK_SECRET"]).is_none() {
        variables.push(("MAUTIC_WEBHOOK_SECRET".to_owned(), WEBHOOK_SECRET.to_owned()));
    }
    let server = DevServer::new(folder.path(), variables.clone());
    let running = server.start().await?;
    let mut stage = Stage {
        marketers: Marketers::sign_in(mautic).await?,
        found: BTreeSet::new(),
        caller: server.caller(),
        folder: folder.path(),
        variables,
        made: Vec::new(),
        looks: 0,
    };
    stage.found = stage.there().await?;
    let played = stage.play(people).await;
    let cleaned = stage.clean_up().await;
    drop(running);
    let (figures, cleaned) = (played?, cleaned?);
    Ok(format!("{figures}; {} ways back needed a look; {cleaned} things cleaned up", stage.looks))
}

/// Tandem, Mautic, and what was made there.
struct Stage<'a> {
    marketers: Marketers,
    caller: Caller,
    folder: &'a Path,
    variables: Vec<(String, String)>,
    /// What [`Stage::there`] found before.
    found: BTreeSet<String>,
    /// Paths below `/api/` that delete what was made, the first first.
    made: Vec<String>,
    looks: usize,
}

impl Stage<'_> {
    async fn play(&mut self, people: usize) -> Proof {
        let webhook = format!("{}/mautic-webhook", self.caller.url());
        let connect = ["connect", "mautic", "--create-missing", "--webhook-url", &webhook];
        self.command(&connect).await?;
        // What was made is there, so that the second time has nothing to do.
        self.command(&connect).await?;
        let form = json!({
            "name": prefix(), "formType": "standalone", "isPublished": true, "postAction": "return",
            "fields": [field("Email", "email", "email", 1), field("City", "text", "city", 2)], "actions": [],
        });
        let form = self.marketers.make("forms", form).await?;
        self.made.push(format!("forms/{form}/delete"));
        let email = json!({
            "name": prefix(), "subject": "Hello", "customHtml": "<html><body>{unsubscribe_text}</body></html>",
            "emailType": "template", "isPublished": true, "language": "en",
        });
        let email = self.marketers.make("emails", email).await?;
        self.made.push(format!("emails/{email}/delete"));
        for _ in 0..people {
            self.one_person(&form, &email).await?;
        }
        Ok(format!(
            "connected twice; {people} people: event, edit in Mautic, edit that only a look finds, opt-out, own re-subscription, an admin's lift undone, merge by a form, upsert after it"
        ))
    }

    async fn one_person(&mut self, form: &str, email: &str) -> Result<(), String> {
        let address = format!("{}o'live@example.com", prefix());
        let who = json!({"id": address, "email": address});
        let signup = json!({"name": "user_signup", "user": who});
        let answer = self.post("/events?wait=true", &signup).await?;
        expect(answer.status == 200, || format!("the signup was answered {} {}", answer.status, answer.body))?;
        let id = self.contact_id(&address).await?;
        self.made.push(format!("contacts/{id}/delete"));

        self.edit_in_mautic(&id, &address).await?;
        self.edit_behind_the_webhook(&id, &address).await?;
        self.leave_and_come_back(&id, &address, email).await?;
        self.lift_by_admin(&id, &address).await?;
        self.merge(&id, &address, form).await
    }

    /// What marketing changes comes back into the record.
    async fn edit_in_mautic(&mut self, id: &str, address: &str) -> Result<(), String> {
        let edit = json!({"city": "Wellington"});
        self.marketers.call(Method::PATCH, &format!("contacts/{id}/edit"), Some(edit)).await?;
        self.comes_back("an edit in Mautic", address, |export| export["record"]["fields"]["city"] == "Wellington").await
    }

    /// What marketing changes while Mautic delivers nothing comes back by a look alone.
    async fn edit_behind_the_webhook(&mut self, id: &str, address: &str) -> Result<(), String> {
        self.deliveries(false).await?;
        let edit = json!({"city": "Nelson"});
        self.marketers.call(Method::PATCH, &format!("contacts/{id}/edit"), Some(edit)).await?;
        self.command(&["sync", "--pull"]).await?;
        let shown = |export: &Value| export["record"]["fields"]["city"] == "Nelson";
        let shown = self.export_shows(address, BY_LOOK, &shown).await?;
        expect(shown, || "an edit that no webhook told was not found by a look".to_owned())?;
        self.deliveries(true).await
    }

    /// Switches the webhook that Tandem made on or off.
    async fn deliveries(&self, on: bool) -> Result<(), String> {
        let there = self.there().await?;
        let hooks = there.difference(&self.found).filter(|path| path.starts_with("hooks/"));
        for path in hooks.map(|path| path.replace("/delete", "/edit")) {
            self.marketers.call(Method::PATCH, &path, Some(json!({"isPublished": on}))).await?;
        }
        Ok(())
    }

    /// A reader's own links count: out, and in again.
    async fn leave_and_come_back(&mut self, id: &str, address: &str, email: &str) -> Result<(), String> {
        let send = format!("emails/{email}/contact/{id}/send");
        self.marketers.call(Method::POST, &send, Some(json!({"tokens": {}}))).await?;
        self.marketers.follow_link("unsubscribe", id).await?;
        self.comes_back("an unsubscribe link", address, |export| said(export, "opted_out")).await?;
        // Mautic dates both to whole seconds, and who says yes and no in one second said no.
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.marketers.follow_link("resubscribe", id).await?;
        self.comes_back("a re-subscribe link", address, |export| last_said(export) == "opted_in").await?;
        self.settled().await?;
        let held = self.marketers.contact(id).await?;
        expect(is_mailable(&held), || "Tandem undid the person's own re-subscription".to_owned())
    }

    /// Somebody at Mautic's console takes an opt-out away that the person made: it is put back.
    async fn lift_by_admin(&mut self, id: &str, address: &str) -> Result<(), String> {
        let out = json!({"name": "opt_out", "user": {"email": address}});
        let answer = self.post("/events?wait=true", &out).await?;
        expect(answer.status == 200, || format!("the opt-out was answered {} {}", answer.status, answer.body))?;
        self.holds("the opt-out of the application", id, |held| !is_mailable(held)).await?;
        self.marketers.call(Method::POST, &format!("contacts/{id}/dnc/email/remove"), None).await?;
        // Told by the webhook, or found by the next write of the contact.
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.upsert(address, "Back").await?;
        self.holds("the opt-out that an administrator took away", id, |held| !is_mailable(held)).await
    }

    /// A known person sends a form from a browser that Mautic does not know: Mautic merges, and another number survives.
    async fn merge(&mut self, id: &str, address: &str, form: &str) -> Result<(), String> {
        self.marketers.send_form(form, &[("email", address), ("city", "Napier")]).await?;
        self.comes_back("a form of a known person", address, |export| export["record"]["fields"]["city"] == "Napier")
            .await?;
        self.upsert(address, "After").await?;
        self.settled().await?;
        let held = self.marketers.contact(id).await?;
        self.made.push(format!("contacts/{}/delete", held["id"]));
        let value = |name: &str| held["fields"]["all"][name].as_str().unwrap_or_default().to_owned();
        expect(value("firstname") == "After" && value("city") == "Napier", || {
            format!("the survivor of the merge holds {:?} and {:?}", value("firstname"), value("city"))
        })?;
        let query = format!("contacts?search={}", url_encoded(&format!("email:{address}")));
        let found = self.marketers.call(Method::GET, &query, None).await?;
        let total = found["total"].as_str().map_or_else(|| found["total"].to_string(), str::to_owned);
        expect(total == "1", || format!("{total} contacts have the address after the merge"))
    }

    /// Waits for what a webhook tells; when none comes, has Tandem look for it.
    async fn comes_back(&mut self, what: &str, address: &str, came: impl Fn(&Value) -> bool) -> Result<(), String> {
        if self.export_shows(address, BY_WEBHOOK, &came).await? {
            return Ok(());
        }
        self.looks += 1;
        self.command(&["sync", "--pull"]).await?;
        let shown = self.export_shows(address, BY_LOOK, &came).await?;
        expect(shown, || format!("{what} did not come back"))
    }

    async fn export_shows(
        &self,
        address: &str,
        patience: Duration,
        came: &impl Fn(&Value) -> bool,
    ) -> Result<bool, String> {
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < patience {
            let answer = self.call(&json!({"action": "export_contact", "email": address})).await?;
            if came(answer.data()) {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(false)
    }

    async fn holds(&self, what: &str, id: &str, held: impl Fn(&Value) -> bool) -> Result<(), String> {
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < BY_LOOK {
            if held(&self.marketers.contact(id).await?) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Err(format!("{what} is not in Mautic"))
    }

    async fn upsert(&self, address: &str, name: &str) -> Result<(), String> {
        let payload = json!({"id": address, "contact": {"email": address, "first_name": name}});
        let answer = self.call(&json!({"action": "upsert_contact", "payload": payload})).await?;
        expect(answer.is_taken(), || format!("an upsert was answered {} {}", answer.status, answer.body))
    }

    async fn contact_id(&self, address: &str) -> Result<String, String> {
        let answer = self.call(&json!({"action": "export_contact", "email": address})).await?;
        answer.contact_id().map(str::to_owned).ok_or_else(|| "the person has no contact in Mautic".to_owned())
    }

    /// What there is of the things that Tandem makes itself, as paths that delete them.
    async fn there(&self) -> Result<BTreeSet<String>, String> {
        let mut there = BTreeSet::new();
        for (kind, key) in [("hooks", "hooks"), ("fields/contact", "fields"), ("segments", "lists")] {
            let listed = self.marketers.call(Method::GET, &format!("{kind}?limit=1000"), None).await?;
            let things: Vec<&Value> = match &listed[key] {
                Value::Array(list) => list.iter().collect(),
                Value::Object(by_id) => by_id.values().collect(),
                _ => Vec::new(),
            };
            there.extend(things.into_iter().map(|thing| format!("{kind}/{}/delete", thing["id"])));
        }
        Ok(there)
    }

    async fn settled(&self) -> Result<(), String> {
        settled(self.folder, &self.variables).await
    }

    async fn command(&self, arguments: &[&str]) -> Result<Value, String> {
        let arguments: Vec<&str> = ["--json"].iter().chain(arguments).copied().collect();
        let printed = tandem(self.folder, &self.variables, &arguments).await;
        expect(printed.success, || format!("tandem {} failed: {}{}", arguments.join(" "), printed.out, printed.err))?;
        serde_json::from_str(&printed.out).map_err(|_| format!("tandem {} printed no JSON", arguments.join(" ")))
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let request = self.caller.bare(Method::POST, path).bearer_auth(crate::system::KEY).json(body);
        self.caller.send(request).await.map_err(|error| error.without_url().to_string())
    }

    async fn call(&self, body: &Value) -> Result<Answer, String> {
        self.caller.call(body).await.map_err(|error| error.without_url().to_string())
    }

    /// Waits for queued jobs, lest they bring somebody back, then deletes all that was made.
    async fn clean_up(&mut self) -> Result<usize, String> {
        let settled = self.settled().await;
        let made_by_tandem = self.there().await?.difference(&self.found).cloned().collect::<Vec<_>>();
        let mut deleted = 0;
        let mut left = Vec::new();
        for path in self.made.drain(..).rev().chain(made_by_tandem) {
            match self.marketers.call(Method::DELETE, &path, None).await {
                Ok(_) => deleted += 1,
                // It may be gone already: two numbers lead to one contact after a merge.
                Err(_) if path.starts_with("contacts/") => {}
                Err(why) => left.push(why),
            }
        }
        settled?;
        expect(left.is_empty(), || format!("some things are left in Mautic: {}", left.join(", ")))?;
        expect(self.there().await? == self.found, || "what Tandem made is still in Mautic".to_owned())?;
        Ok(deleted)
    }
}

fn field(label: &str, kind: &str, alias: &str, order: u32) -> Value {
    json!({
        "label": label, "type": kind, "alias": alias, "mappedField": alias, "mappedObject": "contact", "leadField": alias,
        "order": order,
    })
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn said(export: &Value, status: &str) -> bool {
    let entries = export["consent"]["entries"].as_array();
    entries.is_some_and(|entries| entries.iter().any(|entry| entry["status"] == status))
}

fn last_said(export: &Value) -> &str {
    let entries = export["consent"]["entries"].as_array();
    let newest = entries.and_then(|entries| entries.iter().max_by_key(|entry| entry["at"].as_str()));
    newest.and_then(|entry| entry["status"].as_str()).unwrap_or_default()
}

fn is_mailable(contact: &Value) -> bool {
    contact["doNotContact"].as_array().is_none_or(Vec::is_empty)
}

fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
