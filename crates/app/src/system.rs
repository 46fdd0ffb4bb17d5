//! The real clock, chance and waiting. The one place that may ask the machine for them.
#![allow(clippy::disallowed_methods, reason = "this module is the substitute that clippy.toml names")]

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tandem_core::ports::{Clock, Entropy, Sleep};
use uuid::Uuid;

use crate::store::ApiKeySecret;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The machine's source of chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn unit(&self) -> f64 {
        rand::random()
    }

    fn id(&self) -> String {
        Uuid::now_v7().to_string()
    }
}

/// A new random API key.
#[must_use]
pub fn new_key() -> ApiKeySecret {
    ApiKeySecret::from_random(rand::random())
}

/// 128 random bits in hex: what stands in the path of an integration's webhooks, or signs them.
#[must_use]
pub fn public_id() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

/// Waiting by the runtime's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuntimeSleep;

#[async_trait]
impl Sleep for RuntimeSleep {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
