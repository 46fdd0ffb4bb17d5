//! The number of calls that the server gets done in a second.

use std::{sync::Mutex, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::simulator::lock;

/// Lets calls through one after the other, so many a second at most.
#[derive(Debug)]
pub(crate) struct Ceiling(Option<Turns>);

#[derive(Debug)]
struct Turns {
    each: Duration,
    next: Mutex<Instant>,
}

impl Ceiling {
    pub(crate) fn new(calls_a_second: Option<u32>) -> Self {
        let turns = calls_a_second
            .filter(|calls| *calls > 0)
            .map(|calls| Turns { each: Duration::from_secs(1) / calls, next: Mutex::new(Instant::now()) });
        Self(turns)
    }

    /// Returns when it is the call's turn.
    pub(crate) async fn wait(&self) {
        let Some(turns) = &self.0 else { return };
        let turn = {
            let mut next = lock(&turns.next);
            let turn = (*next).max(Instant::now());
            *next = turn + turns.each;
            turn
        };
        sleep_until(turn).await;
    }
}
