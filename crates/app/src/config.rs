//! Configuration from environment variables: read once, checked as a whole, all problems reported together.

pub mod billing;
mod calls;
mod lifecycle;
mod names;
mod source;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use tandem_connectors::mautic::settings::{Auth, Settings};
use tandem_core::mapping::Strategy;
use tandem_core::mapping::Vanished;
use tandem_core::sync::enrolment::Enrolment;
use tandem_core::sync::lift::AdminOptIn;
use tandem_core::sync::newcomers::Newcomers;
use tandem_core::webhook::proof::Secrets;
use tandem_core::webhook::repair::Hook;

use crate::data_key::DataKeys;

pub use billing::BillingConfig;
pub use lifecycle::LifecycleConfig;
pub use source::SourceConfig;

/// What the names of the variables begin with that Tandem reads.
const OURS: [&str; 7] = ["TANDEM_", "MAUTIC_", "SUPABASE_", "STRIPE_", "LEMONSQUEEZY_", "AWS_", "RUST_LOG"];

/// The names and values of a process's environment. The only way by which configuration gets in.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    asked: names::Asked,
}

impl Environment {
    /// The environment of this process; blank values count as absent.
    ///
    /// # Errors
    /// A variable that Tandem may read whose value is no Unicode text. What others left in the environment is theirs.
    #[expect(clippy::disallowed_methods, reason = "this is the place that clippy.toml names")]
    pub fn of_process() -> Result<Self, ConfigProblems> {
        Self::of_variables(std::env::vars_os())
    }

    fn of_variables(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, ConfigProblems> {
        let mut problems = Vec::new();
        let readable = |(name, value): (OsString, OsString)| match (name.into_string().ok()?, value.into_string()) {
            (name, Ok(value)) => Some((name, value)),
            (name, Err(_)) => {
                if OURS.iter().any(|prefix| name.starts_with(prefix)) {
                    problems.push(format!("{name} is no Unicode text"));
                }
                None
            }
        };
        let environment: Self = variables.filter_map(readable).collect();
        if problems.is_empty() { Ok(environment) } else { Err(ConfigProblems(problems)) }
    }

    /// The first of the names that has a value.
    #[must_use]
    pub fn get(&self, names: &[&str]) -> Option<&str> {
        self.asked.note(names);
        names.iter().find_map(|name| self.values.get(*name)).map(String::as_str)
    }

    /// Sets a value, as a command line option does.
    pub fn set(&mut self, name: &str, value: String) {
        self.values.insert(name.to_owned(), value);
    }

    /// All entries, for the resolution of secrets.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = (&String, &mut String)> {
        self.values.iter_mut()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(entries: T) -> Self {
        let values = entries.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        Self { values, asked: names::Asked::default() }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// All settings of a function.
#[derive(Clone, Debug)]
pub struct Config {
    /// The default Mautic; `None` is demo mode.
    pub mautic: Option<Settings>,
    /// Where the application's records live.
    pub source: SourceConfig,
    /// What happens to a field that both sides changed.
    pub conflict: Strategy,
    /// How long after a look for changes in Mautic the next one is due.
    pub pull_interval: SignedDuration,
    /// How many batch calls a run has under way at the same time at most.
    pub parallel_batches: usize,
    /// What follows from lifecycle events.
    pub lifecycle: LifecycleConfig,
    /// High-value enrolment, when it is on.
    pub enrolment: Option<Enrolment>,
    /// The table's name.
    pub table: String,
    /// The queue's address; absent where a local queue is used.
    pub queue_url: Option<String>,
    /// Where messages go that are no jobs.
    pub dead_letter_url: Option<String>,
    /// A fixed API key of the default tenant.
    pub api_key: Option<ApiKey>,
    /// The secrets that Mautic's deliveries may be signed with; two while one is being changed.
    pub webhook_secrets: Secrets,
    /// The secrets of payment providers.
    pub billing: BillingConfig,
    /// The webhook that is watched, when its address is configured.
    pub hook: Option<Hook>,
    /// How long `identify` may keep a login waiting.
    pub identify_budget: Duration,
    /// Whether a user of Mautic may take an opt-out away.
    pub admin_opt_in: AdminOptIn,
    /// Which people who appear in Mautic become records.
    pub newcomers: Newcomers,
    /// How long another caller waits for Mautic before its write is queued.
    pub call_budget: Duration,
    /// What becomes of contacts whose records are gone.
    pub vanished: Vanished,
    /// What seals credentials that are stored.
    pub data_keys: DataKeys,
    /// Whether addresses that tenants enter may lead into the network that Tandem runs in.
    pub allow_private_targets: bool,
    /// Whether what is written to platforms is kept in the operation log.
    pub operation_log: bool,
}

/// An API key in the clear, as it stands in the environment.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(pub String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<String>);

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration can't be used: {}", self.0.join("; "))
    }
}

impl std::error::Error for ConfigProblems {}

const BASE_URL: &[&str] = &["MAUTIC_BASE_URL", "MAUTIC_URL", "MAUTIC_BASEURL"];
const CLIENT_ID: &[&str] = &["MAUTIC_CLIENT_ID"];
const CLIENT_SECRET: &[&str] = &["MAUTIC_CLIENT_SECRET"];
const USERNAME: &[&str] = &["MAUTIC_USERNAME"];
const WEBHOOK_SECRET: &[&str] = &["MAUTIC_WEBHOOK_SECRET"];
const PASSWORD: &[&str] = &["MAUTIC_PASSWORD"];

impl Config {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// All problems at once; half of a pair is one that names what is missing.
    pub fn read(environment: &Environment) -> Result<Self, ConfigProblems> {
        let mut problems = Vec::new();
        let config = Self {
            mautic: mautic(environment, &mut problems),
            source: source::source(environment, &mut problems),
            conflict: conflict(environment, &mut problems),
            pull_interval: pull_interval(environment, &mut problems),
            parallel_batches: calls::parallel(environment, &mut problems),
            lifecycle: LifecycleConfig::read(environment, &mut problems),
            enrolment: enrolment(environment, &mut problems),
            table: environment.get(&["TANDEM_TABLE"]).unwrap_or("tandem").to_owned(),
            queue_url: environment.get(&["TANDEM_QUEUE_URL"]).map(str::to_owned),
            dead_letter_url: environment.get(&["TANDEM_DEAD_LETTER_QUEUE_URL"]).map(str::to_owned),
            api_key: environment.get(&["TANDEM_API_KEY"]).map(|key| ApiKey(key.trim().to_owned())),
            webhook_secrets: Secrets::new(webhook_secrets(environment)),
            billing: BillingConfig::read(environment, &mut problems),
            hook: hook(environment, &mut problems),
            identify_budget: Duration::from_millis(
                parsed(environment, "TANDEM_IDENTIFY_BUDGET_MS", &mut problems).unwrap_or(2000),
            ),
            admin_opt_in: admin_opt_in(environment, &mut problems),
            newcomers: newcomers(environment, &mut problems),
            call_budget: Duration::from_millis(
                parsed(environment, "TANDEM_CALL_BUDGET_MS", &mut problems).unwrap_or(5000),
            ),
            vanished: vanished(environment, &mut problems),
            data_keys: data_keys(environment, &mut problems),
            allow_private_targets: flag(environment, "TANDEM_ALLOW_PRIVATE_TARGETS", &mut problems),
            operation_log: operation_log(environment, &mut problems),
        };
        if config.api_key.as_ref().is_some_and(|key| key.0.len() < 8) {
            problems.push("TANDEM_API_KEY must have at least 8 characters".to_owned());
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigProblems(problems)) }
    }
}

fn mautic(environment: &Environment, problems: &mut Vec<String>) -> Option<Settings> {
    let base = environment.get(BASE_URL);
    let auth = auth(environment, base.is_some(), problems);
    if base.is_none() && has_any(environment, &[CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD]) {
        problems.push("MAUTIC_BASE_URL is missing".to_owned());
    }
    let calls = calls::read(environment, problems);
    match Settings::new(base?, auth?) {
        Ok(settings) => Some(settings.with_calls(calls)),
        Err(failure) => {
            problems.push(format!("MAUTIC_BASE_URL: {failure}"));
            None
        }
    }
}

/// OAuth2 credentials go before a name and a password when both are given.
fn auth(environment: &Environment, wanted: bool, problems: &mut Vec<String>) -> Option<Auth> {
    let value = |names| environment.get(names).map(str::to_owned);
    match (value(CLIENT_ID), value(CLIENT_SECRET), value(USERNAME), value(PASSWORD)) {
        (Some(id), Some(secret), _, _) => Some(Auth::ClientCredentials { id, secret }),
        (None, None, Some(user), Some(password)) => Some(Auth::Basic { user, password }),
        (None, None, None, None) => {
            if wanted {
                problems.push(
                    "MAUTIC_CLIENT_ID and MAUTIC_CLIENT_SECRET (or MAUTIC_USERNAME and MAUTIC_PASSWORD) are missing"
                        .to_owned(),
                );
            }
            None
        }
        (id, secret, user, password) => {
            let pairs = [("MAUTIC_CLIENT_ID", &id), ("MAUTIC_CLIENT_SECRET", &secret)];
            let basic = [("MAUTIC_USERNAME", &user), ("MAUTIC_PASSWORD", &password)];
            let halves = if id.is_some() || secret.is_some() { pairs } else { basic };
            let missing = halves.iter().filter(|(_, value)| value.is_none());
            problems.extend(missing.map(|(name, _)| format!("{name} is missing")));
            None
        }
    }
}

/// The current secret, and the one before it while it is being changed.
fn webhook_secrets(environment: &Environment) -> impl Iterator<Item = String> {
    let names: [&[&str]; 2] = [WEBHOOK_SECRET, &["MAUTIC_WEBHOOK_SECRET_PREVIOUS"]];
    names.into_iter().filter_map(|names| environment.get(names).map(str::to_owned))
}

fn hook(environment: &Environment, problems: &mut Vec<String>) -> Option<Hook> {
    let url = environment.get(&["TANDEM_WEBHOOK_URL"])?.trim().to_owned();
    let Some(secret) = environment.get(WEBHOOK_SECRET) else {
        problems.push("MAUTIC_WEBHOOK_SECRET is missing, and TANDEM_WEBHOOK_URL is set".to_owned());
        return None;
    };
    Some(Hook { url, secret: secret.to_owned() })
}

fn conflict(environment: &Environment, problems: &mut Vec<String>) -> Strategy {
    let text = environment.get(&["TANDEM_CONFLICT_STRATEGY"]);
    text.map(str::parse)
        .transpose()
        .unwrap_or_else(|what: &str| {
            problems.push(format!("TANDEM_CONFLICT_STRATEGY {what}"));
            None
        })
        .unwrap_or_default()
}

/// A run without changes shall make no call of Mautic, so that not every run looks there.
fn pull_interval(environment: &Environment, problems: &mut Vec<String>) -> SignedDuration {
    let minutes = parsed::<u32>(environment, "TANDEM_PULL_INTERVAL_MINUTES", problems).unwrap_or(60);
    SignedDuration::from_mins(minutes.into())
}

fn admin_opt_in(environment: &Environment, problems: &mut Vec<String>) -> AdminOptIn {
    match environment.get(&["TANDEM_ADMIN_OPT_IN"]).map(str::parse) {
        None => AdminOptIn::default(),
        Some(Ok(rule)) => rule,
        Some(Err(what)) => {
            let what: &str = what;
            problems.push(format!("TANDEM_ADMIN_OPT_IN {what}"));
            AdminOptIn::default()
        }
    }
}

fn newcomers(environment: &Environment, problems: &mut Vec<String>) -> Newcomers {
    let read = environment.get(&["TANDEM_NEWCOMERS"]).map(str::parse).transpose();
    read.unwrap_or_else(|what: &str| {
        problems.push(format!("TANDEM_NEWCOMERS {what}"));
        None
    })
    .unwrap_or_default()
}

fn vanished(environment: &Environment, problems: &mut Vec<String>) -> Vanished {
    match environment.get(&["TANDEM_VANISHED"]).map(str::parse) {
        None => Vanished::default(),
        Some(Ok(rule)) => rule,
        Some(Err(error)) => {
            problems.push(format!("TANDEM_VANISHED {error}"));
            Vanished::default()
        }
    }
}

/// The fewest characters that a key has which seals what others entrust.
const SHORTEST_DATA_KEY: usize = 32;

/// The key in use, and the one before it while it is being changed.
fn data_keys(environment: &Environment, problems: &mut Vec<String>) -> DataKeys {
    let names = ["TANDEM_DATA_KEY", "TANDEM_DATA_KEY_PREVIOUS"];
    let secrets: Vec<&str> = names
        .iter()
        .filter_map(|name| {
            let secret = environment.get(&[name])?.trim();
            if secret.len() < SHORTEST_DATA_KEY {
                problems.push(format!("{name} must have at least {SHORTEST_DATA_KEY} characters"));
            }
            Some(secret)
        })
        .collect();
    DataKeys::new(secrets).unwrap_or_else(|failure| {
        problems.push(failure.message);
        DataKeys::default()
    })
}

fn flag(environment: &Environment, name: &str, problems: &mut Vec<String>) -> bool {
    match environment.get(&[name]).map(str::to_lowercase).as_deref().map(str::trim) {
        Some("true" | "1" | "yes" | "on") => true,
        None | Some("false" | "0" | "no" | "off") => false,
        Some(_) => {
            problems.push(format!("{name} must be true or false"));
            false
        }
    }
}

fn operation_log(environment: &Environment, problems: &mut Vec<String>) -> bool {
    match environment.get(&["TANDEM_OPERATION_LOG"]).map(str::trim) {
        None | Some("on") => true,
        Some("off") => false,
        Some(_) => {
            problems.push("TANDEM_OPERATION_LOG must be on or off".to_owned());
            true
        }
    }
}

fn has_any(environment: &Environment, names: &[&[&str]]) -> bool {
    names.iter().any(|names| environment.get(names).is_some())
}

fn enrolment(environment: &Environment, problems: &mut Vec<String>) -> Option<Enrolment> {
    if !flag(environment, "MAUTIC_ENROLLMENT_ENABLED", problems) {
        return None;
    }
    let threshold = parsed(environment, "MAUTIC_HIGH_VALUE_THRESHOLD", problems).unwrap_or(70.0);
    let stages = environment.get(&["MAUTIC_ELIGIBLE_STAGES"]).unwrap_or("qualified,converted");
    let Some(campaign) = environment.get(&["MAUTIC_CAMPAIGN_HIGH_VALUE"]) else {
        problems.push("MAUTIC_CAMPAIGN_HIGH_VALUE is missing, and MAUTIC_ENROLLMENT_ENABLED is on".to_owned());
        return None;
    };
    if campaign.trim().parse::<u64>().is_err() {
        problems.push("MAUTIC_CAMPAIGN_HIGH_VALUE must be the number of a campaign".to_owned());
    }
    let stages = stages.split(',').map(|stage| stage.trim().to_lowercase()).filter(|stage| !stage.is_empty());
    Some(Enrolment { campaign: campaign.trim().to_owned(), threshold, stages: stages.collect() })
}

fn parsed<T: std::str::FromStr>(environment: &Environment, name: &str, problems: &mut Vec<String>) -> Option<T> {
    let text = environment.get(&[name])?;
    match text.trim().parse() {
        Ok(value) => Some(value),
        Err(_) => {
            problems.push(format!("{name} must be a number"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(entries: &[(&str, &str)]) -> Environment {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_variable_that_is_no_unicode_is_an_error_that_names_it_and_no_panic() {
        use std::os::unix::ffi::OsStringExt;
        let of = |name: &str| [(OsString::from(name), OsString::from_vec(vec![b'a', 0xff]))].into_iter();
        let problems = Environment::of_variables(of("MAUTIC_CLIENT_SECRET")).unwrap_err().to_string();
        assert!(problems.contains("MAUTIC_CLIENT_SECRET"), "{problems}");
        assert!(Environment::of_variables(of("LS_COLORS")).is_ok());
    }

    #[test]
    fn nothing_configured_is_demo_mode() {
        let config = Config::read(&environment(&[])).unwrap();
        assert!(config.mautic.is_none() && config.enrolment.is_none());
    }

    #[test]
    fn half_a_pair_is_an_error_that_names_all_that_is_missing() {
        let half = environment(&[("MAUTIC_CLIENT_ID", "1_x"), ("MAUTIC_ENROLLMENT_ENABLED", "true")]);
        let problems = Config::read(&half).unwrap_err().to_string();
        for name in ["MAUTIC_BASE_URL", "MAUTIC_CLIENT_SECRET", "MAUTIC_CAMPAIGN_HIGH_VALUE"] {
            assert!(problems.contains(name), "{problems}");
        }
    }

    #[test]
    fn a_base_url_without_credentials_is_an_error() {
        let problems = Config::read(&environment(&[("MAUTIC_URL", "https://m.example/api/")])).unwrap_err();
        assert!(problems.to_string().contains("MAUTIC_USERNAME"), "{problems}");
    }

    #[test]
    fn older_names_and_blank_values_are_understood() {
        let older = environment(&[
            ("MAUTIC_BASEURL", "https://m.example/api"),
            ("MAUTIC_USERNAME", "hub"),
            ("MAUTIC_PASSWORD", "secret"),
            ("MAUTIC_CLIENT_ID", "  "),
        ]);
        assert!(matches!(Config::read(&older).unwrap().mautic.unwrap().auth(), Auth::Basic { .. }));
    }

    #[test]
    fn what_happens_to_a_field_that_both_sides_changed_can_be_chosen() {
        let chosen = |name: &str| Config::read(&environment(&[("TANDEM_CONFLICT_STRATEGY", name)])).map(|c| c.conflict);
        assert_eq!(Config::read(&environment(&[])).unwrap().conflict, Strategy::LastWriteWins);
        assert_eq!(chosen("field_merge"), Ok(Strategy::FieldMerge));
        assert_eq!(chosen("Manual"), Ok(Strategy::Manual));
        assert!(chosen("mine").unwrap_err().to_string().contains("last_write_wins"));
        let often = Config::read(&environment(&[("TANDEM_PULL_INTERVAL_MINUTES", "5")])).unwrap();
        assert_eq!(often.pull_interval, SignedDuration::from_mins(5));
    }

    #[test]
    fn debug_output_holds_no_value() {
        let environment = environment(&[("TANDEM_API_KEY", "tdm_very_secret")]);
        assert!(!format!("{environment:?} {:?}", Config::read(&environment)).contains("very_secret"));
    }
}
