//! What lifecycle rules say, whether they can be meant, and what events would do by them: for people who write rules. The command
//! and the admin API say the same.

mod describe;
mod doubts;
mod events;
mod live;

use serde::{Deserialize, Serialize};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::mapping::RuleSet;

pub use describe::Described;
pub use events::{Explained, ExplainedEvents, MOST_EVENTS, Unexplained, explained};
pub use live::{EVENTS, Live, look};

/// What was found of rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// Whether they can be used.
    pub sound: bool,
    /// All that is wrong, a sentence each, with the place.
    pub problems: Vec<String>,
    /// What is sound by its form and may not be meant.
    pub notes: Vec<String>,
    /// What they say; `None` for such as can't be used.
    pub says: Option<Described>,
    /// What the platform has of what they need; `None` where nobody asked it.
    pub live: Option<Live>,
}

/// Looks at rules that were read, or could not be; gives those that can be used. Pure.
#[must_use]
pub fn checked(read: Result<RuleBook, Vec<String>>, fields: &RuleSet) -> (Checked, Option<RuleBook>) {
    let read = read.and_then(|book| match doubts::impossible_values(&book, fields) {
        impossible if impossible.is_empty() => Ok(book),
        impossible => Err(impossible),
    });
    match read {
        Ok(book) => {
            let mut notes = doubts::unsent_events(&book, fields);
            notes.extend(doubts::lists_given_twice(&book));
            let says = Some(describe::described(&book));
            (Checked { sound: true, problems: Vec::new(), notes, says, live: None }, Some(book))
        }
        Err(problems) => (Checked { sound: false, problems, notes: Vec::new(), says: None, live: None }, None),
    }
}
