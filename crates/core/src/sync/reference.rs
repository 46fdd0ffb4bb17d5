//! The platform's fields, stages, campaigns and segments: read rarely, kept in the table and in the process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::lock;
use jiff::{SignedDuration, Timestamp};

use crate::domain::catalog::FieldCatalog;
use crate::error::{FailureKind, Result};
use crate::ports::bulk::{BulkPlatform, RemoteList};
use crate::ports::{CatalogStore, MarketingPlatform};

use crate::domain::scope::Scope;

use crate::jobs::message::ListKind;

/// How long a process trusts its own copy before it looks into the table again.
const PROCESS_COPY: SignedDuration = SignedDuration::from_secs(5);
/// How long the table's copy is trusted before the platform is asked again.
const TABLE_COPY: SignedDuration = SignedDuration::from_hours(1);
/// How long the list of stages is trusted.
const STAGES: SignedDuration = SignedDuration::from_mins(5);

/// A process's copy of something.
struct Dated<T> {
    /// The value and the moment it was obtained.
    copy: Mutex<Option<(Timestamp, T)>>,
    /// Held by the one who asks for it anew, while the others wait for what is answered.
    asking: lock::Mutex<()>,
    /// How often it was forgotten: what was asked for before is no copy any more.
    forgotten: AtomicU64,
}

impl<T> Default for Dated<T> {
    fn default() -> Self {
        Self { copy: Mutex::default(), asking: lock::Mutex::default(), forgotten: AtomicU64::default() }
    }
}

/// Campaigns or segments.
pub type Lists = Arc<Vec<RemoteList>>;

/// The process's copies.
#[derive(Default)]
pub struct ReferenceData {
    catalog: Dated<Arc<FieldCatalog>>,
    /// When an answer did not fit the list of fields.
    doubted: Mutex<Option<Timestamp>>,
    stages: Dated<Arc<Vec<(String, String)>>>,
    campaigns: Dated<Lists>,
    segments: Dated<Lists>,
}

impl ReferenceData {
    /// The platform's fields; `None` when they can't be had just now. Then nothing is checked against them, and the
    /// write goes on: a platform that is down is found out by the write itself.
    pub async fn catalog(
        &self,
        scope: &Scope,
        now: Timestamp,
        store: &dyn CatalogStore,
        platform: &dyn MarketingPlatform,
    ) -> Option<Arc<FieldCatalog>> {
        if let Some(copy) = fresh(&self.catalog, now, PROCESS_COPY) {
            return Some(copy);
        }
        let _asking = self.catalog.asking.lock().await;
        if let Some(copy) = fresh(&self.catalog, now, PROCESS_COPY) {
            return Some(copy);
        }
        let stored = store.read(scope).await.ok().flatten();
        let doubted = self.take_doubt();
        let usable = stored.as_ref().is_some_and(|copy| now.duration_since(copy.read_at) < TABLE_COPY);
        let usable = usable && doubted.is_none_or(|doubted| stored.as_ref().is_some_and(|copy| copy.read_at > doubted));
        let catalog = if usable { stored } else { refresh(scope, store, platform, stored.as_ref()).await.or(stored) };
        catalog.map(|catalog| keep(&self.catalog, now, Arc::new(catalog)))
    }

    /// Has the platform's fields listed anew when they are next asked for: an answer at `now` did not fit the list.
    pub fn doubt_catalog(&self, now: Timestamp) {
        *self.catalog.copy.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.doubted.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn take_doubt(&self) -> Option<Timestamp> {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The id of the platform's stage of this name, in any letter case; `None` also when Tandem may not see the stages.
    ///
    /// # Errors
    /// When the list can't be had just now: the contact would lose its stage without a word.
    pub async fn stage_id(
        &self,
        name: &str,
        now: Timestamp,
        platform: &dyn MarketingPlatform,
    ) -> Result<Option<String>> {
        let _asking = self.stages.asking.lock().await;
        let stages = match fresh(&self.stages, now, STAGES) {
            Some(copy) => copy,
            None => match platform.stages().await {
                Ok(stages) => keep(&self.stages, now, Arc::new(stages)),
                Err(failure) if may_pass(failure.kind) => return Err(failure),
                Err(_) => return Ok(None),
            },
        };
        let found = stages.iter().find(|(stage, _)| stage.eq_ignore_ascii_case(name.trim()));
        Ok(found.map(|(_, id)| id.clone()))
    }

    /// The platform's lists of a kind, from a copy that is younger than `age` if there is one; says whether they are.
    ///
    /// # Errors
    /// As the platform fails.
    pub async fn lists(
        &self,
        kind: ListKind,
        age: SignedDuration,
        now: Timestamp,
        platform: &dyn BulkPlatform,
    ) -> Result<(Lists, bool)> {
        let dated = self.copy_of(kind);
        if let Some(copy) = fresh(dated, now, age) {
            return Ok((copy, true));
        }
        let _asking = dated.asking.lock().await;
        if let Some(copy) = fresh(dated, now, age) {
            return Ok((copy, true));
        }
        let forgotten = dated.forgotten.load(Ordering::SeqCst);
        let lists = match kind {
            ListKind::Campaign => platform.campaigns().await?,
            ListKind::Segment => platform.segments().await?,
        };
        let lists = Arc::new(lists);
        // A list that was made meanwhile may be missing in it.
        if dated.forgotten.load(Ordering::SeqCst) == forgotten {
            keep(dated, now, Arc::clone(&lists));
        }
        Ok((lists, false))
    }

    /// The lists of a kind as last read, however old.
    #[must_use]
    pub fn last_lists(&self, kind: ListKind) -> Option<Lists> {
        let held = self.copy_of(kind).copy.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|(_, lists)| Arc::clone(lists))
    }

    /// Has the lists of a kind read anew when they are next asked for: one was made.
    pub fn forget_lists(&self, kind: ListKind) {
        let dated = self.copy_of(kind);
        dated.forgotten.fetch_add(1, Ordering::SeqCst);
        *dated.copy.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// When the copy of the lists of a kind was read.
    #[must_use]
    pub fn lists_read_at(&self, kind: ListKind) -> Option<Timestamp> {
        let held = self.copy_of(kind).copy.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|(read_at, _)| *read_at)
    }

    /// Adds a list that was made to the copy, if there is one. What is being read just now may lack it and becomes no copy.
    pub fn note_list(&self, kind: ListKind, list: RemoteList) {
        let dated = self.copy_of(kind);
        dated.forgotten.fetch_add(1, Ordering::SeqCst);
        let mut held = dated.copy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, lists)) = held.as_mut() {
            Arc::make_mut(lists).push(list);
        }
    }

    fn copy_of(&self, kind: ListKind) -> &Dated<Lists> {
        match kind {
            ListKind::Campaign => &self.campaigns,
            ListKind::Segment => &self.segments,
        }
    }
}

/// Whether the list can be had by another attempt. A missing permission, for one, must not hold back every contact.
const fn may_pass(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Unavailable | FailureKind::Timeout | FailureKind::RateLimited)
}

async fn refresh(
    scope: &Scope,
    store: &dyn CatalogStore,
    platform: &dyn MarketingPlatform,
    stored: Option<&FieldCatalog>,
) -> Option<FieldCatalog> {
    let catalog = platform.fields().await.ok()?.following(stored);
    match store.save(scope, &catalog).await {
        Ok(saved) => Some(saved),
        Err(failure) => {
            tracing::warn!(%failure, "the list of fields could not be kept");
            Some(catalog)
        }
    }
}

fn fresh<T: Clone>(copy: &Dated<T>, now: Timestamp, age: SignedDuration) -> Option<T> {
    let held = copy.copy.lock().unwrap_or_else(PoisonError::into_inner);
    held.as_ref().filter(|(read_at, _)| now.duration_since(*read_at) < age).map(|(_, value)| value.clone())
}

fn keep<T: Clone>(copy: &Dated<T>, now: Timestamp, value: T) -> T {
    *copy.copy.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, value.clone()));
    value
}
