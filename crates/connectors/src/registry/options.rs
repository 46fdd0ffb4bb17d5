//! How an integration is worked with, as it is stored; and what that means.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::mapping::Strategy;
use tandem_core::mapping::Vanished;
use tandem_core::policy::{MOST_PARALLEL_BATCHES, PARALLEL_BATCHES};
use tandem_core::sync::enrolment::Enrolment;
use tandem_core::sync::lift::AdminOptIn;
use tandem_core::sync::newcomers::Newcomers;

use crate::mautic::settings::{Calls, CallsAMinute};

/// The settings as people write them; what is left out is as usual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Options {
    /// What happens to a field that both sides changed: `last_write_wins`, `field_merge`, `manual`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict_strategy: Option<String>,
    /// What becomes of a contact whose record is gone: `keep`, `tag:NAME`, `unsubscribe`, `delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vanished: Option<String>,
    /// How often the platform is asked for what people changed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_interval_minutes: Option<u32>,
    /// Whether a user of the platform may take an opt-out away: `refuse`, `accept`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_opt_in: Option<String>,
    /// Which people who appear on the platform become records: `none`, `all`, `with_consent`, `segment:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newcomers: Option<String>,
    /// How many calls a process makes: `auto`, `off`, or a number a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<String>,
    /// Hundredths of the platform's limit of calls that runs leave to others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactive_reserve: Option<u8>,
    /// How many batch calls a run has under way at the same time at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_batches: Option<u8>,
    /// Which contacts are put into the high-value campaign; none when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<EnrolmentOptions>,
}

/// The rule of high-value enrolment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentOptions {
    /// The campaign's number.
    pub campaign: String,
    /// The score from which on a contact is of high value; 70 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The stages that a contact may be in; `qualified` and `converted` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<String>>,
}

/// What options mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// What happens to a field that both sides changed.
    pub conflict: Strategy,
    /// What becomes of contacts whose records are gone.
    pub vanished: Vanished,
    /// How long after a look for changes the next one is due.
    pub pull_interval: SignedDuration,
    /// Whether a user of the platform may take an opt-out away.
    pub admin_opt_in: AdminOptIn,
    /// Which people who appear on the platform become records.
    pub newcomers: Newcomers,
    /// How many calls are made.
    pub calls: Calls,
    /// How many batch calls a run has under way at the same time at most.
    pub parallel_batches: usize,
    /// High-value enrolment, when it is on.
    pub enrolment: Option<Enrolment>,
}

/// The longest pull interval: a week.
const LONGEST_INTERVAL: u32 = 7 * 24 * 60;
/// The longest text that any option is.
const LONGEST: usize = 200;

impl Options {
    /// What they mean.
    ///
    /// # Errors
    /// Every option that can't be used, by its name in requests.
    pub fn check(&self) -> Result<Tuning, Vec<FieldIssue>> {
        let mut issues = Vec::new();
        let mut wrong = |name: &str, message: String| {
            let name = format!("settings.{name}");
            issues.push(FieldIssue::new(name, IssueCode::Invalid, format!("The value {message}.")));
        };
        let conflict = parsed(self.conflict_strategy.as_deref(), "conflictStrategy", &mut wrong);
        let vanished = parsed(self.vanished.as_deref(), "vanished", &mut wrong);
        let admin_opt_in = parsed(self.admin_opt_in.as_deref(), "adminOptIn", &mut wrong);
        let newcomers = parsed(self.newcomers.as_deref(), "newcomers", &mut wrong);
        let minutes = self.pull_interval_minutes.unwrap_or(60);
        if !(1..=LONGEST_INTERVAL).contains(&minutes) {
            wrong("pullIntervalMinutes", format!("must be 1 to {LONGEST_INTERVAL}"));
        }
        let calls = self.calls(&mut wrong);
        let parallel_batches = self.parallel_batches.map_or(PARALLEL_BATCHES, usize::from);
        if !(1..=MOST_PARALLEL_BATCHES).contains(&parallel_batches) {
            wrong("parallelBatches", format!("must be 1 to {MOST_PARALLEL_BATCHES}"));
        }
        let enrolment = self.enrolment.as_ref().map(|rule| rule.check(&mut wrong));
        let pull_interval = SignedDuration::from_mins(minutes.into());
        let tuning =
            Tuning { conflict, vanished, pull_interval, admin_opt_in, newcomers, calls, parallel_batches, enrolment };
        if issues.is_empty() { Ok(tuning) } else { Err(issues) }
    }

    fn calls(&self, wrong: &mut impl FnMut(&str, String)) -> Calls {
        let usual = Calls::default();
        let a_minute = match self.calls_per_minute.as_deref() {
            None | Some("auto") => usual.a_minute,
            Some("off") => CallsAMinute::Unlimited,
            Some(text) => text.parse().map(CallsAMinute::AtMost).unwrap_or_else(|_| {
                wrong("callsPerMinute", "must be auto, off, or a number above 0".to_owned());
                usual.a_minute
            }),
        };
        let reserve = self.interactive_reserve.unwrap_or(usual.reserve);
        if reserve > 90 {
            wrong("interactiveReserve", "must be 0 to 90".to_owned());
        }
        Calls { a_minute, reserve }
    }
}

impl EnrolmentOptions {
    fn check(&self, wrong: &mut impl FnMut(&str, String)) -> Enrolment {
        let is_number = (1..=18).contains(&self.campaign.len()) && self.campaign.bytes().all(|b| b.is_ascii_digit());
        if !is_number {
            wrong("enrolment.campaign", "must be the number of a campaign".to_owned());
        }
        let threshold = self.threshold.unwrap_or(70.0);
        if !threshold.is_finite() {
            wrong("enrolment.threshold", "must be a number".to_owned());
        }
        let usual = || ["qualified", "converted"].map(str::to_owned).to_vec();
        let stages: Vec<String> = self.stages.clone().unwrap_or_else(usual);
        if stages.len() > 50 || stages.iter().any(|stage| stage.trim().is_empty() || stage.len() > LONGEST) {
            wrong("enrolment.stages", "must be up to 50 stages".to_owned());
        }
        let stages = stages.iter().map(|stage| stage.trim().to_lowercase()).collect();
        Enrolment { campaign: self.campaign.clone(), threshold, stages }
    }
}

fn parsed<T>(text: Option<&str>, name: &str, wrong: &mut impl FnMut(&str, String)) -> T
where
    T: std::str::FromStr + Default,
    T::Err: std::fmt::Display,
{
    match text.map(str::parse) {
        None => T::default(),
        Some(Ok(value)) if text.is_some_and(|text| text.len() <= LONGEST) => value,
        Some(Ok(_)) => {
            wrong(name, format!("takes {LONGEST} characters"));
            T::default()
        }
        Some(Err(error)) => {
            wrong(name, error.to_string());
            T::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_is_as_the_environment_has_it_when_nothing_is_set() {
        let tuning = Options::default().check().unwrap();
        assert_eq!((tuning.conflict, &tuning.vanished), (Strategy::LastWriteWins, &Vanished::Keep));
        assert_eq!((tuning.pull_interval, tuning.admin_opt_in), (SignedDuration::from_mins(60), AdminOptIn::Refuse));
        assert_eq!((tuning.calls, tuning.enrolment), (Calls::default(), None));
        assert_eq!(tuning.parallel_batches, PARALLEL_BATCHES);
        assert_eq!(tuning.newcomers, Newcomers::None);
        assert_eq!(json!(Options::default()), json!({}), "the stored form");
    }

    #[test]
    fn every_option_that_can_not_be_used_is_named_at_once() {
        let options = json!({
            "conflictStrategy": "mine", "vanished": "burn", "pullIntervalMinutes": 0, "adminOptIn": "maybe",
            "newcomers": "some", "callsPerMinute": "0", "interactiveReserve": 91, "parallelBatches": 0,
            "enrolment": {"campaign": "x", "stages": [""]},
        });
        let options: Options = serde_json::from_value(options).unwrap();
        let issues = options.check().unwrap_err();
        let names: Vec<&str> = issues.iter().filter_map(|issue| issue.field.strip_prefix("settings.")).collect();
        let expected = [
            "conflictStrategy",
            "vanished",
            "adminOptIn",
            "newcomers",
            "pullIntervalMinutes",
            "callsPerMinute",
            "interactiveReserve",
            "parallelBatches",
            "enrolment.campaign",
            "enrolment.stages",
        ];
        assert_eq!(names, expected);
        assert!(issues.iter().all(|issue| !issue.message.contains("burn")), "a value is never repeated");
    }
}
