//! From the application's fields to the platform's: rules as data, transforms, and the difference to what was last sent.

pub mod check;
pub mod condition;
pub mod difference;
pub mod lists;
pub mod map;
pub mod problem;
pub mod reverse;
pub mod rule_set;
pub mod rules;
pub mod same;
pub mod set;
pub mod set_difference;
pub mod situations;
mod toml_text;
mod transforms;
pub mod vocabulary;
pub mod zero;

pub use check::Platform;
pub use condition::Condition;
pub use difference::{changed, is_equal};
pub use map::{Mapped, map};
pub use problem::{Problem, Severity};
pub use reverse::Reader;
pub use rule_set::{Dates, ObjectRules, RuleSet};
pub use rules::{FieldRole, FieldRule, Strategy};
pub use same::is_same;
pub use set::{Format, Mapping, MappingSet};
pub use situations::{Response, Situations, Vanished};
#[cfg(test)]
pub(crate) use transforms::tests::SmallVocabulary;
pub use vocabulary::{Country, Vocabulary};
pub use zero::casts_to_zero;
