//! Putting events together: whom they are about, what they are called, where they stand in time.

use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_core::automation::event::{Customer, EventName, EventUser, LONGEST_ID, LifecycleEvent, Moment};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::domain::identity::{Email, ExternalId};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::record::{Change, Fields};

use super::Provider;
use super::document::Document;

/// The order of events of one moment: both providers tell whole seconds at best, and a payment, and what follows from it, come
/// within one.
pub(super) mod rank {
    /// A checkout: it says who a customer is.
    pub const CHECKOUT: u8 = 10;
    /// A payment, or one that failed: what follows from it comes after it.
    pub const PAYMENT: u8 = 20;
    /// A subscription's beginning.
    pub const CREATED: u8 = 30;
    /// A cancelled one goes on: no change of plan, which the state told beside it would seem to be if it came first.
    pub const TAKEN_UP: u8 = 35;
    /// A change of it.
    pub const UPDATED: u8 = 40;
    /// A pause, or the end of one.
    pub const PAUSED: u8 = 50;
    /// Its end.
    pub const ENDED: u8 = 60;
}

/// The names under which an application gives a provider its own id of a user.
const USER_IDS: &[&str] = &["user_id", "userId", "external_id"];

/// The application's id among what it told the provider.
pub(super) fn user_id(told: Option<&Document<'_>>) -> Option<String> {
    let told = told?;
    USER_IDS.iter().find_map(|name| told.text_at(name))
}

/// A person as a provider knows one.
#[derive(Clone, Default)]
pub(super) struct Person {
    /// The provider's id of the customer.
    pub customer: Option<String>,
    /// The application's id.
    pub user_id: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// The provider's ids of what the person paid: refunds name nothing else.
    pub payments: Vec<String>,
    /// The whole name. Only documents with which a customer appears give it: what is written on a card later must not take
    /// the place of the name that the application knows.
    pub name: Option<String>,
}

impl Person {
    /// The user of an event. An address or id that is none is left out, as long as something else says who it is.
    ///
    /// # Errors
    /// When nothing does; `place` is where the customer should stand.
    pub fn user(self, provider: Provider, object: &Document<'_>, place: &str) -> Result<EventUser, FieldIssue> {
        let customer = |id: String| Customer { provider: provider.name().to_owned(), id };
        let user = EventUser {
            external_id: self.user_id.and_then(|id| ExternalId::try_from(id).ok()),
            email: self.email.and_then(|text| text.parse::<Email>().ok()),
            customer: self.customer.map(&customer),
            payments: self.payments.into_iter().map(&customer).collect(),
            fields: self.name.map(|name| names(&name)).unwrap_or_default(),
            ..EventUser::default()
        };
        if user.external_id.is_none() && user.email.is_none() && user.customer.is_none() {
            object.need(place)?;
            return Err(FieldIssue::new("data", IssueCode::Missing, "The document names nobody."));
        }
        Ok(user)
    }
}

/// The first word, and the others. A single one is a first name.
fn names(whole: &str) -> tandem_core::domain::record::Patch {
    let (first, last) = whole.trim().split_once(char::is_whitespace).unwrap_or((whole.trim(), ""));
    let given = [("first_name", first), ("last_name", last.trim())].into_iter().filter(|(_, name)| !name.is_empty());
    given.map(|(field, name)| (field.to_owned(), Change::Set(json!(name)))).collect()
}

/// An event.
///
/// # Errors
/// When the document's ids make up a longer one than events may have.
pub(super) fn event(by: Moment, name: &str, user: EventUser, properties: Fields) -> Result<LifecycleEvent, FieldIssue> {
    if by.id.len() > LONGEST_ID {
        return Err(FieldIssue::new("id", IssueCode::TooLong, format!("An id may have {LONGEST_ID} bytes at most.")));
    }
    let name = EventName::try_from(name.to_owned())
        .map_err(|error| FieldIssue::new("type", IssueCode::Invalid, error.to_string()))?;
    Ok(LifecycleEvent { by, name, user, properties })
}

/// A place in time.
pub(super) fn moment(at: Timestamp, rank: u8, provider: Provider, id: &str) -> Moment {
    Moment { at, rank, id: format!("{provider}:{id}") }
}

/// Properties, those left out that are not given.
pub(super) fn properties<const N: usize>(provider: Provider, given: [(&str, Option<Value>); N]) -> Fields {
    let provider = [("provider", Some(json!(provider.name())))];
    let all = provider.into_iter().chain(given);
    all.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What is sold: a price or variant, and the product that it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Sold {
    /// The price's or variant's id.
    pub price: String,
    /// The product's id.
    pub product: Option<String>,
}

impl Sold {
    /// The id by which the rules know a tier for it, and the tier's place among them: the price's goes before the product's.
    pub fn tier(&self, provider: Provider, rules: &RuleBook) -> Option<(usize, &str)> {
        let ids = std::iter::once(&self.price).chain(&self.product);
        ids.filter_map(|id| Some((rules.rank(&rules.tier_of_price(provider.name(), id)?.name)?, id.as_str()))).next()
    }
}

/// Of what a subscription is made up of, the id of what means the highest tier; when nothing means one, the first price, so
/// that a person learns which one to configure.
pub(super) fn highest(sold: &[Sold], provider: Provider, rules: &RuleBook) -> Option<String> {
    let known = sold.iter().filter_map(|one| one.tier(provider, rules)).max_by_key(|(rank, _)| *rank);
    known.map(|(_, id)| id.to_owned()).or_else(|| sold.first().map(|one| one.price.clone()))
}
