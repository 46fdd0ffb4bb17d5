//! The cores of the server, which calls at the same time share.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::Semaphore;

/// So long a call has a core to itself before it is another one's turn.
const SLICE: Duration = Duration::from_millis(20);

/// Lets so many calls work at the same time; with more of them, each has its turns.
#[derive(Debug)]
pub(crate) struct Cores {
    free: Semaphore,
    at_work: AtomicUsize,
    most_at_work: AtomicUsize,
}

impl Cores {
    pub(crate) fn new(cores: usize) -> Self {
        let free = Semaphore::new(cores.clamp(1, Semaphore::MAX_PERMITS));
        Self { free, at_work: AtomicUsize::new(0), most_at_work: AtomicUsize::new(0) }
    }

    /// Returns when a call had a core for this long.
    pub(crate) async fn work(&self, duration: Duration) {
        let _at_work = AtWork::begin(self);
        let mut left = duration;
        while !left.is_zero() {
            let slice = left.min(SLICE);
            // The semaphore is never closed.
            let _turn = self.free.acquire().await;
            tokio::time::sleep(slice).await;
            left -= slice;
        }
    }

    /// How many calls were at work at the same time at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most_at_work.load(Ordering::Relaxed)
    }
}

/// A call that is at work, given up or not.
struct AtWork<'a>(&'a Cores);

impl<'a> AtWork<'a> {
    fn begin(cores: &'a Cores) -> Self {
        let at_work = cores.at_work.fetch_add(1, Ordering::Relaxed) + 1;
        cores.most_at_work.fetch_max(at_work, Ordering::Relaxed);
        Self(cores)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}
