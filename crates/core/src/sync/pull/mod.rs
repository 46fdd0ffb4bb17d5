//! What marketing people change on the platform comes back: a look through the platform's log of changes since the last
//! look, page by page ([`log`]); the contacts whose changes are news are read, and merged ([`page`]). What only shows what is
//! known costs reads of the table and no write. Where the log can't be read, contacts are asked for by their own dates. Things that are no people
//! are gone through ([`objects`]).

mod addresses;
mod log;
mod objects;
mod page;

use jiff::{SignedDuration, Timestamp};

use crate::domain::link::RemoteId;
use crate::error::{FailureKind, Result};
use crate::ports::bulk::ChangeCursor;
use crate::ports::changes::LogPlace;
use crate::ports::runs::{Look, SendState};

use super::services::Desk;
pub(crate) use objects::pulling;

/// How many contacts a call asks for: about 3.5 MB of Mautic's answers.
const PAGE: usize = 500;
/// How far before its own moment the first look of all begins.
const FIRST: SignedDuration = SignedDuration::from_mins(10);
/// A change younger than this may have others behind it that the platform did not show yet. What a webhook tells later than
/// this is left to the look for changes.
pub(crate) const RECENT: SignedDuration = SignedDuration::from_mins(15);
/// How far a look goes back behind the newest recent change that the look before it saw.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);
/// The platform's dates have whole seconds.
const TICK: SignedDuration = SignedDuration::from_secs(1);

/// How a look ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullEnd {
    /// All changes were seen.
    #[default]
    Finished,
    /// The time ran out; the next look goes on.
    OutOfTime,
    /// The platform's budget of calls ran out, until then, if that is known; the next look goes on.
    OutOfBudget(Option<Timestamp>),
}

/// What a look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullCounts {
    /// Contacts that the platform showed.
    pub contacts: u64,
    /// Of them: nothing but what is known.
    pub echoes: u64,
    /// Of them: no record belongs to them; they were made on the platform.
    pub unknown: u64,
    /// Of them: people who are records since now.
    pub appeared: u64,
    /// Of them: left for the next look, because somebody was writing them.
    pub left: u64,
    /// Contacts from which something came back to the record.
    pub changed: u64,
    /// Fields that a person has to decide since now.
    pub contested: u64,
    /// Values that are none of their field: they stay where they are.
    pub unreadable: u64,
    /// Opt-outs that Tandem did not know.
    pub opted_out: u64,
    /// How it ended.
    pub end: PullEnd,
}

/// Whether it is time to look for changes on the platform: never looked, a look is under way, or the last is long ago.
#[must_use]
pub fn pull_is_due(state: &SendState, now: Timestamp, interval: SignedDuration) -> bool {
    let under_way = state.pull.as_ref().is_some_and(ChangeCursor::is_under_way) || state.objects.under_way.is_some();
    under_way || state.pulled_at.is_none_or(|began| now.duration_since(began) >= interval)
}

impl Desk {
    /// Takes back what was changed on the platform since the last look, until `until` at the latest; `state` says where the
    /// next look begins. A call for 1,000 changes, reads of the table for their contacts, a call for 200 contacts whose
    /// changes are news, writes for those.
    ///
    /// # Errors
    /// As platform, table and source fail; `state` stands behind the last page that was done, and doing a page twice is doing
    /// it once. The end of the budget is no error.
    pub async fn pull(&self, state: &mut SendState, until: Timestamp, correlation_id: &str) -> Result<PullCounts> {
        let mut counts = PullCounts::default();
        let mut cursor = self.begin_look(state);
        loop {
            if self.now() >= until {
                counts.end = PullEnd::OutOfTime;
                return Ok(counts);
            }
            let more = match self.look_at_page(&mut cursor, &mut state.look, &mut counts, correlation_id).await {
                Err(failure) if failure.kind == FailureKind::RateLimited => {
                    counts.end = PullEnd::OutOfBudget(failure.retry_at);
                    return Ok(counts);
                }
                other => other?,
            };
            state.pull = Some(cursor.clone());
            if !more {
                break;
            }
        }
        state.pull = Some(self.next_cursor(state, &cursor));
        counts.end = self.look_at_objects(&mut state.objects, until, &mut counts).await?;
        tracing::info!(contacts = counts.contacts, changed = counts.changed, "the platform's changes were looked for");
        Ok(counts)
    }

    /// Takes back what was changed of these contacts (at most 200): before they are written, so that what both sides changed
    /// is decided by the rules and not by who comes last. One call.
    pub(super) async fn look_before(&self, contacts: &[RemoteId], correlation_id: &str) -> Result<PullCounts> {
        let mut counts = PullCounts::default();
        let shown = self.integration.bulk.read_many(contacts).await?;
        self.take_in(shown, &mut counts, correlation_id).await?;
        Ok(counts)
    }

    /// The same of one contact's values, before it is written by itself. One call.
    pub(super) async fn look_at_values(&self, contact: &RemoteId, correlation_id: &str) -> Result<()> {
        let shown = self.integration.bulk.read_many(std::slice::from_ref(contact)).await?;
        self.take_in_values(shown, correlation_id).await
    }

    /// Where the look stands; a look that is under way goes on.
    pub(super) fn begin_look(&self, state: &mut SendState) -> ChangeCursor {
        let now = self.now();
        let since = now.checked_sub(FIRST).unwrap_or(Timestamp::MIN);
        let cursor = state.pull.clone().unwrap_or(ChangeCursor::from(since));
        if !cursor.is_under_way() {
            state.pulled_at = Some(now);
            state.look = Look::default();
        }
        state.pull = Some(cursor.clone());
        cursor
    }

    async fn look_at_page(
        &self,
        cursor: &mut ChangeCursor,
        look: &mut Look,
        counts: &mut PullCounts,
        correlation_id: &str,
    ) -> Result<bool> {
        if cursor.after.is_none() {
            let place = cursor.row.map_or(LogPlace::From(cursor.since), LogPlace::Behind);
            // What Tandem makes itself it knows; whom others make is of interest only where that may become a record.
            let with_made = !self.integration.newcomers.is_nobody();
            if let Some(page) = self.integration.changes.log_page(place, with_made).await? {
                return self.look_at_log(page, cursor, look, counts, correlation_id).await;
            }
            tracing::warn!("the platform's log can't be read: changes are looked for by the contacts' own dates");
        }
        self.look_at_dates(cursor, look, counts, correlation_id).await
    }

    async fn look_at_dates(
        &self,
        cursor: &mut ChangeCursor,
        look: &mut Look,
        counts: &mut PullCounts,
        correlation_id: &str,
    ) -> Result<bool> {
        let page = self.integration.bulk.changed(cursor, PAGE).await?;
        let newest = page.contacts.iter().map(|changed| changed.at).max();
        let last = page.contacts.last().map(|changed| changed.contact.id.clone());
        let left = self.take_in(page.contacts, counts, correlation_id).await?;
        look.newest = look.newest.max(newest);
        look.left = look.left.into_iter().chain(left.into_iter().map(|(_, at)| at)).min();
        cursor.after = last.or(cursor.after.take());
        Ok(page.more)
    }

    /// Where the next look begins: behind the last row of the log, but not behind one whose contact was left for it. `since`
    /// goes on, too: the role may lose its right to the log.
    fn next_cursor(&self, state: &SendState, cursor: &ChangeCursor) -> ChangeCursor {
        let before_left = state.look.left_row.map(|row| row.saturating_sub(1));
        let row = cursor.row.map(|row| before_left.map_or(row, |left| left.min(row)));
        ChangeCursor { row, ..ChangeCursor::from(self.next_since(state, cursor.since)) }
    }

    /// Where the next look by dates begins. Not behind the beginning of this one: what was changed while it went on may stand
    /// on a page that it had passed.
    fn next_since(&self, state: &SendState, since: Timestamp) -> Timestamp {
        let Some(newest) = state.look.newest else { return since };
        let is_recent = self.now().duration_since(newest) < RECENT;
        let behind = if is_recent { newest.checked_sub(OVERLAP) } else { newest.checked_add(TICK) };
        let began = state.pulled_at.and_then(|began| began.checked_sub(OVERLAP).ok());
        let next = behind.ok().into_iter().chain(began).chain(state.look.left).min();
        next.unwrap_or(since).max(since)
    }
}
