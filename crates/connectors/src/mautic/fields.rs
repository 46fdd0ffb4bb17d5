//! The contact fields that a Mautic has, and how others are made.

use serde_json::{Value, json};
use tandem_core::domain::catalog::{FieldCatalog, RemoteField, RemoteFieldKind};
use tandem_core::error::Result;
use tandem_core::mapping::rules::NewField;

use super::Mautic;
use super::client::Request;
use super::wire::{Field, Fields, OneField};

/// How many fields a call asks for. An installation with more takes a second call.
const PAGE: usize = 1000;

/// A contact field as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactField {
    /// Its name in contacts.
    pub alias: String,
    /// Whether it is in use: values for a field that is not are dropped, as for one that is not there.
    pub published: bool,
    /// What it holds.
    pub field: RemoteField,
}

impl Mautic {
    /// All contact fields (recording `058-fields-list`).
    pub async fn contact_fields(&self) -> Result<Vec<ContactField>> {
        let mut fields = Vec::new();
        for start in (0..).step_by(PAGE) {
            let request = Request::get("fields/contact").with("limit", PAGE).with("start", start);
            let page: Fields = self.client.call(request).await?;
            fields.extend(page.fields.into_values().map(contact_field));
            if start + PAGE >= page.total.0.unwrap_or(0) {
                break;
            }
        }
        Ok(fields)
    }

    /// Makes a contact field. Mautic adds a column to its table, which takes a while (recordings
    /// `059-field-create-subscription_tier` to `066-field-create-customer_since`).
    ///
    /// # Errors
    /// `Refused` naming `alias` when a field has it already (recording `067-field-create-duplicate`).
    pub async fn create_field(&self, alias: &str, field: &NewField) -> Result<ContactField> {
        let body = json!({
            "label": field.label,
            "alias": alias,
            "type": kind_name(field.kind),
            "properties": properties(field),
            "isPublished": true,
        });
        let request = Request::post("fields/contact/new").carrying(&body)?.in_bulk();
        let answer: OneField = self.client.call(request).await?;
        Ok(contact_field(answer.field))
    }

    /// The fields that values can be written to.
    pub(super) async fn field_catalog(&self) -> Result<FieldCatalog> {
        let fields = self.contact_fields().await?.into_iter().filter(|field| field.published);
        let fields = fields.map(|field| (field.alias, field.field)).collect();
        Ok(FieldCatalog { fields, read_at: self.client.clock().now() })
    }
}

fn contact_field(field: Field) -> ContactField {
    let (options, scale) = (field.properties.options, field.properties.scale);
    ContactField {
        alias: field.alias,
        published: field.is_published.is_truthy(),
        field: RemoteField { id: field.id.0, options, scale, ..RemoteField::of_kind(kind(&field.kind)) },
    }
}

/// What a kind needs besides its name, as the recordings show it.
fn properties(field: &NewField) -> Value {
    match field.kind {
        RemoteFieldKind::Select => {
            let list: Vec<Value> = field.options.iter().map(|one| json!({"label": one, "value": one})).collect();
            json!({"list": list})
        }
        RemoteFieldKind::Boolean => json!({"no": "No", "yes": "Yes"}),
        RemoteFieldKind::Number => {
            field.scale.map_or_else(|| json!({}), |scale| json!({"roundmode": 4, "scale": scale}))
        }
        RemoteFieldKind::Text
        | RemoteFieldKind::LongText
        | RemoteFieldKind::Date
        | RemoteFieldKind::DateTime
        | RemoteFieldKind::Email
        | RemoteFieldKind::Phone
        | RemoteFieldKind::Url
        | RemoteFieldKind::Country
        | RemoteFieldKind::Region
        | RemoteFieldKind::Locale
        | RemoteFieldKind::Timezone
        | RemoteFieldKind::Other => json!({}),
    }
}

/// The kinds that Mautic 5 and 6 have. `lookup` suggests values and takes any; `multiselect` takes several, as `a|b`.
fn kind(name: &str) -> RemoteFieldKind {
    match name {
        "text" | "lookup" => RemoteFieldKind::Text,
        "textarea" | "html" => RemoteFieldKind::LongText,
        "number" => RemoteFieldKind::Number,
        "boolean" => RemoteFieldKind::Boolean,
        "select" => RemoteFieldKind::Select,
        "date" => RemoteFieldKind::Date,
        "datetime" => RemoteFieldKind::DateTime,
        "email" => RemoteFieldKind::Email,
        "tel" => RemoteFieldKind::Phone,
        "url" => RemoteFieldKind::Url,
        "country" => RemoteFieldKind::Country,
        "region" => RemoteFieldKind::Region,
        "locale" => RemoteFieldKind::Locale,
        "timezone" => RemoteFieldKind::Timezone,
        _ => RemoteFieldKind::Other,
    }
}

/// Mautic's name of a kind. What Tandem has no kind for is made as text.
const fn kind_name(kind: RemoteFieldKind) -> &'static str {
    match kind {
        RemoteFieldKind::Text | RemoteFieldKind::Other => "text",
        RemoteFieldKind::LongText => "textarea",
        RemoteFieldKind::Number => "number",
        RemoteFieldKind::Boolean => "boolean",
        RemoteFieldKind::Select => "select",
        RemoteFieldKind::Date => "date",
        RemoteFieldKind::DateTime => "datetime",
        RemoteFieldKind::Email => "email",
        RemoteFieldKind::Phone => "tel",
        RemoteFieldKind::Url => "url",
        RemoteFieldKind::Country => "country",
        RemoteFieldKind::Region => "region",
        RemoteFieldKind::Locale => "locale",
        RemoteFieldKind::Timezone => "timezone",
    }
}
