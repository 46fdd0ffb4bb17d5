//! Mapping sets of an installation that is called over HTTP.

use std::path::Path;

use serde_json::{Value, json};
use tandem_app::api::versions::{MappingsVersion, Versions};
use tandem_core::domain::scope::TenantId;
use tandem_core::mapping::set_difference::differences;
use tandem_core::mapping::{MappingSet, Problem};

use super::file::read_file;
use super::{Diff, Given, MappingsCommand, Set, Show, refused, text, told_of_trial, told_sound, unknown_version};
use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
use crate::output::Output;

/// An integration of an installation that is called over HTTP.
struct Stand {
    api: Api,
    /// By id or name.
    integration: String,
}

/// Runs a command; what it prints is what the local one prints.
pub(super) async fn mappings(
    command: &MappingsCommand,
    target: &Target<'_>,
    output: &Output,
) -> Result<(), CommandError> {
    let api = target.api(&TenantId::default()).await?;
    let integration = match target.integration {
        Some(wanted) => wanted.to_owned(),
        None => first(&api).await?,
    };
    let stand = Stand { api, integration };
    match command {
        MappingsCommand::List => stand.list(output).await,
        MappingsCommand::Show(options) => stand.show(options, output).await,
        MappingsCommand::Check(given) => stand.check(given, output).await,
        MappingsCommand::Diff(options) => stand.diff(options, output).await,
        MappingsCommand::Set(options) => stand.set(options, output).await,
        MappingsCommand::Rollback(options) => stand.roll_back(options.version, output).await,
    }
}

/// The tenant's first integration: the one that is meant when nobody names one.
async fn first(api: &Api) -> Result<String, CommandError> {
    let listed = api.ask(Ask::get(&["integrations"])).await?;
    let none = || CommandError::Undone("the tenant has no integration: see `tandem integrations add`".to_owned());
    listed["integrations"][0]["id"].as_str().map(str::to_owned).ok_or_else(none)
}

impl Stand {
    /// The path of the sets, and what is behind it.
    fn path<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["integrations", &self.integration, "mappings"], more].concat()
    }

    async fn list(&self, output: &Output) -> Result<(), CommandError> {
        let versions: Versions<MappingsVersion> = self.api.ask_as(Ask::get(&self.path(&["versions"]))).await?;
        output.result(&versions, text::list(&versions));
        Ok(())
    }

    async fn show(&self, options: &Show, output: &Output) -> Result<(), CommandError> {
        let (mut shown, set) = self.version(options.version).await?;
        if let Some(object) = shown.as_object_mut() {
            object.remove("problems");
            object.insert("rules".to_owned(), json!(set.mappings.iter().map(|one| one.rules.len()).sum::<usize>()));
        }
        output.result(&shown, set.write(options.format.into()).trim_end());
        Ok(())
    }

    async fn check(&self, given: &Given, output: &Output) -> Result<(), CommandError> {
        let set = match read_file(&given.file, given.format)? {
            Ok(set) => set,
            Err(problems) => return refused(&problems, output),
        };
        let checked = self.api.ask(Ask::post(&self.path(&["check"]), json!(set))).await?;
        let problems: Vec<Problem> = self.api.read(checked["problems"].clone())?;
        if problems.iter().any(Problem::is_error) {
            return refused(&problems, output);
        }
        told_sound(&problems, output);
        Ok(())
    }

    async fn diff(&self, options: &Diff, output: &Output) -> Result<(), CommandError> {
        let given = self.set_of(&options.before).await?;
        let (before, after) = match &options.after {
            Some(after) => (given, self.set_of(after).await?),
            None => (self.version(None).await?.1, given),
        };
        let found = differences(&before, &after);
        output.result(&json!({"differences": found}), text::differences(&found));
        Ok(())
    }

    async fn set(&self, options: &Set, output: &Output) -> Result<(), CommandError> {
        let set = match read_file(&options.given.file, options.given.format)? {
            Ok(set) => set,
            Err(problems) => return refused(&problems, output),
        };
        if options.dry_run {
            let body = json!({"mappings": set.mappings, "records": options.record});
            return told_of_trial(&self.api.ask_as(Ask::post(&self.path(&["try"]), body)).await?, output);
        }
        let body = json!({"mappings": set.mappings, "note": options.note});
        let ask = Ask::put(&self.path(&[]), body).only_at(options.if_version);
        self.told(&self.api.ask(ask).await?, output)
    }

    async fn roll_back(&self, number: u64, output: &Output) -> Result<(), CommandError> {
        let ask = Ask::post(&self.path(&["rollback"]), json!({"version": number}));
        let counting = self.api.find(ask).await?.ok_or_else(|| unknown_version(number))?;
        self.told(&counting, output)
    }

    fn told(&self, counting: &Value, output: &Output) -> Result<(), CommandError> {
        let warnings: Vec<Problem> = self.api.read(counting["problems"].clone())?;
        let version = &counting["version"];
        let told = format!("{}version {version} counts", text::lead(&warnings));
        output.result(&json!({"version": version, "problems": warnings}), told);
        Ok(())
    }

    /// The set of a version, or of a file.
    async fn set_of(&self, given: &str) -> Result<MappingSet, CommandError> {
        if let Ok(number) = given.parse::<u64>() {
            return Ok(self.version(Some(number)).await?.1);
        }
        read_file(Path::new(given), None)?.map_err(|problems| CommandError::Undone(text::problems(&problems)))
    }

    /// A version as it is answered, and its set; the one that counts, when nobody names one.
    async fn version(&self, number: Option<u64>) -> Result<(Value, MappingSet), CommandError> {
        let unknown = || unknown_version(number.unwrap_or_default());
        let shown = self.api.find(Ask::get(&self.path(&[])).with("version", number)).await?.ok_or_else(unknown)?;
        let set = MappingSet::of_value(&json!({"mappings": shown["mappings"]}));
        let set = set.map_err(|problems| CommandError::Undone(text::problems(&problems)))?;
        Ok((shown, set))
    }
}
