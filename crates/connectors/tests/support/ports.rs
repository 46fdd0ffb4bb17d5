//! Ports in memory, with a clock that stands still until a test moves it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tandem_connectors::Ports;
use tandem_core::domain::link::Lease;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::spellings::{LearntSpellings, SpellingStore};
use tandem_core::ports::{AccessToken, Attempt, BudgetStore, CircuitStore, Clock, Entropy, Sleep, TokenStore};

/// Epoch seconds at which tests begin: before the reset in recording `138-rate-limited`.
pub const START: i64 = 1_795_210_000;

/// All ports, and a hand on each.
#[derive(Default)]
pub struct World {
    pub clock: Arc<TestClock>,
    pub tokens: Arc<MemoryTokens>,
    pub budgets: Arc<MemoryBudgets>,
    pub circuits: Arc<MemoryCircuits>,
    pub spellings: Arc<MemorySpellings>,
    names: Arc<Names>,
}

impl World {
    /// Ports whose sleep takes its time and leaves the clock alone.
    pub fn ports(&self) -> Ports {
        self.with_sleep(Arc::new(Real))
    }

    /// Ports whose sleep takes no time and moves the clock.
    pub fn ports_in_a_hurry(&self) -> Ports {
        self.with_sleep(Arc::new(Moving(Arc::clone(&self.clock))))
    }

    fn with_sleep(&self, sleep: Arc<dyn Sleep>) -> Ports {
        Ports {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::clone(&self.names) as Arc<dyn Entropy>,
            sleep,
            tokens: Arc::clone(&self.tokens) as Arc<dyn TokenStore>,
            budgets: Arc::clone(&self.budgets) as Arc<dyn BudgetStore>,
            circuits: Arc::clone(&self.circuits) as Arc<dyn CircuitStore>,
            spellings: Arc::clone(&self.spellings) as Arc<dyn SpellingStore>,
        }
    }
}

pub struct TestClock(AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(START * 1000))
    }
}

impl TestClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Names by number, chance in the middle.
#[derive(Default)]
pub struct Names(AtomicU64);

impl Entropy for Names {
    fn unit(&self) -> f64 {
        0.5
    }

    fn id(&self) -> String {
        format!("name-{}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

struct Real;

#[async_trait]
impl Sleep for Real {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

struct Moving(Arc<TestClock>);

#[async_trait]
impl Sleep for Moving {
    async fn sleep(&self, duration: Duration) {
        self.0.advance(duration);
    }
}

/// The table's item for tokens.
#[derive(Default)]
pub struct MemoryTokens {
    state: Mutex<(Option<AccessToken>, Option<Lease>)>,
}

impl MemoryTokens {
    pub fn put(&self, token: AccessToken) {
        self.state.lock().unwrap().0 = Some(token);
    }

    /// A writer that took the lock and died.
    pub fn leave_locked(&self, until: Timestamp) {
        self.state.lock().unwrap().1 = Some(Lease { owner: "dead".to_owned(), until });
    }

    pub fn is_locked(&self) -> bool {
        self.state.lock().unwrap().1.is_some()
    }
}

#[async_trait]
impl TokenStore for MemoryTokens {
    async fn read(&self, _: &Scope) -> Result<Option<AccessToken>> {
        tokio::task::yield_now().await;
        Ok(self.state.lock().unwrap().0.clone())
    }

    async fn lock(&self, _: &Scope, lease: &Lease, now: Timestamp) -> Result<Attempt> {
        tokio::task::yield_now().await;
        let mut state = self.state.lock().unwrap();
        if state.1.as_ref().is_some_and(|held| held.until > now && held.owner != lease.owner) {
            return Ok(Attempt::Contended);
        }
        state.1 = Some(lease.clone());
        Ok(Attempt::Done)
    }

    async fn save(&self, _: &Scope, token: &AccessToken, owner: &str) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.1.take_if(|held| held.owner == owner).is_some() {
            state.0 = Some(token.clone());
        }
        Ok(())
    }

    async fn unlock(&self, _: &Scope, owner: &str) -> Result<()> {
        self.state.lock().unwrap().1.take_if(|held| held.owner == owner);
        Ok(())
    }
}

/// The table's item for the budget: until when it is used up, and when that was found out last.
#[derive(Default)]
pub struct MemoryBudgets(pub Mutex<Option<Timestamp>>, Mutex<Option<Timestamp>>);

#[async_trait]
impl BudgetStore for MemoryBudgets {
    async fn exhausted_until(&self, _: &Scope) -> Result<Option<Timestamp>> {
        Ok(*self.0.lock().unwrap())
    }

    async fn exhaust(&self, _: &Scope, reset: Timestamp, now: Timestamp) -> Result<()> {
        *self.0.lock().unwrap() = Some(reset);
        *self.1.lock().unwrap() = Some(now);
        Ok(())
    }

    async fn claim_probe(&self, _: &Scope, before: Timestamp, now: Timestamp) -> Result<bool> {
        let mut found_out = self.1.lock().unwrap();
        let claimed = self.0.lock().unwrap().is_some() && found_out.is_some_and(|at| at <= before);
        if claimed {
            *found_out = Some(now);
        }
        Ok(claimed)
    }

    async fn clear(&self, _: &Scope) -> Result<()> {
        *self.0.lock().unwrap() = None;
        Ok(())
    }
}

/// The table's item for a platform that does not answer.
#[derive(Default)]
pub struct MemoryCircuits(pub Mutex<Option<Timestamp>>);

#[async_trait]
impl CircuitStore for MemoryCircuits {
    async fn silent_until(&self, _: &Scope) -> Result<Option<Timestamp>> {
        Ok(*self.0.lock().unwrap())
    }

    async fn note_silence(&self, _: &Scope, until: Timestamp) -> Result<()> {
        *self.0.lock().unwrap() = Some(until);
        Ok(())
    }
}

/// The table's item for spellings; how often it was written, and whether the table is away.
#[derive(Default)]
pub struct MemorySpellings {
    pub learnt: Mutex<LearntSpellings>,
    pub saves: AtomicU64,
    pub away: AtomicBool,
}

impl MemorySpellings {
    fn there(&self) -> Result<()> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(Failure::new(FailureKind::Storage, "the table is away")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl SpellingStore for MemorySpellings {
    async fn read(&self, _: &Scope) -> Result<LearntSpellings> {
        self.there()?;
        Ok(self.learnt.lock().unwrap().clone())
    }

    async fn save(&self, _: &Scope, learnt: &LearntSpellings) -> Result<()> {
        self.there()?;
        self.saves.fetch_add(1, Ordering::SeqCst);
        *self.learnt.lock().unwrap() = learnt.clone();
        Ok(())
    }
}
