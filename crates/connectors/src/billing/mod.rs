//! What payment providers deliver: proof first ([`proof`]), then documents, which become lifecycle events. Pure; the time is
//! an argument.
//!
//! One folder a provider: `signature` (what proves a delivery), `wire` (documents as they are sent), `convert` (documents to
//! events).

mod document;
pub mod lemonsqueezy;
mod money;
pub mod proof;
pub mod stripe;
mod telling;

use std::fmt;

use tandem_core::automation::event::LifecycleEvent;
use tandem_core::domain::issue::FieldIssue;

/// A payment provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Stripe.
    Stripe,
    /// Lemon Squeezy.
    LemonSqueezy,
}

impl Provider {
    /// Its name, as the lifecycle rules, events' ids and addresses have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::LemonSqueezy => "lemonsqueezy",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a document tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// What happened, in order.
    Events(Vec<LifecycleEvent>),
    /// Nothing that Tandem uses, and why: a sentence for a person.
    Nothing(&'static str),
}

/// Why a proved document tells nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// It is no JSON object.
    #[error("the body is no JSON object that can be read (line {line}, column {column})")]
    Unreadable {
        /// Where the text stops being one, from 1 on; 0 when it is JSON of another kind.
        line: usize,
        /// The same for the column.
        column: usize,
    },
    /// It is of a kind that Tandem uses, and lacks what is needed.
    #[error("{}: {}", .0.field, .0.message)]
    Lacking(FieldIssue),
}

impl From<FieldIssue> for Unusable {
    fn from(issue: FieldIssue) -> Self {
        Self::Lacking(issue)
    }
}
