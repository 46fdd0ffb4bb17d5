//! How a caller names a person, before it is known who that is.

use serde::{Deserialize, Serialize};

use super::identity::{Email, ExternalId};
use super::link::RemoteId;

/// How a caller names a contact; at least one is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Whom {
    /// The platform's id.
    pub contact: Option<RemoteId>,
    /// The application's id.
    pub external_id: Option<ExternalId>,
    /// The address.
    pub email: Option<Email>,
}
