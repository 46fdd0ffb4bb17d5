//! Making up for what never arrived: the webhook is watched, and the platform's tables are read for what it did not send.

use crate::error::Result;
use crate::ports::{Feed, GuardedHook, HookCheck, HookDelivery};
use crate::sync::services::Desk;

/// The feeds, in the order in which they are read: consent first.
const FEEDS: &[Feed] = &[Feed::DoNotContact, Feed::Audit, Feed::Opens, Feed::Hits, Feed::Forms];

/// Where the webhook shall lead, and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    /// The address that the platform calls.
    pub url: String,
    /// The secret that it signs with.
    pub secret: String,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a repair found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Rows that were read and told something.
    pub entries: usize,
    /// Calls of the platform.
    pub calls: usize,
}

impl Desk {
    /// Sees that the webhook is there and published; makes up at once for what it missed when it was not. Two calls when
    /// all is right.
    ///
    /// # Errors
    /// As the platform fails.
    pub async fn guard_hook(&self, hook: &Hook, correlation_id: &str) -> Result<HookCheck> {
        let (guarded, _) = self.guard_and_try_hook(hook, correlation_id).await?;
        Ok(guarded.check)
    }

    /// As [`Desk::guard_hook`]; one that was made or mended is proved by a delivery: Mautic 5.1 gives a hook up that never had
    /// a success at its second failure (recording `227-hook-after-failures`), and 7 refuses private addresses without a word
    /// (recording `229-hook-private-log` of 7.0.0).
    pub(super) async fn guard_and_try_hook(
        &self,
        hook: &Hook,
        correlation_id: &str,
    ) -> Result<(GuardedHook, Option<HookDelivery>)> {
        let guarded = self.integration.events.guard_hook(&hook.url, &hook.secret).await?;
        match guarded.check {
            HookCheck::Right => return Ok((guarded, None)),
            HookCheck::Made => tracing::info!("the platform has a webhook now"),
            HookCheck::Repaired => {
                tracing::warn!("the platform's webhook was switched off or wrong; it is right again")
            }
        }
        let delivery = self.integration.events.try_hook(&guarded.id).await;
        tell(&delivery);
        // What it did not tell until now is made up for at once.
        self.repair_gaps(correlation_id).await?;
        Ok((guarded, Some(delivery)))
    }

    /// Reads all feeds from where they were left and applies what they tell; what a webhook told already counts once.
    ///
    /// # Errors
    /// As table and platform fail; what was read until then is applied, and the next repair goes on from there.
    pub async fn repair_gaps(&self, correlation_id: &str) -> Result<Repaired> {
        let mut repaired = Repaired::default();
        for feed in FEEDS {
            self.repair_feed(*feed, &mut repaired, correlation_id).await?;
        }
        tracing::info!(entries = repaired.entries, calls = repaired.calls, "gaps were looked for");
        Ok(repaired)
    }

    async fn repair_feed(&self, feed: Feed, repaired: &mut Repaired, correlation_id: &str) -> Result<()> {
        let (events, scope) = (&self.services.events, &self.integration.scope);
        let mut cursor = events.cursor(scope, feed).await?.unwrap_or_default();
        loop {
            let page = self.integration.events.page(feed, &cursor).await?;
            repaired.calls += 1;
            repaired.entries += page.entries.len();
            for entry in &page.entries {
                self.apply(entry, "feed", correlation_id).await?;
            }
            let moved = page.next != cursor;
            if moved {
                events.save_cursor(scope, feed, &page.next).await?;
            }
            if !page.more || !moved {
                return Ok(());
            }
            cursor = page.next;
        }
    }
}

/// Tells the operator when nothing arrives.
pub(super) fn tell(delivery: &HookDelivery) {
    match delivery {
        HookDelivery::Arrives | HookDelivery::NothingSent => {}
        HookDelivery::Fails { reason, cure } => {
            tracing::error!(reason, cure, "the platform's webhook is there, and nothing arrives by it");
        }
        HookDelivery::Unseen { reason } => {
            tracing::warn!(reason, "whether the platform's webhook arrives can't be seen");
        }
    }
}
