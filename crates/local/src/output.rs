//! What commands print: text for people or JSON for programs, results to standard output, errors to standard error.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;
use serde_json::json;

use crate::failure::CommandError;

/// Prints results.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON or text.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// A result: the value for programs, the text for people.
    pub fn result(&self, value: &impl Serialize, text: impl Display) {
        if self.json {
            self.line(json!(value));
        } else {
            self.line(text);
        }
    }

    /// A line that only people read.
    pub fn note(&self, text: impl Display) {
        if !self.json {
            self.line(text);
        }
    }

    /// Why the command failed.
    pub fn error(&self, error: &CommandError) {
        let mut err = std::io::stderr().lock();
        // With a closed terminal there is nobody left to tell.
        let _nobody_reads = if self.json {
            writeln!(err, "{}", json!({"error": error.to_string()}))
        } else {
            writeln!(err, "error: {error}")
        };
    }

    fn line(&self, text: impl Display) {
        let mut out = std::io::stdout().lock();
        // A reader that went away (`| head`) is no failure of the command.
        let _reader_left = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}
