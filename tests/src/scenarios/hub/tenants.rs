//! The tenants of the scenario: their people, their Mautics, and how their applications call.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use reqwest::{Client, Method};
use serde_json::{Map, Value, json};
use tandem_app::admin::integrations::{Integrations, NewIntegration};
use tandem_app::store::CatalogTable;
use tandem_app::system::SystemClock;
use tandem_app::wiring::Foundation;
use tandem_connectors::mautic::settings::{Auth, Settings};
use tandem_connectors::mautic::setup;
use tandem_connectors::registry::{Credentials, IntegrationSettings, Options as Tuning, Platform};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::ports::{CatalogStore, Clock};
use tandem_simulators::mautic::ContactDump;
use tandem_simulators::{MauticSimulator, MauticVersion, RunningMautic};

use super::database::Database;
use super::firms::{self, Deal, Firm};
use super::judge_firms::Companies;
use super::oracle::{Deed, FIELDS, People, Person, Texts, Way};
use crate::client::Caller;
use crate::system::{KEY, System};
use crate::tenants::label;
use crate::version;

/// How often a call is sent that gets no answer: the process is killed on the way.
const TRIES: usize = 240;
/// The pause between.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// Contacts by their addresses.
pub type Contacts = BTreeMap<String, Vec<ContactDump>>;

/// A Mautic, as its users work with it.
pub struct Office {
    pub mautic: MauticSimulator,
    users: Client,
    _running: Option<RunningMautic>,
}

impl Office {
    pub async fn open(version: MauticVersion) -> Result<Self, String> {
        let options = version::mautic().version(version);
        let running = MauticSimulator::start(options, (Ipv4Addr::LOCALHOST, 0).into()).await.map_err(told)?;
        let office = Self::of(&running)?;
        Ok(Self { _running: Some(running), ..office })
    }

    /// One that somebody else keeps running.
    fn of(mautic: &MauticSimulator) -> Result<Self, String> {
        let users = Client::builder().no_proxy().build().map_err(told)?;
        Ok(Self { mautic: mautic.clone(), users, _running: None })
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let request = self.users.request(method, format!("{}{path}", self.mautic.base_url()));
        let answer = request.basic_auth("admin", Some("demo-password")).json(body).send().await.map_err(told)?;
        if answer.status().is_success() {
            answer.json().await.map_err(told)
        } else {
            Err(format!("Mautic answers {}", answer.status()))
        }
    }

    /// All companies, by their ids.
    pub async fn companies(&self) -> Result<Companies, String> {
        let answer = self.call(Method::GET, "/api/companies?limit=500", &Value::Null).await?;
        let shown = answer["companies"].as_object().into_iter().flatten();
        let company = |(id, shown): (&String, &Value)| {
            Some((id.parse().ok()?, shown.pointer("/fields/all")?.as_object()?.clone()))
        };
        Ok(shown.filter_map(company).collect())
    }

    /// All contacts by their addresses; those of nobody under the empty one.
    pub fn contacts(&self) -> Contacts {
        let mut contacts = Contacts::new();
        for contact in self.mautic.contacts() {
            contacts.entry(contact.email.as_deref().unwrap_or_default().to_lowercase()).or_default().push(contact);
        }
        contacts
    }

    /// Calls that change something.
    pub fn writes(&self) -> u64 {
        let calls = self.mautic.stats().calls;
        let changing = calls.iter().filter(|(route, _)| !route.starts_with("GET ") && route.contains("/api/"));
        changing.map(|(_, count)| *count).sum()
    }
}

/// A tenant at work.
pub struct Tenant {
    pub people: People,
    pub offices: Vec<Office>,
    pub scopes: Vec<Scope>,
    /// Where the application's records live, unless it hands them over.
    pub database: Option<Database>,
    caller: Caller,
}

impl Tenant {
    /// A tenant whose integrations are stored, over the table of `system`; its application calls at `url`.
    pub async fn open(
        system: &System,
        foundation: &Foundation,
        url: &str,
        people: People,
        versions: &[MauticVersion],
    ) -> Result<Self, String> {
        let name = people.domain.split('.').next().unwrap_or_default();
        let tenant = system.tenant(name).await;
        let caller = system.caller_of(&tenant, Role::Operator).await.at(url);
        let (mut offices, mut scopes) = (Vec::new(), Vec::new());
        for (number, version) in versions.iter().enumerate() {
            let office = Office::open(*version).await?;
            let scope = stored(system, foundation, &tenant, &format!("Mautic {number}"), &office.mautic).await?;
            with_fields(foundation, &scope, &office.mautic.base_url()).await?;
            offices.push(office);
            scopes.push(scope);
        }
        Ok(Self { people, offices, scopes, database: None, caller })
    }

    /// The tenant that the environment of `system` makes, whose records live in a database.
    pub fn of_environment(system: &System, url: &str, people: People, database: Database) -> Result<Self, String> {
        let (offices, scopes) = (vec![Office::of(&system.mautic)?], vec![Scope::default_mautic()]);
        Ok(Self { people, offices, scopes, database: Some(database), caller: system.caller.with_key(KEY).at(url) })
    }

    /// The first word of all.
    pub async fn begin(&self) -> Result<(), String> {
        match self.people.way {
            Way::Rows | Way::Views => {
                let People { firms, all, .. } = &self.people;
                let deals = firms.deals.iter().filter(|deal| deal.known).map(|deal| deal_row(deal, &self.people));
                let people = all.iter().map(|person| self.row(person));
                // Whoever is named comes last.
                let firms = firms.all.iter().filter(|firm| firm.known).map(firm_row);
                let rows: Vec<Value> = deals.chain(people).chain(firms).collect();
                self.hand_over(rows).await
            }
            Way::Events => {
                for person in &self.people.all {
                    self.taken("/events", event(person, &FIELDS.map(|(name, _)| name), "begin"), false).await?;
                }
                Ok(())
            }
        }
    }

    /// Does it; what the application says is said until it is taken.
    pub async fn carry_out(&self, deed: &Deed, round: usize) -> Result<(), String> {
        match deed {
            Deed::Row(person) => self.hand_over(vec![self.row(&self.people.all[*person])]).await,
            Deed::Call(person, field) => {
                let person = &self.people.all[*person];
                let contact = json!({"email": person.address, *field: person.row[field]});
                // Or a row that is read once more would take the call back.
                let payload = json!({"id": person.id, "contact": contact, "fields": {"updated_at": now()}});
                self.taken("/mautic-sync", json!({"action": "upsert_contact", "payload": payload}), false).await
            }
            Deed::Event(person, field) => {
                let event = event(&self.people.all[*person], &[field], &round.to_string());
                self.taken("/events", event, false).await
            }
            Deed::Erase(person) => {
                let person = &self.people.all[*person];
                let payload = json!({"email": person.address});
                self.taken("/mautic-sync", json!({"action": "delete_contact", "payload": payload}), true).await?;
                if let Some((database, id)) = self.database.as_ref().zip(person.id.as_ref()) {
                    database.delete(id).await;
                }
                Ok(())
            }
            Deed::Edit(person, mautic, field) => self.edit(*person, *mautic, field).await,
            Deed::OptOut(person, mautic) => {
                let whom = json!({"address": self.people.all[*person].address});
                self.offices[*mautic].call(Method::POST, "/_control/engage/unsubscribe", &whom).await.map(drop)
            }
            Deed::Appear(person, mautic) | Deed::Ghost(person, mautic) => {
                let person = &self.people.all[*person];
                let mut contact: Map<String, Value> = FIELDS
                    .iter()
                    .filter_map(|(name, remote)| Some(((*remote).to_owned(), json!(person.values.get(name)?))))
                    .collect();
                contact.insert("email".to_owned(), json!(person.address));
                self.offices[*mautic].call(Method::POST, "/api/contacts/new", &contact.into()).await.map(drop)
            }
            Deed::Firm(firm) => self.hand_over(vec![firm_row(&self.people.firms.all[*firm])]).await,
            Deed::EditFirm(firm, mautic, field) => self.edit_firm(*firm, *mautic, field).await,
            Deed::Deal(deal) => self.hand_over(vec![deal_row(&self.people.firms.deals[*deal], &self.people)]).await,
        }
    }

    /// The application's rows, each as it now is.
    async fn hand_over(&self, rows: Vec<Value>) -> Result<(), String> {
        match &self.database {
            Some(database) => {
                database.write(rows).await;
                Ok(())
            }
            None => self.taken("/records", json!({"records": rows}), false).await,
        }
    }

    fn row(&self, person: &Person) -> Value {
        let mut row = texts(&person.row);
        (row["id"], row["email"]) = (json!(person.id), json!(person.address));
        (row["marketing_opt_in"], row["updated_at"]) = (json!(true), json!(now()));
        row["organisation_id"] = json!(person.firm.map(|firm| &self.people.firms.all[firm].id));
        row
    }

    async fn edit(&self, person: usize, mautic: usize, field: &str) -> Result<(), String> {
        let (person, office) = (&self.people.all[person], &self.offices[mautic]);
        let contact = office.contacts().remove(&person.address).and_then(|mut found| found.pop());
        let contact = contact.ok_or("a contact is missing that is to be edited")?;
        let remote = FIELDS.iter().find(|(name, _)| *name == field).map_or("", |(_, remote)| *remote);
        let path = format!("/api/contacts/{}/edit", contact.id);
        office.call(Method::PATCH, &path, &json!({remote: person.values[field]})).await.map(drop)
    }

    async fn edit_firm(&self, firm: usize, mautic: usize, field: &str) -> Result<(), String> {
        let (firm, office) = (&self.people.firms.all[firm], &self.offices[mautic]);
        let is_its = |value: &Value| value.as_str().is_some_and(|text| firm.ever.contains(text));
        let companies = office.companies().await?;
        let company = companies.iter().find(|(_, fields)| fields.values().any(is_its));
        let (id, _) = company.ok_or("a company is missing that is to be edited")?;
        let remote = firms::FIELDS.iter().find(|(name, _)| *name == field).map_or("", |(_, remote)| *remote);
        let path = format!("/api/companies/{id}/edit");
        office.call(Method::PATCH, &path, &json!({remote: firm.values[field]})).await.map(drop)
    }

    /// Sends a call until it is taken; `may_be_gone`: an earlier try may have done it.
    async fn taken(&self, path: &str, body: Value, may_be_gone: bool) -> Result<(), String> {
        for _ in 0..TRIES {
            let request = self.caller.keyed(Method::POST, path).json(&body);
            match self.caller.send(request).await {
                Ok(answer) if answer.is_taken() || may_be_gone && answer.status == 404 => return Ok(()),
                Ok(answer) if answer.status < 500 && ![409, 429].contains(&answer.status) => {
                    return Err(format!("{path} answers {} {}", answer.status, answer.body));
                }
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        Err(format!("{path} takes nothing"))
    }
}

fn texts(row: &Texts) -> Value {
    row.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>().into()
}

fn firm_row(firm: &Firm) -> Value {
    let mut row = texts(&firm.row);
    (row["kind"], row["id"], row["updated_at"]) = (json!("organisation"), json!(firm.id), json!(now()));
    row
}

fn deal_row(deal: &Deal, people: &People) -> Value {
    let (firm, person) = (&people.firms.all[deal.firm], &people.all[deal.person]);
    json!({"kind": "deal", "id": deal.id, "name": deal.name, "organisation_id": firm.id, "person_id": person.id,
        "updated_at": now()})
}

fn now() -> String {
    SystemClock.now().to_string()
}

fn event(person: &Person, fields: &[&str], round: &str) -> Value {
    let mut user: Map<String, Value> =
        fields.iter().map(|name| ((*name).to_owned(), json!(person.row[*name]))).collect();
    user.insert("id".to_owned(), json!(person.id));
    user.insert("email".to_owned(), json!(person.address));
    json!({"id": format!("{}-{round}", person.address), "name": "profile_seen", "user": user})
}

async fn stored(
    system: &System,
    foundation: &Foundation,
    tenant: &TenantId,
    name: &str,
    mautic: &MauticSimulator,
) -> Result<Scope, String> {
    let credentials =
        Credentials::ClientCredentials { client_id: "1_demo".to_owned(), client_secret: "demo-secret".to_owned() };
    let options = Tuning { newcomers: Some("all".to_owned()), ..Tuning::default() };
    let settings = IntegrationSettings { platform: Platform::Mautic, base_url: mautic.base_url(), options };
    let new = NewIntegration { name: label(name), settings, credentials, webhook_secret: None };
    let made = Integrations::new(foundation).create(tenant, new, false, &system.actor()).await;
    let (made, _) = made.map_err(|refused| format!("{refused:?}"))?;
    Ok(Scope { tenant: tenant.clone(), integration: made.id })
}

/// Gives a Mautic the fields that it lacks, and tells the functions.
async fn with_fields(foundation: &Foundation, scope: &Scope, base_url: &str) -> Result<(), String> {
    let auth = Auth::ClientCredentials { id: "1_demo".to_owned(), secret: "demo-secret".to_owned() };
    let mut foundation = Foundation { scope: scope.clone(), ..foundation.clone() };
    foundation.config.mautic = Some(Settings::new(base_url, auth).map_err(told)?);
    let mautic = foundation.mautic().map_err(told)?.ok_or("no Mautic")?;
    let rules = &foundation.rules;
    let mut report = setup::examine(&mautic, rules, None).await.map_err(told)?;
    let made = setup::create_missing(&mautic, rules, &mut report.fields).await;
    let catalog = setup::catalog(&mautic, None, &made).await.map_err(told)?;
    CatalogTable::new(foundation.table.clone()).save(scope, &catalog).await.map(drop).map_err(told)
}

pub fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
