//! `contract`: the recorded exchanges with a real Mautic, against the simulator and against Tandem's client.

use tandem_simulators::contract as simulator;

use super::Proof;
use crate::{contract as client, paths};

/// Runs the scenario; lists what does not agree, with reasons.
pub async fn run() -> Proof {
    let simulator = simulator::replay(&paths::recordings()).await.map_err(|error| error.to_string())?;
    let client = client::replay(&client::recording::all(&paths::recordings())).await;
    println!("{simulator}{client}");
    let apart = simulator.total() - simulator.agree();
    if apart > 0 || simulator.total() == 0 {
        return Err(format!("{apart} of {} recordings disagree with the simulator", simulator.total()));
    }
    if let Some(first) = client.differences.first() {
        return Err(format!("{} recordings disagree with the client: {first}", client.differences.len()));
    }
    Ok(format!(
        "simulator: {} of {} agree, webhooks: {} of {}; client: {} of {} agree, the rest are calls that it never makes",
        simulator.agree(),
        simulator.total(),
        simulator.webhooks_agree(),
        simulator.webhooks.len(),
        client.agree,
        client.total
    ))
}
