//! `tandem contact`: one person's data.

mod timeline;

use std::io::{IsTerminal, Write};

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_app::api::records::OneRecord;
use tandem_app::system::{SystemClock, SystemEntropy};
use tandem_core::domain::identity::Email;
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::whom::Whom;
use tandem_core::ports::{Clock, Entropy};
use tandem_core::sync::change::Outcome;
use tandem_core::sync::erase::Erasure;
use tandem_core::sync::services::Desk;
use tandem_core::sync::timeline::Happened;
use tandem_core::sync::whom::Known;

use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
use crate::installation::Installation;
use crate::operations::{self, Wanted};
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
    /// What happened to the person, the newest first: events, what was written, what they did, what was said of being mailed.
    Timeline {
        /// The person's address.
        email: String,
        /// How many things.
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
pub async fn contact(command: &Contact, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    match command {
        Contact::Show { email } => {
            let api = target.api(&TenantId::default()).await?;
            let OneRecord { record } = found(&api, email).await?.ok_or_else(nobody)?;
            let shown = json!(record);
            output.result(&shown, format!("{shown:#}"));
            Ok(())
        }
        Contact::Log { email, limit } => {
            let api = target.api(&TenantId::default()).await?;
            let OneRecord { record } = found(&api, email).await?.ok_or_else(nobody)?;
            let wanted = Wanted { record: Some(record.key.as_str().to_owned()), ..Wanted::default() };
            operations::show(&api, &wanted, *limit, output).await
        }
        Contact::Timeline { email, limit } => {
            let api = target.api(&TenantId::default()).await?;
            let OneRecord { record } = found(&api, email).await?.ok_or_else(nobody)?;
            let path = ["records", record.key.as_str(), "timeline"];
            let entries: Vec<Happened> = api.all_as("entries", *limit, || Ask::get(&path)).await?;
            output.result(&entries, timeline::text(&entries));
            Ok(())
        }
        Contact::Export { email } => {
            let address = whom(email)?.email;
            let api = target.api(&TenantId::default()).await?;
            let export = api.ask(Ask::action(json!({"action": "export_contact", "email": address}))).await?;
            output.result(&export, &export);
            Ok(())
        }
        Contact::Delete(options) if target.url.is_some() => delete_afar(options, target, output).await,
        Contact::Delete(options) => {
            let installation = Installation::open(target.data_dir, target.environment).await?;
            delete(&installation.desk()?, options, output).await
        }
    }
}

/// The record of the person who has an address.
pub async fn found(api: &Api, email: &str) -> Result<Option<OneRecord>, CommandError> {
    let address = whom(email)?.email;
    let found = api.find(Ask::post(&["records", "find"], json!({"email": address}))).await?;
    found.map(|found| api.read(found)).transpose()
}

fn nobody() -> CommandError {
    CommandError::Undone("nobody has this address".to_owned())
}

/// Deletes a person of an installation that is called over HTTP: it knows what goes, and this process does not.
async fn delete_afar(options: &Delete, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let address = whom(&options.email)?.email;
    let api = target.api(&TenantId::default()).await?;
    if options.keep_row {
        return Err(CommandError::Undone("--keep-row can't be asked for over HTTP: nothing was deleted".to_owned()));
    }
    output.note(what_stays(false));
    if !options.yes && !asked("Delete the person, with contact, record, and what is kept of opens, clicks and events?")?
    {
        return Err(CommandError::Undone("nothing was deleted".to_owned()));
    }
    let deleted = api.ask(Ask::action(json!({"action": "delete_contact", "email": address}))).await?;
    let text = match deleted["queued"].as_bool() {
        Some(true) => "deleted there; the platform can't be reached just now, and a job goes on with it",
        _ => "deleted everywhere",
    };
    output.result(&deleted, text);
    Ok(())
}

async fn delete(desk: &Desk, options: &Delete, output: &Output) -> Result<(), CommandError> {
    let whom = whom(&options.email)?;
    let known = desk.know(&whom).await?;
    if known.contacts.is_empty() && known.record.is_none() {
        return Err(nobody());
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
