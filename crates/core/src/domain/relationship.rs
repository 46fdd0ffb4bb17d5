//! What a record says of other records: the organisation that a person works for, the people of a deal. Said by the other
//! record's id, in columns with names of their own, so that a row of a file, of a view and of a call say it alike. Pure.

use serde_json::Value;

use super::identity::{ExternalId, Identity, RecordKey};
use super::issue::{FieldIssue, IssueCode};
use super::kind::Kind;
use super::record::Fields;

/// That a record has to do with another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relationship {
    /// The other record's kind.
    pub kind: Kind,
    /// The other record's id, as the application knows it. It need not be known to Tandem yet.
    pub id: ExternalId,
}

impl Relationship {
    /// The other record's identity.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.id.identity_as(self.kind)
    }

    /// The other record's key, where its kind is known by ids alone; a person may have been known by an address first.
    #[must_use]
    pub fn key(&self) -> Option<RecordKey> {
        match self.kind {
            Kind::Organisation | Kind::Deal => Some(RecordKey::first_known_by(&self.identity())),
            Kind::Person => None,
        }
    }
}

/// The relationships of a record, in the order of their weight: the first of a kind is the primary one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// What could be read.
    pub relationships: Vec<Relationship>,
    /// What could not.
    pub issues: Vec<FieldIssue>,
}

/// A column that names other records.
struct Column {
    name: &'static str,
    of: Kind,
    /// Whether it may name several: as a list, or as text with commas between the ids.
    several: bool,
}

/// The columns, the one of the primary record of a kind first.
const COLUMNS: [Column; 4] = [
    Column { name: "organisation_id", of: Kind::Organisation, several: false },
    Column { name: "organisation_ids", of: Kind::Organisation, several: true },
    Column { name: "person_id", of: Kind::Person, several: false },
    Column { name: "person_ids", of: Kind::Person, several: true },
];

/// So many records of a kind may be named by one column.
const AT_MOST: usize = 100;

/// Whether a column of this name says a relationship of records of this kind.
#[must_use]
pub fn is_column(kind: Kind, name: &str) -> bool {
    columns(kind).any(|column| column.name == name)
}

/// Whether a column of this name says a relationship of records of any kind.
#[must_use]
pub fn is_any_column(name: &str) -> bool {
    COLUMNS.iter().any(|column| column.name == name)
}

/// The names of the columns that say relationships of records of this kind.
pub fn columns_of(kind: Kind) -> impl Iterator<Item = &'static str> {
    columns(kind).map(|column| column.name)
}

/// What records of a kind may have to do with.
fn columns(kind: Kind) -> impl Iterator<Item = &'static Column> {
    let takes = move |column: &&Column| match (kind, column.of) {
        (Kind::Person | Kind::Deal, Kind::Organisation) | (Kind::Deal, Kind::Person) => true,
        (Kind::Person, Kind::Person) | (Kind::Organisation, _) | (_, Kind::Deal) => false,
    };
    COLUMNS.iter().filter(takes)
}

/// Reads what a record of a kind says of others.
#[must_use]
pub fn said(kind: Kind, fields: &Fields) -> Said {
    let mut said = Said::default();
    for column in columns(kind) {
        let Some(value) = fields.get(column.name) else { continue };
        match column.ids(value) {
            Ok(ids) => {
                let found = ids.into_iter().map(|id| Relationship { kind: column.of, id });
                for one in found {
                    if !said.relationships.contains(&one) {
                        said.relationships.push(one);
                    }
                }
            }
            Err((code, message)) => said.issues.push(FieldIssue::new(column.name, code, message)),
        }
    }
    said
}

/// The relationships alone.
#[must_use]
pub fn of(kind: Kind, fields: &Fields) -> Vec<Relationship> {
    said(kind, fields).relationships
}

/// Whether a record of a kind names another one of the kind `of`.
#[must_use]
pub fn names(kind: Kind, of: Kind, fields: &Fields) -> bool {
    said(kind, fields).relationships.iter().any(|one| one.kind == of)
}

impl Column {
    fn ids(&self, value: &Value) -> Result<Vec<ExternalId>, (IssueCode, String)> {
        let texts: Vec<String> = match value {
            Value::Null => Vec::new(),
            Value::String(text) if self.several => text.split([',', ';']).map(str::to_owned).collect(),
            Value::String(text) => vec![text.clone()],
            Value::Number(number) if number.is_u64() => vec![number.to_string()],
            Value::Array(list) if self.several => {
                list.iter().map(plain).collect::<Option<_>>().ok_or_else(wrong_type)?
            }
            Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err(wrong_type()),
        };
        let given: Vec<String> = texts.into_iter().filter(|text| !text.trim().is_empty()).collect();
        if given.len() > AT_MOST {
            return Err((IssueCode::TooLong, format!("A record names at most {AT_MOST} others of a kind.")));
        }
        let read = given.into_iter().map(ExternalId::try_from).collect::<Result<_, _>>();
        read.map_err(|error| (IssueCode::Invalid, format!("An id {error}.")))
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        Value::Null => Some(String::new()),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn wrong_type() -> (IssueCode, String) {
    (IssueCode::WrongType, "The value must be an id, or a list of ids where the column takes several.".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: Kind, value: Value) -> (Vec<String>, Vec<String>) {
        let fields: Fields = value.as_object().unwrap().clone().into_iter().collect();
        let Said { relationships, issues } = said(kind, &fields);
        let told = relationships.iter().map(|one| format!("{} {}", one.kind, one.id.as_str())).collect();
        (told, issues.into_iter().map(|issue| issue.field).collect())
    }

    #[test]
    fn a_list_a_text_with_commas_and_numbers_say_the_same_and_the_primary_one_comes_first() {
        for ids in [json!(["b", 7, "a"]), json!("b, 7;a"), json!([" b", "7", "", null, "a", "a"])] {
            let (told, issues) = read(Kind::Person, json!({"organisation_ids": ids, "organisation_id": "a"}));
            assert_eq!(told, ["organisation a", "organisation b", "organisation 7"]);
            assert!(issues.is_empty());
        }
    }

    #[test]
    fn an_id_with_a_comma_is_one_where_the_column_takes_one() {
        assert_eq!(read(Kind::Person, json!({"organisation_id": "a,b"})).0, ["organisation a,b"]);
        assert_eq!(read(Kind::Person, json!({"organisation_id": null, "organisation_ids": "  "})).0.len(), 0);
    }

    #[test]
    fn each_kind_has_to_do_with_what_it_can() {
        let all = json!({"organisation_id": 1, "person_id": 2, "person_ids": [3], "organisation_ids": "4"});
        assert_eq!(read(Kind::Person, all.clone()).0, ["organisation 1", "organisation 4"]);
        assert_eq!(read(Kind::Deal, all.clone()).0, ["organisation 1", "organisation 4", "person 2", "person 3"]);
        assert!(read(Kind::Organisation, all).0.is_empty());
    }

    #[test]
    fn what_is_no_id_is_told_with_its_column_and_loses_no_other() {
        let odd =
            json!({"organisation_id": {"a": 1}, "organisation_ids": [true], "person_id": "p", "person_ids": "x\u{7}"});
        let (told, issues) = read(Kind::Deal, odd);
        assert_eq!(told, ["person p"]);
        assert_eq!(issues, ["organisation_id", "organisation_ids", "person_ids"]);
    }
}
