//! Which contacts go into the high-value campaign.

use serde_json::Value;

use crate::domain::consent::ConsentLedger;
use crate::domain::record::Fields;

/// The rule of high-value enrolment.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolment {
    /// The campaign's id.
    pub campaign: String,
    /// The score from which on a contact is of high value.
    pub threshold: f64,
    /// The stages that a contact may be in, in lower case.
    pub stages: Vec<String>,
}

impl Enrolment {
    /// Whether a contact with these fields and this consent belongs in the campaign. Without an opt-in it never does.
    #[must_use]
    pub fn takes(&self, fields: &Fields, consent: &ConsentLedger) -> bool {
        let score = fields.get("lead_score").and_then(number);
        let stage = fields.get("crm_status").and_then(Value::as_str).map(|text| text.trim().to_lowercase());
        consent.opted_in()
            && score.is_some_and(|score| score >= self.threshold)
            && stage.is_some_and(|stage| self.stages.contains(&stage))
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::domain::consent::{ConsentEntry, ConsentSource, ConsentStatus};

    fn fields(score: Value, stage: &str) -> Fields {
        Fields::from([("lead_score".to_owned(), score), ("crm_status".to_owned(), json!(stage))])
    }

    fn ledger(status: ConsentStatus) -> ConsentLedger {
        let mut ledger = ConsentLedger::default();
        ledger.take(ConsentEntry {
            status,
            source: ConsentSource::Application,
            at: Timestamp::UNIX_EPOCH,
            proof: None,
        });
        ledger
    }

    #[test]
    fn only_a_high_score_in_an_eligible_stage_with_an_opt_in_is_enrolled() {
        let rule = Enrolment { campaign: "4".into(), threshold: 70.0, stages: vec!["qualified".into()] };
        let yes = ledger(ConsentStatus::OptedIn);
        assert!(rule.takes(&fields(json!(70), "Qualified"), &yes));
        assert!(rule.takes(&fields(json!("85.5"), "qualified"), &yes));
        assert!(!rule.takes(&fields(json!(69.9), "qualified"), &yes));
        assert!(!rule.takes(&fields(json!(85), "new"), &yes));
        assert!(!rule.takes(&fields(json!(85), "qualified"), &ledger(ConsentStatus::OptedOut)));
        assert!(!rule.takes(&fields(json!(85), "qualified"), &ConsentLedger::default()));
    }
}
