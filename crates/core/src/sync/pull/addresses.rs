//! Addresses among the changes of a page.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::link::RemoteId;
use crate::error::Result;
use crate::sync::address::Settled;
use crate::sync::conflict::address::ShownAddress;
use crate::sync::services::Desk;

use super::PullCounts;
use super::page::{Known, Left};

impl Desk {
    /// Takes back addresses that people corrected; gives the contacts that somebody writes just now. Nothing is read where none is
    /// news.
    pub(super) async fn settle_addresses(
        &self,
        known: &[Known],
        counts: &mut PullCounts,
        correlation_id: &str,
    ) -> Result<Vec<Left>> {
        let news: Vec<&Known> = known.iter().filter(|known| self.shows_another_address(known)).collect();
        let mut left = Vec::new();
        for known in news {
            let text = known.changed.contact.email.as_deref().unwrap_or_default();
            let shown = ShownAddress { text, at: self.address_time(known).await? };
            match self.settle_address(&known.key, &known.changed.contact.id, &shown, correlation_id).await? {
                Settled::Known => {}
                Settled::TakenBack => counts.changed += 1,
                Settled::LeftToPerson => counts.contested += 1,
                Settled::Held => left.push(known.left()),
            }
        }
        Ok(left)
    }

    fn shows_another_address(&self, known: &Known) -> bool {
        let Some(text) = known.changed.contact.email.as_deref() else { return false };
        // Where it is not told when the address was changed, the log is asked; it may have been just now.
        let at = self.told_time(&known.changed.times).unwrap_or(Timestamp::MAX);
        self.is_address_news(&known.record, &known.link, &ShownAddress { text, at })
    }

    fn told_time(&self, times: &BTreeMap<String, Timestamp>) -> Option<Timestamp> {
        times.get(self.integration.rules.address()?.remote.as_ref()?).copied()
    }

    /// When the address was changed: as the log tells it, else when the contact was. One call, if any.
    async fn address_time(&self, known: &Known) -> Result<Timestamp> {
        if let Some(told) = self.told_time(&known.changed.times) {
            return Ok(told);
        }
        let contact = &known.changed.contact.id;
        let times: BTreeMap<RemoteId, _> = self.times_of(std::slice::from_ref(contact)).await?;
        Ok(times.get(contact).and_then(|times| self.told_time(times)).unwrap_or(known.changed.at))
    }
}
