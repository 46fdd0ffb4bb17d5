//! Deletes all that a partition holds.

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use tandem_core::error::Result;

use super::access::BATCH_PAUSES;
use super::failure::{of_sdk, storage};
use super::keys::Key;
use super::row::{attributes, key_of};
use super::table::{SERVICE, Table, unbuilt};

/// How many writes DynamoDB takes in one call.
const BATCH: usize = 25;

impl Table {
    /// Deletes the items of a partition. One read call per megabyte and one write call for 25 items.
    pub(super) async fn clear(&self, pk: String) -> Result<()> {
        let items = self.partition(pk, None).await?;
        let keys: Vec<Key> = items.iter().filter_map(key_of).collect();
        for some in keys.chunks(BATCH) {
            let deletions = some.iter().cloned().map(deletion).collect::<Result<_>>()?;
            self.write_batch(deletions).await?;
        }
        Ok(())
    }

    /// Makes the writes, and makes those again that DynamoDB leaves out.
    async fn write_batch(&self, writes: Vec<WriteRequest>) -> Result<()> {
        let mut left = self.write_some(writes).await?;
        for pause in BATCH_PAUSES {
            let Some(writes) = left else { return Ok(()) };
            tokio::time::sleep(pause).await;
            left = self.write_some(writes).await?;
        }
        if left.is_none() { Ok(()) } else { Err(storage("the table is throttled: it keeps leaving out writes")) }
    }

    /// Makes writes and returns those that DynamoDB left out.
    async fn write_some(&self, writes: Vec<WriteRequest>) -> Result<Option<Vec<WriteRequest>>> {
        let request = self.client.batch_write_item().request_items(&*self.name, writes);
        let answer = request.send().await.map_err(|e| of_sdk(SERVICE, "BatchWriteItem", &e))?;
        Ok(answer.unprocessed_items.and_then(|mut left| left.remove(&*self.name)))
    }
}

fn deletion(key: Key) -> Result<WriteRequest> {
    let request = DeleteRequest::builder().set_key(Some(attributes(key))).build().map_err(unbuilt)?;
    Ok(WriteRequest::builder().delete_request(request).build())
}
