//! Taking values out of a document, with an issue that names the field when one is missing or not what it should be.

use serde_json::Value;
use tandem_core::domain::issue::{FieldIssue, IssueCode};

/// A part of a document, and the path that leads to it. `null` counts as absent.
#[derive(Clone, Debug)]
pub(super) struct Document<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Document<'a> {
    /// The whole document.
    pub fn whole(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// What is under a name.
    pub fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { value, path: self.path_of(name) })
    }

    /// What is under names, one inside the other.
    pub fn find(&self, names: &[&str]) -> Option<Self> {
        names.iter().try_fold(self.clone(), |part, name| part.get(name))
    }

    /// What must be under a name.
    pub fn need(&self, name: &str) -> Result<Self, FieldIssue> {
        self.get(name).ok_or_else(|| FieldIssue::new(self.path_of(name), IssueCode::Missing, "The document lacks it."))
    }

    /// The parts of a list; none when this is no list.
    pub fn items(&self) -> Vec<Self> {
        let values = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        let part = |(index, value)| Self { value, path: format!("{}[{index}]", self.path) };
        values.iter().enumerate().map(part).collect()
    }

    /// Text that is not blank; a whole number is taken as text.
    pub fn text(&self) -> Result<String, FieldIssue> {
        let text = match self.value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            _ => return Err(self.issue(IssueCode::WrongType, "The value must be text.")),
        };
        if text.is_empty() { Err(self.issue(IssueCode::Missing, "The value is blank.")) } else { Ok(text) }
    }

    /// A whole number.
    pub fn number(&self) -> Result<i64, FieldIssue> {
        self.value.as_i64().ok_or_else(|| self.issue(IssueCode::WrongType, "The value must be a whole number."))
    }

    /// Whether it is `true`.
    pub fn is_true(&self) -> bool {
        self.value == &Value::Bool(true)
    }

    /// The id of an object, which providers give as text, or as the object itself.
    pub fn id(&self) -> Result<String, FieldIssue> {
        if self.value.is_object() { self.need("id")?.text() } else { self.text() }
    }

    /// Text under a name, if it is there and usable: for what nothing depends on.
    pub fn text_at(&self, name: &str) -> Option<String> {
        self.get(name)?.text().ok()
    }

    /// The id of an object under a name, if it is there and usable.
    pub fn id_at(&self, name: &str) -> Option<String> {
        self.get(name)?.id().ok()
    }

    /// Something that is wrong with this part.
    pub fn issue(&self, code: IssueCode, message: &str) -> FieldIssue {
        FieldIssue::new(self.path.clone(), code, message)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_of_another_type_is_named_by_its_path() {
        let value = json!({"data": {"object": {"id": " ", "items": [{"price": {"id": 7}}], "n": null}}});
        let object = Document::whole(&value).find(&["data", "object"]).unwrap();
        assert_eq!(object.need("n").unwrap_err().field, "data.object.n");
        assert_eq!(object.need("id").unwrap().text().unwrap_err().field, "data.object.id");
        let item = object.need("items").unwrap().items().remove(0);
        assert_eq!(item.need("price").unwrap().text().unwrap_err().field, "data.object.items[0].price");
        assert_eq!(item.need("price").unwrap().id().unwrap(), "7");
    }

    #[test]
    fn complaints_never_repeat_the_value() {
        let value = json!({"email": ["secret"]});
        let issue = Document::whole(&value).need("email").unwrap().text().unwrap_err();
        assert!(!format!("{issue:?}").contains("secret"));
    }
}
