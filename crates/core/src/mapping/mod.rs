//! From the application's fields to the platform's: rules as data, transforms, and the difference to what was last sent.

pub mod difference;
pub mod lists;
pub mod map;
pub mod reverse;
pub mod rules;
pub mod same;
mod transforms;
pub mod vocabulary;
pub mod zero;

pub use difference::{changed, is_equal};
pub use map::{Mapped, map};
pub use reverse::Reader;
pub use rules::{FieldRule, RuleSet, Strategy};
pub use same::is_same;
#[cfg(test)]
pub(crate) use transforms::tests::SmallVocabulary;
pub use vocabulary::{Country, Vocabulary};
pub use zero::casts_to_zero;
