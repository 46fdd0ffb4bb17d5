//! Companies: what organisations are in Mautic.
//!
//! Nothing but the name tells two companies apart. Mautic's own create writes on the one that has the name already, as the simulator
//! does, and no custom field of companies can be made unique by its API: so the application's id stays in Tandem's link, and who
//! creates looks the name up first.

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tandem_core::domain::catalog::FieldCatalog;
use tandem_core::domain::link::RemoteId;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::objects::{LookedUp, ObjectOutcomes, ObjectPage, ObjectWrite, PlatformObjects, RemoteObject};

use super::Mautic;
use super::client::Request;
use super::convert::{contact_number, decoded, number};
use super::{errors, wire};

/// What Mautic calls them.
pub(super) const OBJECT: &str = "company";
/// The field that holds the name.
const NAME: &str = "companyname";
/// A company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl Mautic {
    /// Companies of this name, in any letter case. Mautic's search also finds names that contain it (recording
    /// `101-company-list`); those are left out.
    pub async fn companies_named(&self, name: &str) -> Result<Vec<Company>> {
        let answer: wire::Companies = self.client.call(Request::get("companies").with("search", name)).await?;
        let companies = answer.companies.into_values().map(company);
        Ok(companies.filter(|company| company.name.to_lowercase() == name.trim().to_lowercase()).collect())
    }

    /// Makes a company from its fields: `companyname` and others (recording `099-company-create`).
    pub async fn create_company(&self, fields: &Map<String, Value>) -> Result<Company> {
        self.made_company(fields).await.map(company)
    }

    async fn made_company(&self, fields: &Map<String, Value>) -> Result<wire::Company> {
        let request = Request::post("companies/new").carrying(fields)?;
        let answer: wire::OneCompany = self.client.call(request).await?;
        Ok(answer.company)
    }

    /// Changes the fields given and no other.
    async fn changed_company(&self, id: &RemoteId, write: &ObjectWrite) -> Result<wire::Company> {
        let mut body: Map<String, Value> = write.fields.clone().into_iter().collect();
        if !write.clear.is_empty() {
            body.extend(write.clear.iter().map(|name| (name.clone(), json!(""))));
            // Or a blank changes nothing, as it does of contacts (recording `034-contact-patch-empty-value`).
            body.insert("overwriteWithBlank".to_owned(), json!(true));
        }
        let path = format!("companies/{}/edit", company_number(id)?);
        let answer: wire::OneCompany = self.client.call(Request::patch(path).carrying(&body)?).await?;
        Ok(answer.company)
    }

    /// A company as it is now. Not recorded by itself; the answer is that of a create and of a list.
    async fn company(&self, id: &RemoteId) -> Result<wire::Company> {
        let path = format!("companies/{}", company_number(id)?);
        let answer: wire::OneCompany = self.client.call(Request::get(path)).await?;
        Ok(answer.company)
    }

    /// Deletes a company.
    pub async fn delete_company(&self, id: &str) -> Result<()> {
        let path = format!("companies/{}/delete", number(id, "company")?);
        self.client.call::<wire::OneCompany>(Request::delete(path)).await.map(drop)
    }

    /// Adds a contact to a company (recording `100-company-contact-add`).
    pub async fn add_to_company(&self, company: &str, contact: &RemoteId) -> Result<()> {
        self.change_company(company, contact, "add").await
    }

    async fn change_company(&self, company: &str, contact: &RemoteId, action: &str) -> Result<()> {
        let path = format!("companies/{}/contact/{}/{action}", number(company, "company")?, contact_number(contact)?);
        self.done(Request::post(path)).await
    }
}

#[async_trait]
impl PlatformObjects for Mautic {
    fn known_by(&self, object: &str) -> Option<&'static str> {
        (object == OBJECT).then_some(NAME)
    }

    async fn object_fields(&self, object: &str) -> Result<FieldCatalog> {
        is_company(object)?;
        let fields = self.company_fields().await?.into_iter().filter(|field| field.published);
        let fields = fields.map(|field| (field.alias, field.field)).collect();
        Ok(FieldCatalog { fields, read_at: self.client.clock().now() })
    }

    async fn find_objects(&self, object: &str, names: &[String]) -> Result<LookedUp> {
        is_company(object)?;
        self.companies_of_names(names).await
    }

    async fn list_objects(&self, object: &str, after: usize) -> Result<ObjectPage> {
        is_company(object)?;
        self.companies_behind(after).await
    }

    async fn read_objects(&self, ids: &[RemoteId]) -> Result<ObjectOutcomes> {
        let mut outcomes = ObjectOutcomes::new();
        for id in ids {
            let outcome = match stopped(&outcomes) {
                Some(failure) => Err(failure),
                None => self.company(id).await.and_then(remote),
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn create_objects(&self, object: &str, writes: &[ObjectWrite]) -> Result<ObjectOutcomes> {
        is_company(object)?;
        let mut outcomes = ObjectOutcomes::new();
        for write in writes {
            let outcome = match stopped(&outcomes) {
                Some(failure) => Err(failure),
                None => {
                    let fields = write.fields.clone().into_iter().collect();
                    self.made_company(&fields).await.and_then(remote)
                }
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn update_objects(&self, writes: &[(RemoteId, ObjectWrite)]) -> Result<ObjectOutcomes> {
        let mut outcomes = ObjectOutcomes::new();
        for (id, write) in writes {
            let outcome = match stopped(&outcomes) {
                Some(failure) => Err(failure),
                None => self.changed_company(id, write).await.and_then(remote),
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn delete_object(&self, id: &RemoteId) -> Result<bool> {
        match self.delete_company(id.within(OBJECT).unwrap_or_default()).await {
            Ok(()) => Ok(true),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    async fn set_related(&self, contact: &RemoteId, to: &RemoteId, related: bool) -> Result<()> {
        let company = to.within(OBJECT).unwrap_or_default();
        self.change_company(company, contact, if related { "add" } else { "remove" }).await
    }
}

/// The failure of what was not tried, because what failed before it would have failed in the same way.
fn stopped(outcomes: &ObjectOutcomes) -> Option<Failure> {
    let failed = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).next_back()?;
    match failed.kind {
        FailureKind::RateLimited
        | FailureKind::Unavailable
        | FailureKind::Timeout
        | FailureKind::Garbled
        | FailureKind::Credentials
        | FailureKind::Misconfigured
        | FailureKind::Storage => Some(Failure { effect: tandem_core::error::Effect::None, ..failed.clone() }),
        FailureKind::Invalid
        | FailureKind::NotFound
        | FailureKind::Conflict
        | FailureKind::Taken
        | FailureKind::Refused => None,
    }
}

fn is_company(object: &str) -> Result<()> {
    if object == OBJECT {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Misconfigured, "Mautic has companies, and no such object."))
}

pub(super) fn company_number(id: &RemoteId) -> Result<u64> {
    number(id.within(OBJECT).unwrap_or_default(), "company")
}

fn company(company: wire::Company) -> Company {
    let name = company.fields.0.get(NAME).and_then(Value::as_str).unwrap_or_default().to_owned();
    Company { id: company.id.0, name }
}

pub(super) fn remote(company: wire::Company) -> Result<RemoteObject> {
    let id = company.id.0.parse::<u64>().ok().filter(|id| *id > 0).ok_or_else(|| errors::garbled(true))?;
    let mut fields = company.fields.0;
    fields.remove("id");
    for value in fields.values_mut() {
        if let Value::String(text) = value {
            *text = decoded(text);
        }
    }
    Ok(RemoteObject { id: RemoteId::of_object(OBJECT, &id.to_string()), fields })
}
