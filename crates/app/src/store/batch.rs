//! Writes without a condition, many in one call: DynamoDB bills each once, and a part of a transaction twice.

use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, WriteRequest};
use futures::{StreamExt, TryStreamExt};
use tandem_core::error::Result;

use super::access::{BATCH_PAUSES, CALLS_AT_ONCE};
use super::failure::{of_sdk, storage};
use super::keys::Key;
use super::row::{Item, attributes, key_of};
use super::table::{SERVICE, Table, unbuilt};

/// How many writes DynamoDB takes in one call.
const BATCH: usize = 25;

impl Table {
    /// Deletes the items of a partition. One read call per megabyte and one write call for 25 items.
    pub(super) async fn clear(&self, pk: String) -> Result<()> {
        let items = self.partition(pk, None).await?;
        self.delete_many(items.iter().filter_map(key_of).collect()).await
    }

    /// Deletes items, in no order. One write call for 25, a few at a time.
    pub(super) async fn delete_many(&self, keys: Vec<Key>) -> Result<()> {
        self.write_batches(keys.into_iter().map(deletion).collect::<Result<_>>()?).await
    }

    /// Writes items over whatever is there, in no order. One write call for 25, a few at a time.
    pub(super) async fn put_many(&self, items: Vec<Item>) -> Result<()> {
        self.write_batches(items.into_iter().map(putting).collect::<Result<_>>()?).await
    }

    async fn write_batches(&self, writes: Vec<WriteRequest>) -> Result<()> {
        let batches: Vec<Vec<WriteRequest>> = writes.chunks(BATCH).map(<[WriteRequest]>::to_vec).collect();
        let calls = futures::stream::iter(batches).map(|batch| self.write_batch(batch));
        calls.buffer_unordered(CALLS_AT_ONCE).try_collect().await
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

fn putting(item: Item) -> Result<WriteRequest> {
    let request = PutRequest::builder().set_item(Some(item)).build().map_err(unbuilt)?;
    Ok(WriteRequest::builder().put_request(request).build())
}
