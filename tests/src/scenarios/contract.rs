//! `contract`: the recorded exchanges with real Mautics, 5.1.0 and 7.0.0, against the simulator and against Tandem's client.

use tandem_simulators::MauticVersion;
use tandem_simulators::contract as simulator;

use super::Proof;
use crate::{contract as client, paths};

/// Runs the scenario for all versions; lists what does not agree, with reasons.
pub async fn run() -> Proof {
    let mut lines = Vec::new();
    for version in MauticVersion::ALL {
        for report in simulator::replay(&paths::all_recordings(), version).await.map_err(|error| error.to_string())? {
            println!("{report}");
            lines.push(simulated(&report)?);
        }
    }
    for set in &client::SETS {
        let report = client::replay(&paths::all_recordings(), set).await;
        println!("{report}");
        if let Some(first) = report.differences.first() {
            let apart = report.differences.len();
            return Err(format!("{apart} recordings of {} disagree with the client: {first}", report.folder));
        }
        lines.push(format!(
            "{}: client {} of {} (the rest are calls that it never makes)",
            report.folder, report.agree, report.total
        ));
    }
    Ok(lines.join("; "))
}

fn simulated(report: &simulator::Report) -> Proof {
    let (agree, total) = (report.agree(), report.total());
    let (webhooks_agree, webhooks) = (report.webhooks_agree(), report.webhooks.len());
    if agree < total || webhooks_agree < webhooks || total == 0 {
        let apart = total - agree + webhooks - webhooks_agree;
        return Err(format!(
            "{apart} of {} recordings of {} disagree with the simulator",
            total + webhooks,
            report.folder
        ));
    }
    Ok(format!("{}: simulator {agree} of {total}, webhooks {webhooks_agree} of {webhooks}", report.folder))
}
