//! `tandem rules`: are the lifecycle rules right, what do they say, and what would an event do?

mod afar;
mod describe;
mod doubts;
mod explain;
mod live;
mod stored;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_app::config::{ConfigProblems, Environment, LifecycleConfig};
use tandem_connectors::mautic::FIELDS;
use tandem_core::automation::rulebook::{DEFAULT_RULES, RuleBook};
use tandem_core::domain::scope::TenantId;
use tandem_core::mapping::RuleSet;

use crate::api::Target;
use crate::failure::CommandError;
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
    /// The rules; without it those that the configuration names, else the built-in ones.
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
    if let (Rules::Stored(command), Some(_)) = (command, target.url) {
        return afar::stored(command, &target.api(&TenantId::default()).await?, output).await;
    }
    target.must_be_here(match command {
        Rules::Check(_) => "rules check",
        Rules::Explain(_) => "rules explain",
        Rules::Stored(_) => "rules",
    })?;
    let (data_dir, environment) = (target.data_dir, target.environment.clone());
    match command {
        Rules::Check(options) if options.print_default => {
            output.result(&json!({"rules": DEFAULT_RULES}), DEFAULT_RULES.trim_end());
            Ok(())
        }
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
    let book = match rules.book(&environment, &fields) {
        Ok(book) => book,
        Err(problems) => return refused(&rules, &problems, output),
    };
    let impossible = doubts::impossible_values(&book, &fields);
    if !impossible.is_empty() {
        return refused(&rules, &impossible, output);
    }
    let mut notes = doubts::unsent_events(&book, &fields);
    notes.extend(doubts::lists_given_twice(&book));
    let said = describe::described(&book);
    let told: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
    let summary = format!("{}: sound\n{told}\n{}", rules.from, said.text());
    if !options.live {
        output.result(&json!({"rules": rules.from, "problems": [], "notes": notes, "says": said}), summary);
        return Ok(());
    }
    let live = live::look(&rules.text, data_dir, &environment).await?;
    let shown = json!({"rules": rules.from, "problems": [], "notes": notes, "says": said, "live": live});
    output.result(&shown, format!("{summary}\n\nin Mautic\n{}", live.text()));
    if live.is_complete() {
        return Ok(());
    }
    Err(CommandError::Undone(
        "Mautic lacks what the rules need: `tandem connect mautic --create-missing` makes fields and segments"
            .to_owned(),
    ))
}

fn refused(rules: &Text, problems: &[String], output: &Output) -> Result<(), CommandError> {
    output.result(&json!({"rules": rules.from, "problems": problems}), problems.join("\n"));
    Err(CommandError::Undone(format!("{} can't be used (problems: {})", rules.from, problems.len())))
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
