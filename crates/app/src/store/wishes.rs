//! Wishes about memberships: the newest one for each contact and list, for thirty days.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::jobs::message::{MembershipChange, MembershipList};
use tandem_core::ports::Attempt;

use super::access::Put;
use super::condition::Condition;
use super::keys;
use super::row::{document, item, parsed, row};
use super::table::Table;

/// How long a wish is kept: longer than any job that could still carry an older one.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(Serialize, Deserialize)]
struct WishRow {
    asked_at: i64,
    document: String,
    expires_at: i64,
}

/// The newest wish. One read call.
pub(super) async fn read(
    table: &Table,
    scope: &Scope,
    contact: &RemoteId,
    list: &MembershipList,
) -> Result<Option<MembershipChange>> {
    match table.get(keys::membership_wish(scope, contact, list)).await? {
        Some(item) => parsed(&row::<WishRow>(item)?.document).map(Some),
        None => Ok(None),
    }
}

/// Notes a wish unless a newer one is there. One write call.
pub(super) async fn note(table: &Table, scope: &Scope, wish: &MembershipChange) -> Result<Attempt> {
    let row = WishRow {
        asked_at: wish.asked_at.as_microsecond(),
        document: document(wish)?,
        expires_at: wish.asked_at.as_second().saturating_add(KEPT.as_secs()),
    };
    let item = item(keys::membership_wish(scope, &wish.contact, &wish.list), &row)?;
    let newest = Condition::new("attribute_not_exists(pk) OR asked_at <= :asked").moment(":asked", wish.asked_at);
    match table.put_if(item, newest).await? {
        Put::Done => Ok(Attempt::Done),
        Put::Refused(_) => Ok(Attempt::Contended),
    }
}
