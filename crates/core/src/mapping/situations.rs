//! What follows from each situation of a record: one table, in which the settings of a mapping choose where there is a choice.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::situation::Situation;

/// What follows from a situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// An object is made.
    Create,
    /// The object becomes the record's, and is brought to what the record says.
    Link,
    /// The record's object is brought to what the record says.
    Update,
    /// The object stays as it is, and is the record's no more.
    Unlink,
    /// The object is deleted.
    Delete,
    /// The object gets a tag.
    Tag,
    /// Nothing: the record is left out. What its person said about being mailed still reaches an object that it has.
    Ignore,
    /// A person is needed; until then nothing is written.
    Issue,
}

impl Response {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Link => "link",
            Self::Update => "update",
            Self::Unlink => "unlink",
            Self::Delete => "delete",
            Self::Tag => "tag",
            Self::Ignore => "ignore",
            Self::Issue => "issue",
        }
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What shall follow where it is a choice; what is not said is as ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Situations {
    /// One object matches that no record has.
    #[serde(skip_serializing_if = "is_default")]
    pub found: WhenFound,
    /// Several objects match.
    #[serde(skip_serializing_if = "is_default")]
    pub ambiguous: WhenAmbiguous,
    /// The record's object is not there any more.
    #[serde(skip_serializing_if = "is_default")]
    pub missing: WhenMissing,
    /// The application does not have the record any more; without it the integration's setting counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Vanished>,
    /// The condition does not hold of a record that has an object.
    #[serde(skip_serializing_if = "is_default")]
    pub not_mapped: WhenNotMapped,
}

/// What follows when one object matches that no record has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFound {
    /// It is the record's from now on.
    #[default]
    Link,
    /// A person decides.
    Issue,
}

/// What follows when several objects match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenAmbiguous {
    /// A person merges them.
    #[default]
    Issue,
    /// The oldest is the record's from now on.
    Link,
}

/// What follows when the record's object is not there any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenMissing {
    /// It is made anew.
    #[default]
    Create,
    /// The record is left out: who deleted the object meant it.
    Ignore,
    /// A person decides.
    Issue,
}

/// What follows when the condition does not hold of a record that has an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenNotMapped {
    /// The object stays the record's, and is not kept in step.
    #[default]
    Keep,
    /// It is the record's no more.
    Unlink,
}

/// What becomes of an object whose record the application deleted, or does not have any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Vanished {
    /// Nothing: it stays as it is.
    #[default]
    Keep,
    /// It gets this tag.
    Tag(String),
    /// It is not mailed any more.
    Unsubscribe,
    /// It is deleted, and all that is kept of it.
    Delete,
}

/// A text that is none of the rules.
#[derive(Debug, thiserror::Error)]
#[error("is one of keep, tag:NAME, unsubscribe, delete")]
pub struct UnknownRule;

impl Situations {
    /// The keys of a document.
    pub const KEYS: &'static [&'static str] = &["found", "ambiguous", "missing", "gone", "not_mapped"];

    /// What follows from a situation; `has_object` says whether the record has an object on the platform. The one table.
    #[must_use]
    pub const fn response(&self, situation: Situation, has_object: bool) -> Response {
        match situation {
            Situation::Linked => Response::Update,
            Situation::Absent => Response::Create,
            Situation::Found => match self.found {
                WhenFound::Link => Response::Link,
                WhenFound::Issue => Response::Issue,
            },
            Situation::Ambiguous => match self.ambiguous {
                WhenAmbiguous::Issue => Response::Issue,
                WhenAmbiguous::Link => Response::Link,
            },
            Situation::Taken => Response::Issue,
            Situation::Merged => Response::Link,
            Situation::Missing => match self.missing {
                WhenMissing::Create => Response::Create,
                WhenMissing::Ignore => Response::Ignore,
                WhenMissing::Issue => Response::Issue,
            },
            Situation::Gone => match &self.gone {
                Some(Vanished::Delete) => Response::Delete,
                // What the application does not have is not made on the platform.
                _ if !has_object => Response::Ignore,
                Some(Vanished::Tag(_)) => Response::Tag,
                // An opt-out of the person stands in the consent ledger, and goes along with the update.
                None | Some(Vanished::Keep | Vanished::Unsubscribe) => Response::Update,
            },
            Situation::NotMapped => match self.not_mapped {
                WhenNotMapped::Unlink if has_object => Response::Unlink,
                WhenNotMapped::Keep | WhenNotMapped::Unlink => Response::Ignore,
            },
            Situation::Erased => Response::Ignore,
        }
    }

    /// The same, with what becomes of vanished records where the document does not say it.
    #[must_use]
    pub fn or_when_gone(mut self, rule: &Vanished) -> Self {
        self.gone.get_or_insert_with(|| rule.clone());
        self
    }

    /// What becomes of vanished records.
    #[must_use]
    pub fn when_gone(&self) -> &Vanished {
        self.gone.as_ref().unwrap_or(&Vanished::Keep)
    }

    /// Whether a document needs to say nothing of it.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The tag where none is named.
const USUAL_TAG: &str = "deleted-in-application";

impl Vanished {
    /// The tag of an object whose record is gone.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(name) => Some(name),
            Self::Keep | Self::Unsubscribe | Self::Delete => None,
        }
    }
}

impl FromStr for Vanished {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        match text.trim().split_once(':').unwrap_or((text.trim(), "")) {
            ("keep", "") => Ok(Self::Keep),
            ("tag", "") => Ok(Self::Tag(USUAL_TAG.to_owned())),
            ("tag", name) => Ok(Self::Tag(name.trim().to_owned())),
            ("unsubscribe", "") => Ok(Self::Unsubscribe),
            ("delete", "") => Ok(Self::Delete),
            _ => Err(UnknownRule),
        }
    }
}

impl TryFrom<String> for Vanished {
    type Error = UnknownRule;

    fn try_from(text: String) -> Result<Self, UnknownRule> {
        text.parse()
    }
}

impl From<Vanished> for String {
    fn from(rule: Vanished) -> Self {
        match rule {
            Vanished::Keep => "keep".to_owned(),
            Vanished::Tag(name) => format!("tag:{name}"),
            Vanished::Unsubscribe => "unsubscribe".to_owned(),
            Vanished::Delete => "delete".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: serde_json::Value) -> Situations {
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn without_a_word_everything_is_as_ever() {
        let usual = Situations::default();
        let follows = |situation| (usual.response(situation, true), usual.response(situation, false));
        for (situation, linked, alone) in [
            (Situation::Linked, Response::Update, Response::Update),
            (Situation::Absent, Response::Create, Response::Create),
            (Situation::Found, Response::Link, Response::Link),
            (Situation::Ambiguous, Response::Issue, Response::Issue),
            (Situation::Taken, Response::Issue, Response::Issue),
            (Situation::Merged, Response::Link, Response::Link),
            (Situation::Missing, Response::Create, Response::Create),
            (Situation::Gone, Response::Update, Response::Ignore),
            (Situation::NotMapped, Response::Ignore, Response::Ignore),
            (Situation::Erased, Response::Ignore, Response::Ignore),
        ] {
            assert_eq!(follows(situation), (linked, alone), "{situation}");
        }
        assert_eq!(serde_json::to_value(&usual).unwrap(), json!({}));
    }

    #[test]
    fn what_is_chosen_follows() {
        let chosen = read(json!({
            "found": "issue", "ambiguous": "link", "missing": "ignore", "gone": "tag", "not_mapped": "unlink",
        }));
        assert_eq!(chosen.response(Situation::Found, false), Response::Issue);
        assert_eq!(chosen.response(Situation::Ambiguous, false), Response::Link);
        assert_eq!(chosen.response(Situation::Missing, false), Response::Ignore);
        assert_eq!(chosen.response(Situation::Gone, true), Response::Tag);
        assert_eq!(chosen.response(Situation::NotMapped, true), Response::Unlink);
        assert_eq!(read(json!({"missing": "issue"})).response(Situation::Missing, false), Response::Issue);
        assert_eq!(read(json!({"gone": "delete"})).response(Situation::Gone, false), Response::Delete);
        assert_eq!(serde_json::to_value(&chosen).unwrap()["gone"], "tag:deleted-in-application");
    }

    #[test]
    fn the_integrations_rule_for_vanished_records_counts_where_the_mapping_has_none() {
        let own = read(json!({"gone": "unsubscribe"})).or_when_gone(&Vanished::Delete);
        assert_eq!(own.when_gone(), &Vanished::Unsubscribe);
        assert_eq!(Situations::default().or_when_gone(&Vanished::Delete).when_gone(), &Vanished::Delete);
        assert!(serde_json::from_value::<Situations>(json!({"gone": "burn"})).is_err());
    }
}
