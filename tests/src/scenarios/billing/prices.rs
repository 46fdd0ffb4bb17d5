//! Prices that nobody configured.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use tandem_app::store::ParkedTable;
use tandem_app::wiring::Foundation;
use tandem_connectors::billing::Provider;
use tandem_core::automation::rulebook::{DEFAULT_RULES, RuleBook};
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::{JobQueue, ParkedJobs};

use super::histories::Person;
use super::work::{Worker, finish};
use super::{Lists, bill, deliver_all, standing};
use crate::system::{KEY, System};

/// Documents with prices that nobody configured: parked with advice, not lost; applied when the configuration is mended.
pub async fn mend(system: &System, lists: &Lists, at: Timestamp) -> Result<(), String> {
    let people =
        [Provider::Stripe, Provider::LemonSqueezy].map(|provider| Person { provider, number: 9_999, named: true });
    let worker = Worker::start(system, &system.foundation)?;
    for person in &people {
        // Who it is, the first invoice says.
        let paid = person.history(at).swap_remove(0).documents.swap_remove(2);
        let plan = [paid, person.unknown_price(at)].map(|document| bill(person.provider, &document, system.now()));
        deliver_all(system, &plan).await?;
    }
    finish(system).await?;
    let request = system.caller.bare(Method::GET, "/events?status=parked").bearer_auth(KEY);
    let listed = system.caller.send(request).await.map_err(|error| error.to_string())?;
    let notes = listed.data()["events"].to_string();
    for price in ["price_of_next_year", "519999"] {
        if !notes.contains(price) || !notes.contains("replay") {
            return Err(format!("no advice about {price}: {notes}"));
        }
    }
    worker.stop().await;
    let worker = Worker::start(system, &with_prices(&system.foundation)?)?;
    let parked = ParkedTable::new(system.table.table().clone());
    for job in system.parked().await {
        system.queue.send(&job.job, Duration::ZERO).await.map_err(|failure| failure.to_string())?;
        parked.remove(&TenantId::default(), &job.job.id).await.map_err(|failure| failure.to_string())?;
    }
    finish(system).await?;
    worker.stop().await;
    for person in &people {
        let found = standing(&system.contact(&person.email()), lists);
        if (found.0.as_str(), found.3.as_slice(), found.2) != ("enterprise", &["Enterprise Tier"][..], 19.0) {
            return Err(format!("after the price was configured, {person:?} stands as {found:?}"));
        }
    }
    Ok(())
}

/// The functions as they are deployed after somebody configured the prices.
fn with_prices(before: &Foundation) -> Result<Foundation, String> {
    let prices = |name: &str| match name {
        "TANDEM_STRIPE_PRICES" => Some("price_of_next_year=enterprise".to_owned()),
        "TANDEM_LEMONSQUEEZY_VARIANTS" => Some("519999=enterprise".to_owned()),
        _ => None,
    };
    let book = RuleBook::load(DEFAULT_RULES, &before.rules, prices).map_err(|failure| failure.to_string())?;
    Ok(Foundation { lifecycle: Arc::new(book), ..before.clone() })
}
