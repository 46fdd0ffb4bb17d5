//! The names of variables: which are settings, and which nobody asks for, for they are misspelt.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::Environment;

/// How the names of settings begin.
const SETTINGS: &[&str] = &["TANDEM_", "MAUTIC_", "SUPABASE_", "STRIPE_", "LEMONSQUEEZY_", "AWS_ENDPOINT_URL_"];

/// Names that say something of one process, and nothing of the installation.
const OF_A_PROCESS: &[&str] = &["TANDEM_DATA_DIR", "TANDEM_LOG", "TANDEM_URL"];

/// Names that programs beside Tandem use: its client, its tests.
const OF_OTHERS: &[&str] = &["TANDEM_RELEASE_DIR"];

/// A name of another program that is no more alike than this to one of Tandem's is the other program's.
const ALIKE: f64 = 0.9;

/// The names that were asked for; clones of an environment share it.
#[derive(Clone, Default)]
pub(super) struct Asked(Arc<Mutex<BTreeSet<String>>>);

impl Asked {
    pub(super) fn note(&self, names: &[&str]) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names.iter().filter(|name| !asked.contains(**name)).collect::<Vec<_>>() {
            asked.insert((*name).to_owned());
        }
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A variable that is set and that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its name.
    pub name: String,
    /// The name that it was probably to be.
    pub meant: Option<String>,
}

impl Environment {
    /// The settings of the installation, for a process that shall have the same ones. Secrets are among them.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let asked = self.asked.names();
        let is_setting = |name: &String| !is_of_a_process(name) && (is_named_as_setting(name) || asked.contains(name));
        self.values
            .iter()
            .filter(|(name, _)| is_setting(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Puts the settings of another process in the place of this one's.
    pub fn take_over(&mut self, settings: Vec<(String, String)>) {
        self.values.retain(|name, _| !is_named_as_setting(name) || is_of_a_process(name));
        self.values.extend(settings);
    }

    /// Variables that look like settings, and that nobody asked for until now. Asked when all was read that is read.
    #[must_use]
    pub fn unknown_names(&self) -> Vec<Unknown> {
        let asked = self.asked.names();
        let unasked = self.values.keys().filter(|name| is_named_as_setting(name) && !asked.contains(*name));
        let unasked = unasked.filter(|name| !is_of_a_process(name) && !OF_OTHERS.contains(&name.as_str()));
        let unknown = unasked.map(|name| Unknown { name: name.clone(), meant: closest(name, &asked) });
        unknown.filter(|unknown| unknown.meant.is_some() || unknown.name.starts_with("TANDEM_")).collect()
    }

    /// Says so in the log.
    pub fn warn_of_unknown_names(&self) {
        for Unknown { name, meant } in self.unknown_names() {
            match meant {
                Some(meant) => tracing::warn!("{name} is no setting of Tandem's and does nothing; is it {meant}?"),
                None => tracing::warn!("{name} is no setting of Tandem's and does nothing"),
            }
        }
    }
}

fn is_named_as_setting(name: &str) -> bool {
    SETTINGS.iter().any(|prefix| name.starts_with(prefix))
}

fn is_of_a_process(name: &str) -> bool {
    OF_A_PROCESS.contains(&name)
}

fn closest(name: &str, asked: &BTreeSet<String>) -> Option<String> {
    let alike = asked.iter().map(|known| (strsim::normalized_damerau_levenshtein(name, known), known));
    let closest = alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|(one, _), (other, _)| one.total_cmp(other));
    closest.map(|(_, known)| known.clone())
}

#[cfg(test)]
mod tests {
    use tandem_core::mapping::RuleSet;

    use super::super::{Config, LifecycleConfig};
    use super::*;

    fn environment(entries: &[(&str, &str)]) -> Environment {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_misspelt_name_is_told_with_the_one_that_was_meant() {
        let environment = environment(&[
            ("TANDEM_VANISHD", "delete"),
            ("TANDEM_NONSENSE", "1"),
            ("MAUTIC_WEBHOK_SECRET", "x"),
            ("MAUTIC_DB_HOST", "of Mautic itself"),
            ("TANDEM_DATA_DIR", "/tmp"),
            ("PATH", "/bin"),
        ]);
        assert!(Config::read(&environment).is_ok());
        let told = environment.unknown_names();
        let told: Vec<_> = told.iter().map(|one| (one.name.as_str(), one.meant.as_deref())).collect();
        let meant = [
            ("MAUTIC_WEBHOK_SECRET", Some("MAUTIC_WEBHOOK_SECRET")),
            ("TANDEM_NONSENSE", None),
            ("TANDEM_VANISHD", Some("TANDEM_VANISHED")),
        ];
        assert_eq!(told, meant);
    }

    #[test]
    fn every_setting_of_the_documents_is_known() {
        let documented = include_str!("../../../../docs/configuration.md");
        let names = documented.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('`').skip(1));
        let names: BTreeSet<&str> = names.filter(|name| name.starts_with("TANDEM_")).collect();
        let set = |name: &&str| {
            let value = match *name {
                "TANDEM_SOURCE" => "records",
                "TANDEM_RULES" => tandem_core::automation::rulebook::DEFAULT_RULES,
                "TANDEM_CONFLICT_STRATEGY" => "manual",
                "TANDEM_RULES_FILE" => concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src/automation/lifecycle.toml"),
                _ => "60",
            };
            ((*name).to_owned(), value.to_owned())
        };
        let environment: Environment = names.iter().map(set).collect();
        // What is wrong with the values is not the question.
        let _refused = Config::read(&environment);
        let fields = RuleSet::parse(tandem_connectors::mautic::FIELDS).unwrap();
        let _refused = LifecycleConfig::read(&environment, &mut Vec::new()).book(&fields);
        assert!(names.len() > 10, "{names:?}");
        assert_eq!(environment.unknown_names(), []);
    }

    #[test]
    fn the_settings_of_another_process_go_before_ones_own() {
        let server = environment(&[("MAUTIC_BASE_URL", "https://m.example"), ("WELCOME", "7"), ("PATH", "/server")]);
        assert!(server.get(&["WELCOME"]).is_some());
        let mut own =
            environment(&[("MAUTIC_URL", "https://other.example"), ("TANDEM_LOG", "debug"), ("PATH", "/own")]);
        own.take_over(server.settings());
        assert_eq!(own.get(&["MAUTIC_BASE_URL", "MAUTIC_URL"]), Some("https://m.example"));
        assert_eq!((own.get(&["MAUTIC_URL"]), own.get(&["WELCOME"])), (None, Some("7")));
        assert_eq!((own.get(&["TANDEM_LOG"]), own.get(&["PATH"])), (Some("debug"), Some("/own")));
    }
}
