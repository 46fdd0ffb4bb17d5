//! What an integration's platform told: deliveries, and the ledgers of its contacts.

use sha2::{Digest, Sha256};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::Scope;

use super::{Key, key, of_integration};

/// What the sort keys of a contact's events begin with.
pub const EVENTS: &str = "event#";

/// The longest id that stands in a sort key as it is, in bytes; DynamoDB takes 1,024 with what stands before it.
const LONGEST_ID: usize = 200;

/// A stored delivery, by the digest of its bytes.
#[must_use]
pub fn delivery(scope: &Scope, digest: &str) -> Key {
    key(of_integration(scope, &format!("delivery#{digest}")), "head")
}

/// A part of a delivery that is too large for one item.
#[must_use]
pub fn delivery_part(scope: &Scope, digest: &str, number: u32) -> Key {
    key(of_integration(scope, &format!("delivery#{digest}")), format!("part#{number:05}"))
}

/// The partition that lists the deliveries which nobody finished with.
#[must_use]
pub fn unfinished_partition(scope: &Scope) -> String {
    of_integration(scope, "unfinished")
}

/// A delivery in the list of those which nobody finished with.
#[must_use]
pub fn unfinished(scope: &Scope, digest: &str) -> Key {
    key(unfinished_partition(scope), digest)
}

/// The partition of what is known of a contact of the platform: its events and what follows from them.
#[must_use]
pub fn ledger_partition(scope: &Scope, contact: &RemoteId) -> String {
    of_integration(scope, &format!("ledger#{contact}"))
}

/// An event of a contact, by the platform's name for it. The marks `n` and `h` keep a name from passing for a digest.
#[must_use]
pub fn event(scope: &Scope, contact: &RemoteId, natural_id: &str) -> Key {
    let name = if natural_id.len() <= LONGEST_ID {
        format!("n#{natural_id}")
    } else {
        format!("h#{}", hex::encode(Sha256::digest(natural_id.as_bytes())))
    };
    key(ledger_partition(scope, contact), format!("{EVENTS}{name}"))
}

/// What follows from a contact's events.
#[must_use]
pub fn standing(scope: &Scope, contact: &RemoteId) -> Key {
    key(ledger_partition(scope, contact), "standing")
}

/// What the platform was last seen to hold of a contact.
#[must_use]
pub fn observed(scope: &Scope, contact: &RemoteId) -> Key {
    key(ledger_partition(scope, contact), "observed")
}

/// The mark that the source has to be told about a contact.
#[must_use]
pub fn write_back_mark(scope: &Scope, contact: &RemoteId) -> Key {
    key(ledger_partition(scope, contact), "write-back")
}
