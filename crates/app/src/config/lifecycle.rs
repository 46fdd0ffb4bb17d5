//! Where the lifecycle rules come from.

use tandem_core::automation::rulebook::{DEFAULT_RULES, RuleBook};
use tandem_core::error::Result;
use tandem_core::mapping::RuleSet;

use super::Environment;

/// The text of the lifecycle rules, and the variables that they name.
#[derive(Clone, Debug)]
pub struct LifecycleConfig {
    /// The rules, in TOML.
    pub text: String,
    variables: Environment,
}

impl LifecycleConfig {
    /// Reads the rules: those in `TANDEM_RULES`, else the file that `TANDEM_RULES_FILE` names, else the default ones. A file
    /// that can't be read is a problem.
    pub fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        Self { text: text(environment, problems), variables: environment.clone() }
    }

    /// The default rules, with no variable set.
    #[must_use]
    pub fn built_in() -> Self {
        Self { text: DEFAULT_RULES.to_owned(), variables: Environment::default() }
    }

    /// The checked rules. `fields` are the field rules.
    ///
    /// # Errors
    /// `Misconfigured` with all that is wrong with them.
    pub fn book(&self, fields: &RuleSet) -> Result<RuleBook> {
        RuleBook::load(&self.text, fields, |name| self.variable(name))
    }

    /// The value of a variable that rules name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(&[name]).map(str::to_owned)
    }
}

fn text(environment: &Environment, problems: &mut Vec<String>) -> String {
    // Both are asked for, whichever is set: or the other one would pass for a name that is misspelt.
    let (text, path) = (environment.get(&["TANDEM_RULES"]), environment.get(&["TANDEM_RULES_FILE"]));
    if let Some(text) = text {
        return text.to_owned();
    }
    let Some(path) = path else { return DEFAULT_RULES.to_owned() };
    match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(format!("TANDEM_RULES_FILE can't be read: {error}"));
            DEFAULT_RULES.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> (LifecycleConfig, Vec<String>) {
        let environment = entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut problems = Vec::new();
        (LifecycleConfig::read(&environment, &mut problems), problems)
    }

    #[test]
    fn a_file_that_is_missing_is_a_problem_that_names_the_variable() {
        let (_, problems) = read(&[("TANDEM_RULES_FILE", "/nowhere/rules.toml")]);
        assert!(problems.len() == 1 && problems[0].contains("TANDEM_RULES_FILE"), "{problems:?}");
    }

    #[test]
    fn the_default_rules_are_sound_and_filled_by_variables() {
        let fields = RuleSet::parse(tandem_connectors::mautic::FIELDS).unwrap();
        let (config, problems) = read(&[("MAUTIC_WELCOME_CAMPAIGN_ID", "17")]);
        let book = config.book(&fields).unwrap();
        let welcome = book.list(&"campaign.welcome".parse().unwrap()).unwrap();
        assert_eq!((welcome.id.as_deref(), welcome.optional, problems.len()), (Some("17"), false, 0));
    }
}
