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

    /// The contacts that have an address: ids and fields.
    pub async fn with_address(&self, address: &str) -> Result<Vec<(String, Map<String, Value>)>, String> {
        let email: Email = address.parse().map_err(|_| "no address")?;
        let found = self.mautic.find_by_email(&email).await.map_err(|error| error.to_string())?;
        let mut contacts = Vec::new();
        for contact in found {
            let full = self.mautic.get(&contact.id).await.map_err(|error| error.to_string())?;
            contacts.push((full.id.0, full.fields.into_iter().collect()));
        }
        Ok(contacts)
    }

    /// Deletes the contacts with these addresses; gives how many there were.
    pub async fn clean_up(&self, addresses: impl IntoIterator<Item = String>) -> Result<usize, String> {
        let mut deleted = 0;
        for address in addresses {
            let email: Email = address.parse().map_err(|_| "no address")?;
            for contact in self.mautic.find_by_email(&email).await.map_err(|error| error.to_string())? {
                self.mautic.delete(&contact.id).await.map_err(|error| error.to_string())?;
                deleted += 1;
            }
        }
        Ok(deleted)
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
