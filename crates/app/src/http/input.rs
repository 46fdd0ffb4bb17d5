//! Taking values out of a request, with an issue that names the field when one is not what it should be.

use serde_json::{Map, Value};
use tandem_core::domain::consent;
use tandem_core::domain::identity::{Email, ExternalId};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::record::is_blank_text;

/// The longest name that Mautic gives anything, in characters.
const LONGEST_NAME: usize = 255;

/// A part of a request, and the path that leads to it.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    object: &'a Map<String, Value>,
    path: &'static str,
}

impl<'a> Input<'a> {
    /// The request itself.
    pub fn root(object: &'a Map<String, Value>) -> Self {
        Self { object, path: "" }
    }

    /// An object inside; an empty path means that its fields are named as they are.
    ///
    /// # Errors
    /// When there is something else under the name.
    pub fn object(&self, name: &str, path: &'static str) -> Result<Option<Input<'a>>, FieldIssue> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Input { object, path })),
            Some(_) => Err(self.wrong_type(name, "an object")),
        }
    }

    /// The entries of this part.
    pub fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        self.object.iter()
    }

    /// The caller's path of a field.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, FieldIssue> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong_type(name, "text")),
        }
    }

    /// An address. A blank one is absent.
    ///
    /// # Errors
    /// When it is none.
    pub fn email(&self, name: &str) -> Result<Option<Email>, FieldIssue> {
        match self.text(name)?.filter(|text| !text.trim().is_empty()) {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|error| self.issue(name, IssueCode::Invalid, format!("The value {error}."))),
        }
    }

    /// The application's id: text, or a whole number.
    ///
    /// # Errors
    /// When it is something else, too long, or holds control characters.
    pub fn external_id(&self, name: &str) -> Result<Option<ExternalId>, FieldIssue> {
        let Some(text) = self.text_or_number(name)? else { return Ok(None) };
        ExternalId::try_from(text)
            .map(Some)
            .map_err(|error| self.issue(name, IssueCode::Invalid, format!("The value {error}.")))
    }

    /// An id of Mautic: a positive whole number, as a number or as text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn remote_id(&self, name: &str) -> Result<Option<RemoteId>, FieldIssue> {
        let Some(text) = self.text_or_number(name)? else { return Ok(None) };
        let number: Option<u64> = text.trim().parse().ok().filter(|number| *number > 0);
        match number {
            Some(number) => Ok(Some(RemoteId(number.to_string()))),
            None => Err(self.issue(name, IssueCode::Invalid, "The value must be a positive whole number.")),
        }
    }

    /// A name of something of Mautic, without blanks around it; a blank one is absent.
    ///
    /// # Errors
    /// When it is no text, or longer than any name of Mautic.
    pub fn name(&self, name: &str) -> Result<Option<&'a str>, FieldIssue> {
        match self.text(name)?.map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) if text.chars().count() > LONGEST_NAME => {
                Err(self.issue(name, IssueCode::TooLong, format!("A name takes at most {LONGEST_NAME} characters.")))
            }
            text => Ok(text),
        }
    }

    /// Yes or no.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, FieldIssue> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::Number(number)) if number.as_u64() == Some(0) => Ok(Some(false)),
            Some(Value::Number(number)) if number.as_u64() == Some(1) => Ok(Some(true)),
            Some(Value::String(text)) => self.flag_of_text(name, text),
            Some(_) => Err(self.wrong_type(name, "true or false")),
        }
    }

    /// What is said about being mailed, in any of the words for it. Blank says nothing.
    ///
    /// # Errors
    /// When it is neither yes nor no.
    pub fn consent(&self, name: &str) -> Result<Option<bool>, FieldIssue> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) if is_blank_text(value) => Ok(None),
            Some(value) => consent::said(value).map(Some).ok_or_else(|| {
                let message = "The value says neither yes nor no to being mailed. Somebody new is not mailed until one of them is said.";
                self.issue(name, IssueCode::UnreadableConsent, message)
            }),
        }
    }

    fn flag_of_text(&self, name: &str, text: &str) -> Result<Option<bool>, FieldIssue> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "true" | "1" | "yes" | "t" | "y" => Ok(Some(true)),
            "false" | "0" | "no" | "f" | "n" => Ok(Some(false)),
            _ => Err(self.issue(name, IssueCode::Invalid, "The value must be true or false.")),
        }
    }

    fn text_or_number(&self, name: &str) -> Result<Option<String>, FieldIssue> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
            Some(_) => Err(self.wrong_type(name, "text or a whole number")),
        }
    }

    /// An issue with a field of this part.
    pub fn issue(&self, name: &str, code: IssueCode, message: impl Into<String>) -> FieldIssue {
        FieldIssue::new(self.path_of(name), code, message)
    }

    /// A field of another type than it takes.
    pub fn wrong_type(&self, name: &str, wanted: &str) -> FieldIssue {
        self.issue(name, IssueCode::WrongType, format!("The value must be {wanted}."))
    }
}
