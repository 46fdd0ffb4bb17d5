//! From the application's fields to the platform's: rules as data, transforms, and the difference to what was last sent.

pub mod difference;
pub mod map;
pub mod rules;
mod transforms;
pub mod vocabulary;
pub mod zero;

pub use difference::changed;
pub use map::{Mapped, map};
pub use rules::{FieldRule, RuleSet};
pub use vocabulary::{Country, Vocabulary};
pub use zero::casts_to_zero;
