//! Which fields the platform has: what it lacks would be dropped there without a word.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The platform's contact fields by name, as it listed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCatalog {
    /// Fields by alias.
    pub fields: BTreeMap<String, RemoteField>,
    /// When the list was read, by Tandem's clock.
    pub read_at: Timestamp,
}

/// One field of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteField {
    /// The platform's id of the field: one that was deleted and made anew has another.
    #[serde(default)]
    pub id: String,
    /// What it holds.
    pub kind: RemoteFieldKind,
    /// The values that a select takes; empty for other kinds.
    pub options: Vec<String>,
    /// Decimal places of a number, when the platform rounds.
    pub scale: Option<u8>,
    /// The most characters that a value may have, when the platform tells or Tandem itself has set it. Mautic 7 tells
    /// (recording `058-fields-list` of 7.0.0), 5.1 doesn't.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// The most characters that a text field takes whose limit nobody tells: Mautic's own default (recordings
/// `242-contact-create-custom-text-65-characters`, `205-text-of-65` of 7.0.0).
pub const USUAL_LIMIT: usize = 64;

/// The most characters that a text field can be made to take (recordings `243-field-create-with-char-length-limit`,
/// `227-field-edit-limit` of 7.0.0).
pub const HIGHEST_LIMIT: usize = 191;

impl RemoteField {
    /// The most characters that one line of text may have in this field.
    #[must_use]
    pub fn text_limit(&self) -> Option<usize> {
        match (self.limit, self.kind) {
            (Some(limit), _) => Some(limit),
            (None, RemoteFieldKind::LongText) => None,
            (None, _) => Some(USUAL_LIMIT),
        }
    }
}

impl FieldCatalog {
    /// This list with what an earlier one knows of the same fields and this one does not tell: limits that were set.
    #[must_use]
    pub fn remembering(mut self, earlier: &Self) -> Self {
        for (name, field) in &mut self.fields {
            let known = earlier.fields.get(name).filter(|known| known.id == field.id && known.kind == field.kind);
            field.limit = field.limit.or_else(|| known?.limit);
        }
        self
    }
}

/// What a field holds, as far as Tandem treats it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteFieldKind {
    /// One line of free text, with a limit.
    Text,
    /// Free text without a limit.
    LongText,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// One of `options`.
    Select,
    /// A day.
    Date,
    /// A moment, to the minute.
    DateTime,
    /// An email address.
    Email,
    /// A telephone number.
    Phone,
    /// A web address.
    Url,
    /// One of the platform's countries.
    Country,
    /// One of the platform's regions.
    Region,
    /// One of the platform's locales.
    Locale,
    /// One of the platform's time zones.
    Timezone,
    /// Anything else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: &str, kind: RemoteFieldKind, limit: Option<usize>) -> RemoteField {
        RemoteField { id: id.to_owned(), kind, options: Vec::new(), scale: None, limit }
    }

    fn list(fields: &[(&str, RemoteField)]) -> FieldCatalog {
        let fields = fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect();
        FieldCatalog { fields, read_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_limit_that_was_set_is_remembered_for_the_same_field_until_the_platform_tells_another() {
        use RemoteFieldKind::Text;
        let earlier = list(&[("a", field("1", Text, Some(191))), ("b", field("2", Text, Some(191)))]);
        let again = list(&[("a", field("1", Text, None)), ("b", field("9", Text, None))]).remembering(&earlier);
        assert_eq!(again.fields["a"].limit, Some(191));
        assert_eq!(again.fields["b"].limit, None, "another field has the name now");
        let told = list(&[("a", field("1", Text, Some(64)))]).remembering(&earlier);
        assert_eq!(told.fields["a"].limit, Some(64));
    }

    #[test]
    fn a_text_field_without_a_known_limit_takes_64_characters() {
        assert_eq!(field("1", RemoteFieldKind::Text, None).text_limit(), Some(64));
        assert_eq!(field("1", RemoteFieldKind::Text, Some(191)).text_limit(), Some(191));
        assert_eq!(field("1", RemoteFieldKind::LongText, None).text_limit(), None);
        assert_eq!(field("1", RemoteFieldKind::LongText, Some(500)).text_limit(), Some(500));
    }
}
