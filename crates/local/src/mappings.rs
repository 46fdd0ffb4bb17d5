//! `tandem mappings`: which of the application's fields goes to which field of the platform, read, checked and set by version.

mod afar;
mod file;
mod text;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_app::api::versions::{MappingsVersion, Versions};
use tandem_app::config::Environment;
use tandem_app::mappings::{Mappings, Setting, StoredMappings, Taken, Tried};
use tandem_app::store::{Act, Version};
use tandem_core::domain::catalog::FieldCatalog;
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::scope::Scope;
use tandem_core::mapping::set_difference::differences;
use tandem_core::mapping::{MappingSet, Problem};

use crate::api::Target;
use crate::failure::CommandError;
use crate::installation::{Installation, at_the_command};
use crate::output::Output;
use file::{Form, read_file};

/// What to do with mapping sets.
#[derive(Subcommand)]
pub enum MappingsCommand {
    /// The versions, the newest first.
    List,
    /// Print the set that counts, or another version.
    Show(Show),
    /// Look what is wrong with a set, and whether the platform takes what it would send.
    Check(Given),
    /// What differs between two sets: versions or files.
    Diff(Diff),
    /// Make a set the one that counts.
    Set(Set),
    /// Make an older version the one that counts again.
    Rollback(Rollback),
}

/// Options of `tandem mappings show`.
#[derive(Args)]
pub struct Show {
    /// The version; 0 is the built-in one.
    #[arg(long)]
    version: Option<u64>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Form::Toml)]
    format: Form,
}

/// A file with a set.
#[derive(Args)]
pub struct Given {
    /// The file; what it holds is told by its ending, .toml or .json.
    file: PathBuf,
    /// What the file holds, whatever its ending.
    #[arg(long, value_enum)]
    format: Option<Form>,
}

/// Options of `tandem mappings diff`.
#[derive(Args)]
pub struct Diff {
    /// A version or a file.
    before: String,
    /// A version or a file; without it, the set that counts is held against the one given.
    after: Option<String>,
}

/// Options of `tandem mappings set`.
#[derive(Args)]
pub struct Set {
    #[command(flatten)]
    given: Given,
    /// What this version is for, for those who read the list.
    #[arg(long)]
    note: Option<String>,
    /// Only if this version counts still.
    #[arg(long)]
    if_version: Option<u64>,
    /// Set nothing; say what would change, and what would be written of the records that --record names.
    #[arg(long)]
    dry_run: bool,
    /// The application's id of a record to try the set on. The output holds personal data.
    #[arg(long, requires = "dry_run")]
    record: Vec<String>,
}

/// Options of `tandem mappings rollback`.
#[derive(Args)]
pub struct Rollback {
    /// The version to go back to.
    version: u64,
}

/// What the commands work with.
struct Stand {
    installation: Installation,
    mappings: Mappings,
    scope: Scope,
    act: Act,
}

/// Runs the command.
pub async fn mappings(command: &MappingsCommand, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    if target.url.is_some() {
        return afar::mappings(command, target, output).await;
    }
    target.must_be_here("mappings")?;
    let (data_dir, environment) = (target.data_dir, target.environment);
    let installation = Installation::open(data_dir, environment).await?;
    let mappings = installation.foundation.mappings();
    let stand = Stand { installation, mappings, scope: Scope::default_mautic(), act: act(environment) };
    match command {
        MappingsCommand::List => stand.list(output).await,
        MappingsCommand::Show(options) => stand.show(options, output).await,
        MappingsCommand::Check(given) => stand.check(given, output).await,
        MappingsCommand::Diff(options) => stand.diff(options, output).await,
        MappingsCommand::Set(options) => stand.set(options, output).await,
        MappingsCommand::Rollback(options) => stand.roll_back(options.version, output).await,
    }
}

impl Stand {
    async fn list(&self, output: &Output) -> Result<(), CommandError> {
        let versions = Versions::of_mappings(&self.mappings.list(&self.scope).await?);
        output.result(&versions, text::list(&versions));
        Ok(())
    }

    async fn show(&self, options: &Show, output: &Output) -> Result<(), CommandError> {
        let version = match options.version {
            Some(number) => self.version(number).await?,
            None => self.mappings.active(&self.scope).await?,
        };
        let document = version.content.set.write(options.format.into());
        let mut shown = json!(MappingsVersion::of(&version));
        if let Some(object) = shown.as_object_mut() {
            object.insert("mappings".to_owned(), json!(version.content.set.mappings));
        }
        output.result(&shown, document.trim_end());
        Ok(())
    }

    async fn check(&self, given: &Given, output: &Output) -> Result<(), CommandError> {
        let set = match read_file(&given.file, given.format)? {
            Ok(set) => set,
            Err(problems) => return refused(&problems, output),
        };
        let problems = self.mappings.check(&self.scope, &set, Some(&self.catalog().await?)).await?;
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
            None => (self.mappings.active(&self.scope).await?.content.set, given),
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
        let catalog = self.catalog().await?;
        if options.dry_run {
            return self.try_out(set, &catalog, &options.record, output).await;
        }
        let setting = Setting { act: self.act.clone(), note: options.note.clone(), seen: options.if_version };
        let taken = self.mappings.set(&self.scope, set, Some(&catalog), setting).await?;
        taken_text(taken, output)
    }

    async fn roll_back(&self, number: u64, output: &Output) -> Result<(), CommandError> {
        let setting = Setting { act: self.act.clone(), note: None, seen: None };
        let taken = self.mappings.roll_back(&self.scope, number, Some(&self.catalog().await?), setting).await?;
        taken_text(taken, output)
    }

    /// What would change, and what would be written of records: all that `set` refuses is refused here too.
    async fn try_out(
        &self,
        set: MappingSet,
        catalog: &FieldCatalog,
        records: &[String],
        output: &Output,
    ) -> Result<(), CommandError> {
        let ids: Result<Vec<ExternalId>, _> = records.iter().map(|id| ExternalId::try_from(id.clone())).collect();
        let ids = ids.map_err(|error| CommandError::Undone(format!("--record: the id {error}")))?;
        told_of_trial(&self.mappings.try_out(self.installation.desk()?, &set, catalog, &ids).await?, output)
    }

    /// The set of a version, or of a file.
    async fn set_of(&self, given: &str) -> Result<MappingSet, CommandError> {
        if let Ok(number) = given.parse::<u64>() {
            return Ok(self.version(number).await?.content.set);
        }
        read_file(Path::new(given), None)?.map_err(|problems| CommandError::Undone(text::problems(&problems)))
    }

    async fn version(&self, number: u64) -> Result<Version<StoredMappings>, CommandError> {
        self.mappings.version(&self.scope, number).await?.ok_or_else(|| unknown_version(number))
    }

    /// The platform's fields, as it lists them now.
    async fn catalog(&self) -> Result<FieldCatalog, CommandError> {
        Ok(self.installation.desk()?.integration.platform.fields().await?)
    }
}

/// What a set would change, for people and programs.
fn told_of_trial(tried: &Tried, output: &Output) -> Result<(), CommandError> {
    if !tried.sound {
        return refused(&tried.problems, output);
    }
    let Tried { problems, differences, records, .. } = tried;
    output.result(
        &json!({"problems": problems, "differences": differences, "records": records}),
        text::tried(problems, differences, records),
    );
    Ok(())
}

/// What is done at this terminal now, and by whom.
pub fn act(environment: &Environment) -> Act {
    let act = at_the_command();
    let user = environment.get(&["USER", "LOGNAME"]).filter(|user| !user.is_empty());
    let by = user.map_or_else(|| act.by.clone(), |user| format!("{user}, by the tandem command"));
    Act { by, ..act }
}

fn told_sound(problems: &[Problem], output: &Output) {
    let summary = if problems.is_empty() { "sound".to_owned() } else { format!("sound\n{}", text::problems(problems)) };
    output.result(&json!({"problems": problems}), summary);
}

fn unknown_version(number: u64) -> CommandError {
    CommandError::Undone(format!("there is no version {number}: `tandem mappings list` shows those that are kept"))
}

fn refused(problems: &[Problem], output: &Output) -> Result<(), CommandError> {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    output.result(&json!({"problems": problems}), text::problems(problems));
    Err(CommandError::Undone(format!("the mapping set can't be used (errors: {errors})")))
}

fn taken_text(taken: Taken<StoredMappings>, output: &Output) -> Result<(), CommandError> {
    match taken {
        Taken::Set { version, warnings } => {
            let told = format!(
                "{}version {} counts from now on; the next sync run sends the records that it concerns",
                text::lead(&warnings),
                version.version
            );
            output.result(&json!({"version": version.version, "problems": warnings}), told);
            Ok(())
        }
        Taken::Same(number) => {
            output
                .result(&json!({"version": number, "problems": []}), format!("version {number} says the same already"));
            Ok(())
        }
        Taken::Refused(problems) => refused(&problems, output),
        Taken::Changed(number) => {
            Err(CommandError::Undone(format!("version {number} was set meanwhile: look at it, and set yours again")))
        }
        Taken::Unknown => Err(CommandError::Undone(
            "there is no such version: `tandem mappings list` shows those that are kept".to_owned(),
        )),
    }
}
