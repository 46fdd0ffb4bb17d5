//! Files with mapping sets.

use std::path::Path;

use clap::ValueEnum;
use tandem_core::mapping::{Format, MappingSet, Problem};

use crate::failure::CommandError;

/// How a set is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

impl From<Form> for Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Toml => Self::Toml,
            Form::Json => Self::Json,
        }
    }
}

/// Reads a file: as what is said, else as what its ending says. The inner error is all that is wrong with what it holds.
pub fn read_file(path: &Path, form: Option<Form>) -> Result<Result<MappingSet, Vec<Problem>>, CommandError> {
    let form = match (form, path.extension().and_then(|ending| ending.to_str())) {
        (Some(form), _) => form,
        (None, Some("json")) => Form::Json,
        (None, Some("toml")) => Form::Toml,
        (None, _) => {
            let message =
                format!("{}: ends in neither .toml nor .json: say what it holds with --format", path.display());
            return Err(CommandError::Undone(message));
        }
    };
    let text = std::fs::read_to_string(path).map_err(CommandError::file(path))?;
    Ok(MappingSet::read(&text, form.into()))
}
