//! What a scenario runs against: the simulator, or the real Mautic that the environment names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Map, Value, json};
use tandem_app::config::{Config, Environment};
use tandem_app::local_table::LocalTable;
use tandem_app::queue::local::LocalQueue;
use tandem_app::system::{SystemClock, SystemEntropy};
use tandem_app::wiring::Foundation;
use tandem_connectors::mautic::Mautic;
use tandem_core::domain::identity::Email;
use tandem_core::ports::{Entropy, MarketingPlatform};
use tokio::process::Child;

use super::sample::Held;
use crate::client::{Answer, Caller};
use crate::command::tandem;

/// The environment's Mautic, when one is configured.
pub fn real_mautic() -> Option<Environment> {
    let environment = Environment::of_process().ok()?;
    environment.get(&["MAUTIC_BASE_URL", "MAUTIC_URL", "MAUTIC_BASEURL"]).is_some().then_some(environment)
}

/// The variables by which a `tandem dev` finds the environment's Mautic.
pub fn real_variables() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| name.starts_with("MAUTIC_")).collect()
}

/// Waits until the `tandem dev` over this folder has no job left, so that none brings back what is cleaned up.
///
/// # Errors
/// When jobs are left after three minutes, longer than any lease.
pub async fn settled(folder: &Path, variables: &[(String, String)]) -> Result<(), String> {
    for _ in 0..180 {
        let printed = tandem(folder, variables, &["--json", "status"]).await;
        if !printed.success {
            return Err(format!("tandem status failed: {}", printed.err));
        }
        let queue = &printed.json()["queue"];
        if queue["waiting"] == 0 && queue["inFlight"] == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err("jobs are left on the queue after three minutes".to_owned())
}

/// A prefix of addresses that no other run has.
pub fn prefix() -> String {
    let id = SystemEntropy.id().replace('-', "");
    format!("tandem-prove-{}-", &id[id.len().saturating_sub(10)..])
}

/// A client of the environment's Mautic, for looking and for cleaning up.
pub struct RealMautic {
    mautic: Mautic,
    _table: LocalTable,
}

impl RealMautic {
    /// Connects to it.
    pub async fn connect(environment: &Environment) -> Result<Self, String> {
        let config = Config::read(environment).map_err(|error| error.to_string())?;
        let table = LocalTable::in_memory().await.map_err(|error| error.to_string())?;
        let queue = LocalQueue::in_memory(Arc::new(SystemClock)).map_err(|error| error.to_string())?;
        let foundation =
            Foundation::new(config, table.table().clone(), Arc::new(queue)).map_err(|error| error.to_string())?;
        let mautic = foundation.mautic().map_err(|error| error.to_string())?.ok_or("no Mautic is configured")?;
        Ok(Self { mautic, _table: table })
    }

    /// The contacts that these addresses have once no job of the `tandem dev` over `folder` is left, and how many were deleted
    /// then. The server is ended and the contacts are deleted whatever failed before, its start among it.
    ///
    /// # Errors
    /// What failed first, as a sentence.
    pub async fn look_and_clean_up(
        &self,
        server: Result<Child, String>,
        folder: &Path,
        addresses: &[String],
    ) -> Result<(Held, usize), String> {
        let (looked, ended) = match server {
            Ok(mut server) => {
                let looked = self.settled_contacts(folder, addresses).await;
                // A job that is left would bring back what is cleaned up.
                (looked, server.kill().await.map_err(|error| error.to_string()))
            }
            Err(why) => (Err(why), Ok(())),
        };
        let cleaned = self.clean_up(addresses).await;
        let held = looked?;
        ended?;
        Ok((held, cleaned?))
    }

    async fn settled_contacts(&self, folder: &Path, addresses: &[String]) -> Result<Held, String> {
        settled(folder, &real_variables()).await?;
        let mut held = Held::new();
        for address in addresses {
            held.insert(address.clone(), self.with_address(address).await?);
        }
        Ok(held)
    }

    /// The fields of the contacts that have an address.
    async fn with_address(&self, address: &str) -> Result<Vec<Map<String, Value>>, String> {
        let email: Email = address.parse().map_err(|_| "no address")?;
        let found = self.mautic.find_by_email(&email).await.map_err(|error| error.to_string())?;
        let mut contacts = Vec::new();
        for contact in found {
            let full = self.mautic.get(&contact.id).await.map_err(|error| error.to_string())?;
            contacts.push(full.fields.into_iter().collect());
        }
        Ok(contacts)
    }

    /// Deletes the contacts with these addresses; gives how many there were. What fails for one keeps no other from being deleted.
    async fn clean_up(&self, addresses: &[String]) -> Result<usize, String> {
        let (mut deleted, mut failed) = (0, Ok(()));
        for address in addresses {
            match self.delete_all_of(address).await {
                Ok(some) => deleted += some,
                Err(why) => failed = failed.and(Err(format!("some contacts are left in Mautic: {why}"))),
            }
        }
        failed.map(|()| deleted)
    }

    async fn delete_all_of(&self, address: &str) -> Result<usize, String> {
        let email: Email = address.parse().map_err(|_| "no address")?;
        let found = self.mautic.find_by_email(&email).await.map_err(|error| error.to_string())?;
        for contact in &found {
            self.mautic.delete(&contact.id).await.map_err(|error| error.to_string())?;
        }
        Ok(found.len())
    }
}

/// Sends calls, some at once; answers in the order of the calls. A call without an answer is made again: a client would.
pub async fn send_all(caller: &Caller, calls: &[Value], at_once: usize) -> Result<Vec<Answer>, String> {
    let answers = futures::stream::iter(calls).map(|call| send_until_answered(caller, call)).buffered(at_once);
    answers.collect::<Vec<_>>().await.into_iter().collect()
}

async fn send_until_answered(caller: &Caller, call: &Value) -> Result<Answer, String> {
    let mut last = String::new();
    for _ in 0..600 {
        match caller.call(call).await {
            Ok(answer) if answer.status < 500 && answer.status != 429 && answer.status != 409 => return Ok(answer),
            Ok(answer) => last = format!("status {} {}", answer.status, answer.error_code()),
            Err(error) => last = error.without_url().to_string(),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(format!("a call was never answered: {last}"))
}

/// The payload of a contact that has an address and a first name only.
pub fn plain_contact(address: &str, name: &str) -> Value {
    json!({"contact": {"email": address, "first_name": name}})
}
