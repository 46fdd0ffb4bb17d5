//! Changes of documents by several writers, of which none is lost.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_core::error::Result;

use super::access::Put;
use super::condition::Condition;
use super::failure::storage;
use super::keys::Key;
use super::row::{DOCUMENT, Item, document, item, key_of, parsed, text};
use super::table::Table;
use super::transaction::Transacted;

/// How often a document is changed anew because others changed it first. Of those that try, one always gets through, so
/// this is how many may meet at one document.
const TRIES: usize = 50;

impl Table {
    /// Changes an item's document (its default, when there is no item) and writes it with the attributes that follow from
    /// it, unless the change leaves it as it is. What others write meanwhile is kept: the change is then made to that.
    ///
    /// One read call and, when something changes, one write; one write more for each writer that was first.
    pub(super) async fn amend<T, R, A>(
        &self,
        key: Key,
        change: impl Fn(&mut T) -> R,
        attributes: impl Fn(&T) -> A,
    ) -> Result<R>
    where
        T: Clone + Default + PartialEq + Serialize + DeserializeOwned,
        A: Serialize,
    {
        self.amend_with(key, change, attributes, Vec::new()).await
    }

    /// The same, with writes of other items in the same transaction, where there are any.
    pub(super) async fn amend_with<T, R, A>(
        &self,
        key: Key,
        change: impl Fn(&mut T) -> R,
        attributes: impl Fn(&T) -> A,
        beside: Vec<TransactWriteItem>,
    ) -> Result<R>
    where
        T: Clone + Default + PartialEq + Serialize + DeserializeOwned,
        A: Serialize,
    {
        let mut stored = self.get(key.clone()).await?.unwrap_or_default();
        for _ in 0..TRIES {
            let before = text(&stored, DOCUMENT);
            let known: T = before.map(parsed).transpose()?.unwrap_or_default();
            let mut amended = known.clone();
            let outcome = change(&mut amended);
            if amended == known {
                return Ok(outcome);
            }
            let after = Amended { document: document(&amended)?, attributes: attributes(&amended) };
            let unchanged = still(before, &after.document);
            match self.put_with(item(key.clone(), &after)?, unchanged, &beside).await? {
                Put::Done => return Ok(outcome),
                Put::Refused(there) => stored = there,
            }
        }
        Err(storage("an item of the table is being changed by too many at once"))
    }

    async fn put_with(&self, item: Item, condition: Condition, beside: &[TransactWriteItem]) -> Result<Put> {
        if beside.is_empty() {
            return self.put_if(item, condition).await;
        }
        let key = key_of(&item);
        let writes = [self.putting(item, Some(condition))?].into_iter().chain(beside.iter().cloned());
        match (self.transact(writes.collect()).await?, key) {
            (Transacted::Refused(_), Some(key)) => Ok(Put::Refused(self.get(key).await?.unwrap_or_default())),
            (Transacted::Refused(_), None) | (Transacted::Done, _) => Ok(Put::Done),
        }
    }
}

/// A document and what stands beside it.
#[derive(Serialize)]
struct Amended<A> {
    document: String,
    #[serde(flatten)]
    attributes: A,
}

/// The document is the one that was read. It may be the new one already: the SDK repeats a request whose answer was lost.
fn still(before: Option<&str>, after: &str) -> Condition {
    match before {
        None => Condition::new("attribute_not_exists(pk) OR document = :after"),
        Some(before) => Condition::new("document IN (:before, :after)").text(":before", before),
    }
    .text(":after", after)
}
