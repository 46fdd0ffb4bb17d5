//! `tandem rules`: are the lifecycle rules right, what do they say, and what would an event do?

mod afar;
mod explain;
mod live;
mod stored;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_app::config::{ConfigProblems, Environment, LifecycleConfig};
use tandem_app::rules_explained::{self, Checked, Live};
use tandem_connectors::mautic::FIELDS;
use tandem_core::automation::rulebook::{DEFAULT_RULES, RuleBook};
use tandem_core::domain::scope::TenantId;
use tandem_core::mapping::RuleSet;

use crate::api::Target;
use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// What to do with rules.
#[derive(Subcommand)]
pub enum Rules {
    /// Check rules and show what they say.
    Check(Check),
    /// Show what events would do, without doing it.
    Explain(explain::Explain),
    #[command(flatten)]
    Stored(stored::Stored),
}

/// Options of `tandem rules check`.
#[derive(Args)]
pub struct Check {
    /// The rules; without it those that the configuration names, else the built-in ones. Over HTTP those that count.
    file: Option<PathBuf>,
    /// Print the built-in rules, as a beginning of one's own.
    #[arg(long, conflicts_with_all = ["file", "live"])]
    print_default: bool,
    /// Look also whether Mautic has the lists and fields.
    #[arg(long)]
    live: bool,
}

/// Runs the command.
pub async fn rules(command: &Rules, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    if let Rules::Check(Check { print_default: true, .. }) = command {
        output.result(&json!({"rules": DEFAULT_RULES}), DEFAULT_RULES.trim_end());
        return Ok(());
    }
    if target.url.is_some() {
        return afar::rules(command, &target.api(&TenantId::default()).await?, output).await;
    }
    target.must_be_here(match command {
        Rules::Check(_) => "rules check",
        Rules::Explain(_) => "rules explain",
        Rules::Stored(_) => "rules",
    })?;
    let (data_dir, environment) = (target.data_dir, target.environment.clone());
    match command {
        Rules::Check(options) => check(options, data_dir, environment, output).await,
        Rules::Explain(options) => explain::explain(options, &environment, output),
        Rules::Stored(command) => stored::stored(command, data_dir, &environment, output).await,
    }
}

async fn check(
    options: &Check,
    data_dir: &Path,
    environment: Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let rules = Text::given(options.file.as_deref(), &environment)?;
    let fields = field_rules()?;
    let (mut checked, book) = rules_explained::checked(rules.book(&environment, &fields), &fields);
    if let Some(book) = book.filter(|_| options.live) {
        let installation = Installation::open(data_dir, &environment).await?;
        checked.live = Some(rules_explained::look(&installation.desk()?, &book).await?);
    }
    told(&rules.from, &checked, output)
}

/// What was found, for people and programs.
fn told(from: &str, checked: &Checked, output: &Output) -> Result<(), CommandError> {
    if !checked.sound {
        return refused(from, &checked.problems, output);
    }
    let Checked { notes, says, live, .. } = checked;
    let noted: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
    let said = says.as_ref().map(|says| says.text()).unwrap_or_default();
    let summary = format!("{from}: sound\n{noted}\n{said}");
    let Some(live) = live else {
        output.result(&json!({"rules": from, "problems": [], "notes": notes, "says": says}), summary);
        return Ok(());
    };
    let shown = json!({"rules": from, "problems": [], "notes": notes, "says": says, "live": live});
    output.result(&shown, format!("{summary}\n\nin Mautic\n{}", live::text(live)));
    complete(live)
}

fn complete(live: &Live) -> Result<(), CommandError> {
    if live.is_complete() {
        return Ok(());
    }
    Err(CommandError::Undone(
        "Mautic lacks what the rules need: `tandem connect mautic --create-missing` makes fields and segments"
            .to_owned(),
    ))
}

fn refused(from: &str, problems: &[String], output: &Output) -> Result<(), CommandError> {
    output.result(&json!({"rules": from, "problems": problems}), problems.join("\n"));
    Err(CommandError::Undone(format!("{from} can't be used (problems: {})", problems.len())))
}

/// The text of rules, and where it is from.
struct Text {
    text: String,
    from: String,
}

impl Text {
    /// The file's, else those that the configuration names, else the built-in ones.
    fn given(file: Option<&Path>, environment: &Environment) -> Result<Self, CommandError> {
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(CommandError::file(path))?;
            return Ok(Self { text, from: path.display().to_string() });
        }
        let mut problems = Vec::new();
        let config = LifecycleConfig::read(environment, &mut problems);
        if !problems.is_empty() {
            return Err(ConfigProblems(problems).into());
        }
        let from = match (environment.get(&["TANDEM_RULES"]), environment.get(&["TANDEM_RULES_FILE"])) {
            (Some(_), _) => "the rules in TANDEM_RULES".to_owned(),
            (None, Some(path)) => path.to_owned(),
            (None, None) => "the built-in rules".to_owned(),
        };
        Ok(Self { text: config.text, from })
    }

    /// The checked rules, or all that is wrong with them.
    fn book(&self, environment: &Environment, fields: &RuleSet) -> Result<RuleBook, Vec<String>> {
        RuleBook::parse(&self.text, fields, |name| environment.get(&[name]).map(str::to_owned))
    }
}

fn field_rules() -> Result<RuleSet, CommandError> {
    Ok(RuleSet::parse(FIELDS)?)
}
