//! A platform's things that are no people: companies, accounts, opportunities. Optional beside the marketing platform.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::catalog::FieldCatalog;
use crate::domain::link::RemoteId;
use crate::error::Result;

/// The most things that one call of the port is given.
pub const OBJECTS_AT_ONCE: usize = 10;

/// A thing as the platform holds it.
#[derive(Clone, PartialEq)]
pub struct RemoteObject {
    /// Its id, the object's name before it.
    pub id: RemoteId,
    /// All fields by the platform's names, `null` ones left out.
    pub fields: BTreeMap<String, Value>,
}

impl fmt::Debug for RemoteObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteObject").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is written.
#[derive(Clone, Default, PartialEq)]
pub struct ObjectWrite {
    /// Values by the platform's names.
    pub fields: BTreeMap<String, Value>,
    /// Fields to blank.
    pub clear: Vec<String>,
}

impl fmt::Debug for ObjectWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.fields.keys().collect();
        f.debug_struct("ObjectWrite").field("fields", &names).field("clear", &self.clear).finish()
    }
}

/// What a look-up by names shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LookedUp {
    /// Things that may bear one of the names, in any letter case and with any accents; others may be among them.
    pub found: Vec<RemoteObject>,
    /// Names of which it was not seen whether the platform has a thing that bears them.
    pub unseen: BTreeMap<String, Unseen>,
}

/// Why a name was not looked for to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// What it would have to be looked for among is more than is read of a list.
    TooMany,
    /// It took longer than a look-up may.
    TooSlow,
}

/// A page of the list of all things of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectPage {
    /// The things.
    pub things: Vec<RemoteObject>,
    /// How many stand before the next page; `None` behind the last one.
    pub next: Option<usize>,
}

/// The results of a call, in the order of what was given.
pub type ObjectOutcomes = Vec<Result<RemoteObject>>;

/// A platform's things that are no people. Methods take slices of at most [`OBJECTS_AT_ONCE`]; a platform without batches makes
/// a call for each, and stops at the first failure that the next call would meet, too: what it did not come to fails in the same
/// way, and had no effect.
#[async_trait]
pub trait PlatformObjects: Send + Sync {
    /// The field that things of this object are known by to people: what makes two of them one. `None` for an object that the
    /// platform does not have.
    fn known_by(&self, object: &str) -> Option<&'static str>;
    /// The object's fields. One call.
    async fn object_fields(&self, object: &str) -> Result<FieldCatalog>;
    /// Things that are known by one of these names; several of one name when the platform has duplicates. A few calls for each
    /// name, or one for each hundred things there are, whichever is less; a list that goes on and on is not read to its end.
    async fn find_objects(&self, object: &str, names: &[String]) -> Result<LookedUp>;
    /// A page of the list of all things of an object, behind the first `after` of them. The order is the platform's own: what is
    /// renamed, made or deleted meanwhile may move others past a reader. One call.
    async fn list_objects(&self, object: &str, after: usize) -> Result<ObjectPage>;
    /// Things as they are now; `NotFound` for what is not there.
    async fn read_objects(&self, ids: &[RemoteId]) -> Result<ObjectOutcomes>;
    /// Makes things. The platform may answer with one that was there by the same name.
    async fn create_objects(&self, object: &str, writes: &[ObjectWrite]) -> Result<ObjectOutcomes>;
    /// Changes the fields given and no other; `NotFound` for what is not there.
    async fn update_objects(&self, writes: &[(RemoteId, ObjectWrite)]) -> Result<ObjectOutcomes>;
    /// Deletes; `Ok(false)` when it was not there. One call.
    async fn delete_object(&self, id: &RemoteId) -> Result<bool>;
    /// Makes a contact belong to a thing, as its newest and so its primary one, or not belong to it any more. Doing it twice is
    /// doing it once. `NotFound` when one of the two is not there. One call.
    async fn set_related(&self, contact: &RemoteId, to: &RemoteId, related: bool) -> Result<()>;
}
