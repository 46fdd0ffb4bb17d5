//! Many small transactions in few calls.

use aws_sdk_dynamodb::types::TransactWriteItem;
use futures::{StreamExt, TryStreamExt};
use tandem_core::error::Result;
use tandem_core::ports::Attempt;

use super::access::CALLS_AT_ONCE;
use super::table::Table;
use super::transaction::Transacted;

/// The most items that one call takes.
const AT_MOST: usize = 100;

/// The most bytes of items that one call takes: DynamoDB takes 4 MB, and counts the names of attributes too.
pub(super) const BYTES_AT_MOST: usize = 3_500_000;

/// Writes that belong together: all of them or none.
pub(super) type Group = Vec<TransactWriteItem>;

impl Table {
    /// Writes groups, each all or none; says of each, in order, whether it was written. As few calls as fit a hundred items
    /// and 3.5 MB each, a few of them at a time; one call more for each pack with a group that is refused.
    pub(super) async fn transact_many(&self, groups: Vec<Group>) -> Result<Vec<Attempt>> {
        let packs = futures::stream::iter(packed(groups)).map(|pack| self.transact_pack(pack)).buffered(CALLS_AT_ONCE);
        packs.try_concat().await
    }

    /// Writes the groups of a pack that can be written. DynamoDB refuses all items when it refuses one: the others are
    /// tried again without it.
    async fn transact_pack(&self, pack: Vec<Group>) -> Result<Vec<Attempt>> {
        let mut attempts = vec![Attempt::Done; pack.len()];
        let mut left: Vec<(usize, Group)> = pack.into_iter().enumerate().collect();
        while !left.is_empty() {
            let items = left.iter().flat_map(|(_, group)| group.iter().cloned()).collect();
            let refused = match self.transact(items).await? {
                Transacted::Done => return Ok(attempts),
                Transacted::Refused(positions) => refused_groups(&left, &positions),
            };
            if refused.is_empty() {
                return self.transact_one_by_one(left, attempts).await;
            }
            for index in &refused {
                attempts[*index] = Attempt::Contended;
            }
            left.retain(|(index, _)| !refused.contains(index));
        }
        Ok(attempts)
    }

    /// Somebody else is writing one of the items just now, and DynamoDB does not say which.
    async fn transact_one_by_one(&self, left: Vec<(usize, Group)>, mut attempts: Vec<Attempt>) -> Result<Vec<Attempt>> {
        for (index, group) in left {
            attempts[index] = self.transact(group).await?.into();
        }
        Ok(attempts)
    }
}

/// The numbers of the groups that hold these items of the call.
fn refused_groups(groups: &[(usize, Group)], positions: &[usize]) -> Vec<usize> {
    let mut start = 0;
    let mut refused = Vec::new();
    for (index, group) in groups {
        let items = start..start + group.len();
        if positions.iter().any(|position| items.contains(position)) {
            refused.push(*index);
        }
        start = items.end;
    }
    refused
}

fn packed(groups: Vec<Group>) -> Vec<Vec<Group>> {
    let mut packs: Vec<Vec<Group>> = Vec::new();
    let (mut items, mut bytes) = (0, 0);
    for group in groups {
        let (more_items, more_bytes) = (group.len(), group.iter().map(bytes_put).sum::<usize>());
        match packs.last_mut() {
            Some(pack) if items + more_items <= AT_MOST && bytes + more_bytes <= BYTES_AT_MOST => {
                (items, bytes) = (items + more_items, bytes + more_bytes);
                pack.push(group);
            }
            _ => {
                (items, bytes) = (more_items, more_bytes);
                packs.push(vec![group]);
            }
        }
    }
    packs
}

/// The bytes of text that an item which is put holds; its numbers hardly count.
pub(super) fn bytes_put(write: &TransactWriteItem) -> usize {
    let texts = write.put().into_iter().flat_map(|put| put.item().values()).filter_map(|value| value.as_s().ok());
    texts.map(String::len).sum()
}
