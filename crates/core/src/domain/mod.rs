//! The nouns of Tandem: values that are checked when they are made and can be trusted afterwards.

pub mod association;
pub mod author;
pub mod catalog;
pub mod consent;
pub mod dated;
pub mod engagement;
pub mod identity;
pub mod issue;
pub mod kind;
pub mod link;
pub mod operation;
pub mod platform;
pub mod record;
pub mod relationship;
pub mod role;
pub mod scope;
pub mod situation;
pub mod tenant;
pub mod whom;
