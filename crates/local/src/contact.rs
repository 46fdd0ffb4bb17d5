//! `tandem contact`: one person's data.

use std::io::{IsTerminal, Write};
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_app::config::Environment;
use tandem_app::system::{SystemClock, SystemEntropy};
use tandem_core::domain::identity::Email;
use tandem_core::domain::whom::Whom;
use tandem_core::ports::{Clock, Entropy};
use tandem_core::sync::change::Outcome;
use tandem_core::sync::erase::Erasure;
use tandem_core::sync::operations::listing::OperationQuery;
use tandem_core::sync::services::Desk;
use tandem_core::sync::whom::Known;

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::operations;
use crate::output::Output;

/// What to do with a contact.
#[derive(Subcommand)]
pub enum Contact {
    /// What Tandem knows of the person, without asking the platform.
    Show {
        /// The person's address.
        email: String,
    },
    /// What was written to the platform of the person, the newest first, as far as 90 days back.
    Log {
        /// The person's address.
        email: String,
        /// How many operations.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// All that Tandem and the platform hold, for the person to read.
    Export {
        /// The person's address.
        email: String,
    },
    /// Delete the person everywhere. Says what goes and what stays, and asks before.
    Delete(Delete),
}

/// Options of `tandem contact delete`.
#[derive(Args)]
pub struct Delete {
    /// The person's address.
    email: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Leave the person's row where it is in Tandem's own table.
    #[arg(long)]
    keep_row: bool,
}

/// Runs the command.
pub async fn contact(
    command: &Contact,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    match command {
        Contact::Show { email } => {
            let desk = installation.foundation.table_desk()?;
            let known = desk.remember(&whom(email)?).await?;
            let (key, stored) =
                known.record.ok_or_else(|| CommandError::Undone("nobody has this address".to_owned()))?;
            let feedback = desk.services.feedback.feedback(&desk.integration.scope, &key).await?;
            let shown = json!({
                "contacts": known.contacts, "record": stored.record, "link": stored.link, "feedback": feedback,
            });
            output.result(&shown, &shown);
        }
        Contact::Log { email, limit } => {
            let desk = installation.foundation.table_desk()?;
            let known = desk.remember(&whom(email)?).await?;
            let (key, _) = known.record.ok_or_else(|| CommandError::Undone("nobody has this address".to_owned()))?;
            let query = OperationQuery { record: Some(key), ..OperationQuery::default() };
            operations::show(&desk, &query, *limit, output).await?;
        }
        Contact::Export { email } => {
            let export = installation.desk()?.export(&whom(email)?).await?;
            output.result(&export, &export);
        }
        Contact::Delete(options) => delete(&installation.desk()?, options, output).await?,
    }
    Ok(())
}

async fn delete(desk: &Desk, options: &Delete, output: &Output) -> Result<(), CommandError> {
    let whom = whom(&options.email)?;
    let known = desk.know(&whom).await?;
    if known.contacts.is_empty() && known.record.is_none() {
        return Err(CommandError::Undone("nobody has this address".to_owned()));
    }
    let has_row = row_of(desk, &known).await?;
    output.note(what_goes(&known));
    output.note(what_stays(has_row && options.keep_row));
    let ask = |question: &str| if options.yes { Ok(true) } else { asked(question) };
    if !ask("Delete the person?")? {
        return Err(CommandError::Undone("nothing was deleted".to_owned()));
    }
    let keep_row = options.keep_row
        || (has_row && !ask("Forget the person's row in Tandem's own table, too? It brings nobody back if it stays.")?);
    let erasure = Erasure { at: SystemClock.now(), keep_row };
    let forgotten = has_row && !keep_row;
    match desk.erase(&whom, erasure, &SystemEntropy.id()).await? {
        Outcome::Done(erased) => {
            output.result(&json!({"deleted": erased.contacts, "rowForgotten": forgotten}), "deleted everywhere");
        }
        Outcome::Queued(queued) => output.result(
            &json!({"queued": queued.job_id, "rowForgotten": forgotten}),
            format!("deleted here; the platform can't be reached just now, job {} goes on with it", queued.job_id),
        ),
    }
    Ok(())
}

/// Whether the application's row of the person stands in Tandem's own table.
async fn row_of(desk: &Desk, known: &Known) -> Result<bool, CommandError> {
    let record = known.record.as_ref().and_then(|(_, stored)| stored.record.as_ref());
    let Some(id) = record.and_then(|record| record.external_id.as_ref()) else { return Ok(false) };
    if !desk.services.source.keeps_rows() {
        return Ok(false);
    }
    let rows = desk.services.source.rows(&desk.integration.scope, &[id.as_str().to_owned()]).await?;
    Ok(!rows.is_empty())
}

fn what_goes(known: &Known) -> String {
    let contacts: Vec<&str> = known.contacts.iter().map(|contact| contact.0.as_str()).collect();
    let contacts =
        if contacts.is_empty() { "no contact".to_owned() } else { format!("contact {}", contacts.join(", ")) };
    let record = if known.record.is_some() { "the record" } else { "no record" };
    format!("goes: {contacts} in Mautic; {record}, and what is kept of opens, clicks and events")
}

fn what_stays(row: bool) -> String {
    let row = if row { "\n       the row in Tandem's own table, until a run reads it again (--keep-row)" } else { "" };
    format!(
        "stays: digests of the address and ids, for good: no bill, file, login or webhook brings the person back; a sign-up \
         event,\n       an upsert, or a record made from now on begins anew\n       what was said about being mailed, by a digest of \
         the address{row}\n       deliveries of Mautic's webhooks, for 35 days; answers to repeated calls, for 24 hours; parked \
         jobs\n       rows in the application's own database, which are the application's to delete"
    )
}

/// A person's answer at the terminal; nothing but a yes is one.
fn asked(question: &str) -> Result<bool, CommandError> {
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::Undone(
            "this asks before it deletes, and there is no terminal to ask at: --yes deletes without asking".to_owned(),
        ));
    }
    let failed = |error: std::io::Error| CommandError::Undone(format!("the question can't be asked: {error}"));
    let mut err = std::io::stderr().lock();
    write!(err, "{question} [y/N] ").and_then(|()| err.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// The person who has an address.
pub fn whom(email: &str) -> Result<Whom, CommandError> {
    let parsed = email.parse::<Email>();
    let email = parsed.map_err(|error| CommandError::Undone(format!("the text given {error}")))?;
    Ok(Whom { email: Some(email), ..Whom::default() })
}
