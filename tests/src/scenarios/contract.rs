//! `contract`: the recorded exchanges with a real Mautic, against the simulator and against Tandem's client.

use tandem_simulators::contract;

use super::Proof;
use crate::paths;

/// Runs the scenario; lists what does not agree, with reasons.
pub async fn run() -> Proof {
    let report = contract::replay(&paths::recordings()).await.map_err(|error| error.to_string())?;
    println!("{report}");
    let disagree = report.total() - report.agree();
    if disagree > 0 {
        return Err(format!("{disagree} recordings disagree with the simulator"));
    }
    Ok(format!("simulator {} of {} agree", report.agree(), report.total()))
}
