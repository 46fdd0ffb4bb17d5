//! `tandem import`: the records of a CSV file into Tandem's own table.

mod file;
mod header;
mod quotes;
mod text;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use tandem_app::config::Environment;
use tandem_app::store::{RecordsTable, RowOutcome};
use tandem_app::system::SystemClock;
use tandem_core::domain::issue::FieldIssue;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::scope::Scope;
use tandem_core::mapping::RuleSet;
use tandem_core::ports::Clock;
use tandem_core::ports::source::SourceRow;

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;
use file::{CsvFile, Line, Shape, Told};
use header::Said;
use text::Encoding;

/// How many rows are stored at once.
const ROWS_AT_ONCE: usize = 1_000;
/// How many lines that were not taken are told one by one.
const MOST_TOLD: usize = 500;
/// How many of them people are shown.
const MOST_SHOWN: usize = 20;

/// Options of `tandem import`.
#[derive(Args, Clone, Debug)]
pub struct ImportOptions {
    /// The file, with the names of the columns in its first line. What parts its cells, and what it is written in, is found out.
    file: PathBuf,
    /// What the lines are records of: person, organisation or deal.
    #[arg(long, default_value_t = Kind::Person)]
    kind: Kind,
    /// Where the records go.
    #[arg(long, value_enum, default_value_t = Target::Records)]
    source: Target,
    /// The column with the id under which the application knows a record; the one of addresses will do.
    #[arg(long)]
    id_column: Option<String>,
    /// The field that a column holds, for names that are not found: --map "Email Address=email". "COLUMN=" leaves one out.
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = pair)]
    map: Vec<(String, String)>,
    /// What parts the cells.
    #[arg(long, value_parser = separator)]
    separator: Option<u8>,
    /// What the file is written in.
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// End well though lines were rejected.
    #[arg(long)]
    allow_rejects: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (column, field) = text.rsplit_once('=').ok_or("give a column and its field, as in \"Email Address=email\"")?;
    Ok((column.trim().to_owned(), field.trim().to_owned()))
}

fn separator(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        (_, [one]) => Ok(*one),
        _ => Err("give one sign, or tab".to_owned()),
    }
}

/// Sources, as far as the option knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Tandem's own table.
    Records,
    /// A database at Supabase, which only the application writes to.
    Supabase,
}

/// Runs the command.
pub async fn import(
    options: &ImportOptions,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    if options.source == Target::Supabase {
        return Err(elsewhere());
    }
    let installation = Installation::open(data_dir, environment).await?;
    let records = installation.foundation.records().ok_or_else(elsewhere)?;
    let columns = Said { id_column: options.id_column.clone(), map: options.map.clone() };
    let told = Told { encoding: options.encoding, separator: options.separator, columns, kind: options.kind };
    let people = &installation.foundation.rules;
    let others = people.object_of(options.kind).map_or_else(RuleSet::default, |object| object.rules.clone());
    let rules = if options.kind.is_person() { people } else { &others };
    let mut file = CsvFile::open(&options.file, rules, &told)?;
    output.note(listed(file.shape()));
    let mut import = Import { records, scope: Scope::default_mautic(), summary: Summary::default() };
    let (begun, progress) = (SystemClock.now(), progress(file.length()));
    let stored = import.all(&mut file, &progress).await;
    progress.finish_and_clear();
    let mut summary = import.summary;
    summary.seconds = SystemClock.now().duration_since(begun).as_secs_f64();
    match stored {
        Ok(()) => {
            output.result(&summary.json(file.shape()), summary.text());
            summary.verdict(options.allow_rejects)
        }
        Err(error) => Err(CommandError::Undone(format!("{error}\n{}", summary.so_far()))),
    }
}

/// What the file is, and what becomes of its columns: before anything of it is stored.
fn listed(shape: &Shape) -> String {
    let guessed = if shape.guessed { ", which is a guess: --encoding says otherwise" } else { "" };
    let mut text = format!("reads {}{guessed}; cells parted by {}\n", shape.encoding.name(), name_of(shape.separator));
    // Writing to a string can't fail, here and below.
    for (column, field) in &shape.columns.recognised {
        let _infallible = writeln!(text, "    {column:<28} {field}");
    }
    if !shape.columns.ignored.is_empty() {
        let _infallible = writeln!(
            text,
            "ignored, for no field rule knows them: {} (--map \"COLUMN=FIELD\" takes one)",
            shape.columns.ignored.join(", ")
        );
    }
    text
}

fn name_of(separator: u8) -> String {
    match separator {
        b',' => "commas".to_owned(),
        b';' => "semicolons".to_owned(),
        b'\t' => "tabs".to_owned(),
        other => format!("{}", char::from(other)),
    }
}

fn elsewhere() -> CommandError {
    CommandError::Undone(
        "the source of records is supabase: they live in that database. Put them in there, and the next sync reads them. \
         `tandem import` fills Tandem's own table, which is the source with TANDEM_SOURCE=records"
            .to_owned(),
    )
}

fn progress(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {elapsed} ({bytes_per_sec})") {
        bar.set_style(style);
    }
    bar
}

/// An import under way.
struct Import {
    records: RecordsTable,
    scope: Scope,
    summary: Summary,
}

impl Import {
    /// Stores all lines of a file.
    async fn all(&mut self, file: &mut CsvFile, progress: &ProgressBar) -> Result<(), CommandError> {
        let mut rows = Vec::new();
        loop {
            let line = file.next_line()?;
            let ended = line.is_none();
            match line {
                Some(Line { row: Ok(row), .. }) => rows.push(row),
                Some(Line { number, row: Err(issues) }) => self.summary.reject(number, issues),
                None => {}
            }
            if ended || rows.len() >= ROWS_AT_ONCE {
                self.store(&rows).await?;
                rows.clear();
                progress.set_position(file.position());
            }
            if ended {
                return Ok(());
            }
        }
    }

    async fn store(&mut self, rows: &[SourceRow]) -> Result<(), CommandError> {
        for outcome in self.records.put(&self.scope, rows).await? {
            self.summary.count(outcome);
        }
        Ok(())
    }
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Summary {
    stored: u64,
    unchanged: u64,
    stale: u64,
    repeated: u64,
    rejected: u64,
    problems: Vec<(u64, Vec<FieldIssue>)>,
    seconds: f64,
}

impl Summary {
    fn count(&mut self, outcome: RowOutcome) {
        let count = match outcome {
            RowOutcome::Stored => &mut self.stored,
            RowOutcome::Unchanged => &mut self.unchanged,
            RowOutcome::Stale => &mut self.stale,
            RowOutcome::Superseded => &mut self.repeated,
        };
        *count += 1;
    }

    fn reject(&mut self, line: u64, issues: Vec<FieldIssue>) {
        self.rejected += 1;
        if self.problems.len() < MOST_TOLD {
            self.problems.push((line, issues));
        }
    }

    fn so_far(&self) -> String {
        let taken = self.stored + self.unchanged + self.stale + self.repeated;
        format!("{taken} records before it were taken; an import of the whole file changes nothing of them")
    }

    /// Lines that were not taken are no success, unless that is said.
    fn verdict(&self, allow_rejects: bool) -> Result<(), CommandError> {
        if self.rejected == 0 || allow_rejects {
            return Ok(());
        }
        let lines = if self.rejected == 1 { "1 line was".to_owned() } else { format!("{} lines were", self.rejected) };
        Err(CommandError::Rejected(format!(
            "{lines} not taken, all others were; with --allow-rejects that is no error"
        )))
    }

    fn json(&self, shape: &Shape) -> Value {
        let columns: Map<String, Value> =
            shape.columns.recognised.iter().map(|(column, field)| (column.clone(), json!(field))).collect();
        let problem = |(line, issues): &(u64, Vec<FieldIssue>)| json!({"line": line, "issues": issues});
        json!({
            "stored": self.stored, "unchanged": self.unchanged, "stale": self.stale, "repeated": self.repeated,
            "rejected": self.rejected, "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
            "seconds": self.seconds, "encoding": shape.encoding.name(), "separator": char::from(shape.separator),
            "columns": columns, "ignored": shape.columns.ignored,
        })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "stored        {}\nunchanged     {}\nstale         {}\nrepeated      {}\nrejected      {}\n",
            self.stored, self.unchanged, self.stale, self.repeated, self.rejected
        );
        for (line, issues) in self.problems.iter().take(MOST_SHOWN) {
            for issue in issues {
                // Writing to a string can't fail, here and below.
                let _infallible = writeln!(text, "    line {line}: {} {}", issue.field, issue.message);
            }
        }
        if self.problems.len() > MOST_SHOWN {
            let _infallible = writeln!(text, "    and others: --json tells {MOST_TOLD} of them");
        }
        let _infallible = write!(text, "seconds       {:.1}", self.seconds);
        text
    }
}
