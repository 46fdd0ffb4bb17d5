//! Lists that lifecycle events decided, where another integration worked at the events.

use jiff::SignedDuration;

use crate::policy;

use super::{Run, Step};

/// When a job that sends an outbox comes back for lists that could not be set yet: by then their entries are due.
const SOON: SignedDuration = SignedDuration::from_secs(6);

impl Run<'_> {
    /// Notes that there may be such lists: an integration that stays alone looks for them all the same.
    pub(super) async fn expect_lists(&mut self) -> Step<()> {
        self.state.lists_left |= self.desk.has_peers().await?;
        Ok(())
    }

    /// Sets what is due of them, after the contacts. No call of the table for a tenant with one integration, a read for one with
    /// several.
    pub(super) async fn bring_lists(&mut self) -> Step<()> {
        while self.state.lists_left {
            self.in_time()?;
            let looked = self.desk.bring_due_lists(&self.log.id).await?;
            self.log.memberships += looked.set;
            if let Some(failure) = looked.stopped {
                return Err(failure.into());
            }
            self.state.lists_left = looked.waiting;
            if looked.soon && self.is_prompt {
                // An event may have come after the contacts were sent: its person's is the next to be.
                self.wait_for(policy::after(self.now(), SOON));
            }
            if looked.entries == 0 {
                break;
            }
        }
        Ok(())
    }
}
