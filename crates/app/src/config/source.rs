//! Where the application's records live.

use tandem_connectors::sources::supabase::{Settings, VIEW};
use tandem_core::domain::kind::Kind;

use super::Environment;

/// Where the application's records live.
#[derive(Clone, Debug)]
pub enum SourceConfig {
    /// In Tandem's own table: the application hands them over.
    Records,
    /// In a Supabase project.
    Supabase(Settings),
}

const KIND: &str = "TANDEM_SOURCE";
const URL: &str = "SUPABASE_URL";
const KEY: &str = "SUPABASE_SERVICE_ROLE_KEY";
/// Views of other records than people, which need not be there.
const VIEWS: [(Kind, &str); 2] =
    [(Kind::Organisation, "SUPABASE_ORGANISATIONS_VIEW"), (Kind::Deal, "SUPABASE_DEALS_VIEW")];

/// The source that `TANDEM_SOURCE` names; without it Supabase when that is configured, else the records. Half of a pair is a
/// problem whatever is named.
pub(super) fn source(environment: &Environment, problems: &mut Vec<String>) -> SourceConfig {
    let kind = environment.get(&[KIND]).map(|kind| kind.trim().to_lowercase());
    let wanted = match kind.as_deref() {
        Some("records") => false,
        Some("supabase") => true,
        None => [URL, KEY].iter().any(|name| environment.get(&[name]).is_some()),
        Some(_) => {
            problems.push(format!("{KIND} must be records or supabase"));
            return SourceConfig::Records;
        }
    };
    let settings = supabase(environment, wanted, problems);
    settings.filter(|_| wanted).map_or(SourceConfig::Records, SourceConfig::Supabase)
}

fn supabase(environment: &Environment, wanted: bool, problems: &mut Vec<String>) -> Option<Settings> {
    let (url, key) = (environment.get(&[URL]), environment.get(&[KEY]));
    if wanted || url.is_some() != key.is_some() {
        let missing = [(URL, url), (KEY, key)].into_iter().filter(|(_, value)| value.is_none());
        problems.extend(missing.map(|(name, _)| format!("{name} is missing")));
    }
    let settings = Settings::new(url?, key?, environment.get(&["SUPABASE_VIEW"]).unwrap_or(VIEW));
    let with_view = |settings: Settings, (kind, name): &(Kind, &str)| match environment.get(&[*name]) {
        Some(view) => settings.with_view(*kind, view),
        None => Ok(settings),
    };
    match settings.and_then(|settings| VIEWS.iter().try_fold(settings, with_view)) {
        Ok(settings) => Some(settings),
        Err(failure) => {
            problems.push(format!(
                "{URL}, {KEY}, SUPABASE_VIEW, SUPABASE_ORGANISATIONS_VIEW, SUPABASE_DEALS_VIEW: {failure}"
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<SourceConfig, String> {
        let environment = entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut problems = Vec::new();
        let source = source(&environment, &mut problems);
        if problems.is_empty() { Ok(source) } else { Err(problems.join("; ")) }
    }

    const BOTH: [(&str, &str); 2] = [(URL, "https://x.supabase.co"), (KEY, "sb_secret_1")];

    #[test]
    fn supabase_is_the_source_when_it_is_configured_and_nothing_else_is_named() {
        assert!(matches!(read(&[]), Ok(SourceConfig::Records)));
        assert!(matches!(read(&BOTH), Ok(SourceConfig::Supabase(_))));
        assert!(matches!(read(&[BOTH[0], BOTH[1], (KIND, "records")]), Ok(SourceConfig::Records)));
    }

    #[test]
    fn half_of_the_pair_is_an_error_that_names_the_other() {
        assert!(read(&BOTH[..1]).unwrap_err().contains(KEY));
        assert!(read(&BOTH[1..]).unwrap_err().contains(URL));
        assert!(read(&[BOTH[0], (KIND, "records")]).unwrap_err().contains(KEY));
        let neither = read(&[(KIND, "supabase")]).unwrap_err();
        assert!(neither.contains(KEY) && neither.contains(URL), "{neither}");
    }

    #[test]
    fn what_can_not_be_used_is_named_without_the_key() {
        assert!(read(&[(KIND, "postgres")]).unwrap_err().contains(KIND));
        let public = read(&[BOTH[0], (KEY, "sb_publishable_s3cret")]).unwrap_err();
        assert!(public.contains("service role") && !public.contains("s3cret"), "{public}");
    }
}
