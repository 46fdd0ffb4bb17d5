//! Field rules: which of the application's fields goes to which field of the platform, and how. Data: read from TOML or JSON, and
//! written back so that nothing is lost and what is usual is not said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::catalog::RemoteFieldKind;
use crate::domain::kind::Kind;

/// One rule. The keys of its table are the fields below; any other key is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// The application's name of the field.
    pub local: String,
    /// What the field means to Tandem itself; `None` for a value like any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<FieldRole>,
    /// Other names under which callers send it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Another local field that gives the value when the record holds none under the rule's own names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Where the field stands in a request, when that is not just its name: `contact.first_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What of a contact the rule writes.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub target: Target,
    /// The platform's field name; there exactly when the target is a field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Which way values flow.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub direction: Direction,
    /// How a value gets the platform's form.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub transform: Transform,
    /// Whether a record without a value is worth an issue.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub required: bool,
    /// Stands in for a value that is absent or blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What an explicit `null` does.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub blank: Blank,
    /// The first value stays: a field that is absent or `null` here is never cleared there.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub preserve_if_absent: bool,
    /// What happens when both sides changed the field; `None` leaves it to the integration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Strategy>,
    /// Where the record names another one of this kind, that relationship decides what stands in the field on the platform: then
    /// the rule neither sends it nor takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_way_to: Option<Kind>,
    /// Whether the platform lists this field among its contact fields.
    #[serde(default = "listed", skip_serializing_if = "Clone::clone")]
    pub catalog: bool,
    /// How the field is made on a platform that lacks it; `None` for what the platform brings along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_field: Option<NewField>,
}

fn listed() -> bool {
    true
}

/// What need not be written down.
fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl FieldRule {
    /// All names that the rule answers to, the local one first.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        std::iter::once(self.local.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// Whether the rule writes a value of the contact to the platform.
    #[must_use]
    pub fn pushes(&self) -> bool {
        match self.direction {
            Direction::Push | Direction::Both => match self.target {
                Target::Field | Target::Tags | Target::Stage => true,
                // Segments are memberships, set apart from the contact's values.
                Target::Segments | Target::None => false,
            },
            Direction::Pull => false,
        }
    }

    /// Whether both rules write the same thing on the platform.
    #[must_use]
    pub fn writes_as(&self, other: &Self) -> bool {
        self.target == other.target && self.remote == other.remote
    }

    /// Whether values come back from the platform. Who somebody is and what was said about being mailed never do as values: an
    /// address is an identity ([`FieldRule::takes_corrections`]), and consent has rules of its own.
    #[must_use]
    pub fn pulls(&self) -> bool {
        let comes_back = matches!(self.direction, Direction::Pull | Direction::Both)
            && matches!(self.target, Target::Field | Target::Tags | Target::Stage);
        let is_value = !matches!(self.transform, Transform::Constant(_) | Transform::Email);
        comes_back && is_value && self.role.is_none()
    }

    /// Whether an address that people correct on the platform comes back to the record. Else it is left to a person.
    #[must_use]
    pub fn takes_corrections(&self) -> bool {
        self.role == Some(FieldRole::Address) && self.direction == Direction::Both
    }
}

/// What a field means to Tandem itself. A set has at most one rule of each role, and of such fields a platform changes none but
/// the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldRole {
    /// The address that the person is mailed at, and known by.
    Address,
    /// The application's id of the record.
    ExternalId,
    /// Whether the person wants to be mailed: what the consent ledger says.
    Consent,
    /// When the application changed the record last.
    Moment,
}

impl FieldRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Address, Self::ExternalId, Self::Consent, Self::Moment];

    /// The role as documents write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::ExternalId => "external_id",
            Self::Consent => "consent",
            Self::Moment => "moment",
        }
    }
}

/// What happens to a field that both sides changed since they last agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The side that changed later stands; the application, when neither did.
    #[default]
    LastWriteWins,
    /// Sets are merged; of other fields the application's value stands, unless it is blank.
    FieldMerge,
    /// Neither is overwritten: a person chooses.
    Manual,
}

impl std::str::FromStr for Strategy {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.trim().to_lowercase().as_str() {
            "last_write_wins" => Ok(Self::LastWriteWins),
            "field_merge" => Ok(Self::FieldMerge),
            "manual" => Ok(Self::Manual),
            _ => Err("must be last_write_wins, field_merge or manual"),
        }
    }
}

/// What of a contact a rule writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The field named by `remote`.
    #[default]
    Field,
    /// The contact's tags.
    Tags,
    /// The contact's stage.
    Stage,
    /// The segments that the contact is in: each name goes through the rule's lookup.
    Segments,
    /// Nothing: the field is known and on purpose not sent.
    None,
}

/// Which way values flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the platform only.
    Push,
    /// From the platform only.
    Pull,
    /// Both ways.
    #[default]
    Both,
}

/// What an explicit `null` does to the platform's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blank {
    /// Nothing.
    #[default]
    Keep,
    /// Takes it away.
    Clear,
}

/// How a value gets the platform's form. In documents a name (`"phone"`), or `{ constant = … }`, `{ lookup = { … } }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Any text, number or boolean, as it is.
    #[default]
    Direct,
    /// This value, whatever the record says.
    Constant(Value),
    /// The value that the table gives for the text, compared without regard to letter case.
    Lookup(BTreeMap<String, Value>),
    /// One line of text.
    Text,
    /// An email address.
    Email,
    /// A telephone number in E.164.
    Phone,
    /// The platform's name of a country.
    Country,
    /// The platform's name of a state or region.
    State,
    /// The platform's name of a locale.
    Locale,
    /// An IANA time zone.
    Timezone,
    /// A number.
    Number,
    /// Yes or no.
    Bool,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A moment, `YYYY-MM-DDTHH:MM:SSZ`.
    #[serde(rename = "datetime")]
    DateTime,
    /// One of the field's options.
    Select,
    /// A web address.
    Url,
    /// A list of tag names.
    Tags,
}

/// How a field is made on the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewField {
    /// What people read beside it.
    pub label: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: RemoteFieldKind,
    /// The values that a select takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Decimal places of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u8>,
}
