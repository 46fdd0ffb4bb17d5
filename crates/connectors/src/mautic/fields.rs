//! The contact fields that a Mautic has, and how others are made.

use serde_json::{Value, json};
use tandem_core::domain::catalog::{FieldCatalog, HIGHEST_LIMIT, RemoteField, RemoteFieldKind};
use tandem_core::error::Result;
use tandem_core::mapping::rules::NewField;

use super::Mautic;
use super::client::Request;
use super::wire::{Field, Fields, Loosely, OneField};

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
    /// Whether Mautic itself told the limit.
    pub told: bool,
}

impl Mautic {
    /// All contact fields (recording `058-fields-list`).
    pub async fn contact_fields(&self) -> Result<Vec<ContactField>> {
        self.fields_of("fields/contact").await
    }

    /// All company fields: no contact field can have the alias of one.
    pub async fn company_fields(&self) -> Result<Vec<ContactField>> {
        self.fields_of("fields/company").await
    }

    async fn fields_of(&self, path: &str) -> Result<Vec<ContactField>> {
        let mut fields = Vec::new();
        for start in (0..).step_by(PAGE) {
            let request = Request::get(path).with("limit", PAGE).with("start", start);
            let page: Fields = self.client.call(request).await?;
            fields.extend(page.fields.into_values().map(contact_field));
            if start + PAGE >= page.total.0.unwrap_or(0) {
                break;
            }
        }
        Ok(fields)
    }

    /// Makes a contact field. Mautic adds a column to its table, which takes a while (recordings
    /// `059-field-create-subscription_tier` to `066-field-create-customer_since`). Text gets the highest limit that there is
    /// (recording `243-field-create-with-char-length-limit`).
    ///
    /// # Errors
    /// `Refused` naming `alias` when a field has it already (recording `067-field-create-duplicate`), or Mautic keeps it for
    /// itself (recording `211-field-create-utm-source-reserved`).
    pub async fn create_field(&self, alias: &str, field: &NewField) -> Result<ContactField> {
        let mut body = json!({
            "label": field.label,
            "alias": alias,
            "type": kind_name(field.kind),
            "properties": properties(field),
            "isPublished": true,
        });
        if has_limit(field.kind) {
            body["charLengthLimit"] = HIGHEST_LIMIT.into();
        }
        let request = Request::post("fields/contact/new").carrying(&body)?.in_bulk();
        self.saved_field(request).await
    }

    /// Lets a text field take as many characters as any can (recording `227-field-edit-limit` of 7.0.0).
    pub async fn raise_limit(&self, id: u64) -> Result<ContactField> {
        let path = format!("fields/contact/{id}/edit");
        self.saved_field(Request::patch(path).carrying(&json!({"charLengthLimit": HIGHEST_LIMIT}))?.in_bulk()).await
    }

    /// A field whose limit was set, which 5.1 does not show.
    async fn saved_field(&self, request: Request) -> Result<ContactField> {
        let answer: OneField = self.client.call(request).await?;
        let mut saved = contact_field(answer.field);
        if has_limit(saved.field.kind) {
            saved.field.limit = saved.field.limit.or(Some(HIGHEST_LIMIT));
        }
        Ok(saved)
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
    let limit = field.limit.and_then(|Loosely(limit)| limit).filter(|limit| *limit > 0);
    ContactField {
        alias: field.alias,
        published: field.is_published.is_truthy(),
        field: RemoteField { id: field.id.0, options, scale, limit, ..RemoteField::of_kind(kind(&field.kind)) },
        told: limit.is_some(),
    }
}

/// Whether a field of this kind holds free text of one line, which has a limit that can be set.
pub(super) const fn has_limit(kind: RemoteFieldKind) -> bool {
    matches!(kind, RemoteFieldKind::Text | RemoteFieldKind::Url)
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
