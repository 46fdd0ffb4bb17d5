//! Companies.

use serde_json::{Map, Value};
use tandem_core::domain::link::RemoteId;
use tandem_core::error::Result;

use super::Mautic;
use super::client::Request;
use super::convert::{contact_number, number};
use super::wire;

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
        let request = Request::post("companies/new").carrying(fields)?;
        let answer: wire::OneCompany = self.client.call(request).await?;
        Ok(company(answer.company))
    }

    /// Deletes a company.
    pub async fn delete_company(&self, id: &str) -> Result<()> {
        let path = format!("companies/{}/delete", number(id, "company")?);
        self.client.call::<wire::OneCompany>(Request::delete(path)).await.map(drop)
    }

    /// Adds a contact to a company (recording `100-company-contact-add`).
    pub async fn add_to_company(&self, company: &str, contact: &RemoteId) -> Result<()> {
        let path = format!("companies/{}/contact/{}/add", number(company, "company")?, contact_number(contact)?);
        self.done(Request::post(path)).await
    }
}

fn company(company: wire::Company) -> Company {
    let name = company.fields.0.get("companyname").and_then(Value::as_str).unwrap_or_default().to_owned();
    Company { id: company.id.0, name }
}
