//! Secrets on Lambda: the environment holds references, the values are read once, at cold start.

use aws_sdk_ssm::Client;

use crate::config::{ConfigProblems, Environment};

/// `GetParameters` takes this many names at once.
const BATCH: usize = 10;
/// Through this path the parameter store hands out entries of Secrets Manager, so one client serves both.
const SECRETS_MANAGER: &str = "/aws/reference/secretsmanager/";

/// Whether any value is a reference: without one, no client need be made.
#[must_use]
pub fn has_references(environment: &mut Environment) -> bool {
    environment.entries_mut().any(|(_, value)| parameter_name(value).is_some())
}

/// Puts the secrets in the place of their references (`ssm:NAME`, `secretsmanager:NAME`).
///
/// # Errors
/// Names every variable whose secret can't be read; never a value.
pub async fn resolve(environment: &mut Environment, client: &Client) -> Result<(), ConfigProblems> {
    let mut wanted: Vec<(&String, &mut String, String)> = environment
        .entries_mut()
        .filter_map(|(name, value)| parameter_name(value).map(|parameter| (name, value, parameter)))
        .collect();
    let mut problems = Vec::new();
    for batch in wanted.chunks_mut(BATCH) {
        let names = batch.iter().map(|(_, _, parameter)| parameter.clone()).collect();
        let answer = client.get_parameters().set_names(Some(names)).with_decryption(true).send().await;
        let found = answer.ok().and_then(|answer| answer.parameters).unwrap_or_default();
        for (variable, value, parameter) in batch {
            let secret =
                found.iter().find(|entry| entry.name.as_ref() == Some(parameter)).and_then(|entry| entry.value.clone());
            match secret {
                Some(secret) => **value = secret,
                None => problems.push(format!("{variable}: the secret that it names can't be read")),
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(ConfigProblems(problems)) }
}

fn parameter_name(value: &str) -> Option<String> {
    if let Some(name) = value.strip_prefix("ssm:") {
        return Some(name.to_owned());
    }
    value.strip_prefix("secretsmanager:").map(|name| format!("{SECRETS_MANAGER}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_both_stores_become_parameter_names() {
        assert_eq!(parameter_name("ssm:/tandem/secret").as_deref(), Some("/tandem/secret"));
        assert_eq!(parameter_name("secretsmanager:tandem").as_deref(), Some("/aws/reference/secretsmanager/tandem"));
        assert_eq!(parameter_name("a plain value"), None);
    }
}
