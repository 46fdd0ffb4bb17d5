//! What is looked after every quarter of an hour: deliveries left behind, the webhook, and, once an hour, gaps.

use futures::FutureExt;
use jiff::tz::TimeZone;

use crate::error::Result;
use crate::ports::{HookCheck, HookDelivery};
use crate::sync::services::Desk;

use super::repair::{Hook, Repaired, tell};

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Deliveries and events that were left behind and are on the queue again.
    pub abandoned: usize,
    /// How the webhook was; `None` when none is configured.
    pub hook: Option<HookCheck>,
    /// Whether what the webhook sends arrives; `None` when it was not its turn.
    pub delivery: Option<HookDelivery>,
    /// What the hourly look for gaps found; `None` when it was not its turn.
    pub repaired: Option<Repaired>,
}

impl Desk {
    /// Looks after everything once. Gaps are looked for in the first quarter of an hour only: a budget of a hundred calls
    /// an hour is easily spent.
    ///
    /// # Errors
    /// The first failure; what was not reached is looked after the next time.
    pub async fn watch(&self, hook: Option<&Hook>, correlation_id: &str) -> Result<Watched> {
        self.services.recorder().during(correlation_id, None, self.watch_noted(hook, correlation_id).boxed()).await
    }

    async fn watch_noted(&self, hook: Option<&Hook>, correlation_id: &str) -> Result<Watched> {
        let abandoned =
            self.pick_up_abandoned(correlation_id).await? + self.pick_up_lost_events(correlation_id).await?;
        let first_quarter = self.now().to_zoned(TimeZone::UTC).minute() < 15;
        let (hook, delivery) = match hook {
            Some(hook) => {
                let (guarded, tried) = self.guard_and_try_hook(hook, correlation_id).await?;
                let delivery = match tried {
                    None if first_quarter => Some(self.look_at_deliveries(&guarded.id).await),
                    tried => tried,
                };
                (Some(guarded.check), delivery)
            }
            None => (None, None),
        };
        let was_right = hook.is_none_or(|check| check == HookCheck::Right);
        let repaired = if first_quarter && was_right { Some(self.repair_gaps(correlation_id).await?) } else { None };
        Ok(Watched { abandoned, hook, delivery, repaired })
    }

    async fn look_at_deliveries(&self, hook_id: &str) -> HookDelivery {
        let delivery = self.integration.events.newest_delivery(hook_id).await;
        tell(&delivery);
        delivery
    }
}
