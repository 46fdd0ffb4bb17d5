//! What a platform calls countries, states, locales and time zones, and which addresses it keeps: it refuses any other.

use crate::domain::identity::Email;

/// A country by code and by the platform's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2, in capitals.
    pub alpha2: String,
    /// The platform's name.
    pub name: String,
}

/// A platform's own words for what people write in many ways. Each method answers `None` for what it does not know.
pub trait Vocabulary: Send + Sync {
    /// The country meant by a name, a code or a usual alias, in any letter case.
    fn country(&self, given: &str) -> Option<Country>;
    /// The state's name, from a name or a code within its country. Without a country only a full name that one country
    /// alone has is known. A state of a country whose states the platform's list lacks is passed on trimmed.
    fn state(&self, given: &str, country: Option<&Country>) -> Option<String>;
    /// The locale, from any usual spelling: `en-au` is `en_AU`.
    fn locale(&self, given: &str) -> Option<String>;
    /// The IANA time zone, in its own letter case.
    fn timezone(&self, given: &str) -> Option<String>;
    /// Why the platform would change or refuse the address; `None` when it keeps it as it is. A sentence that goes on from "The
    /// address".
    fn address_flaw(&self, email: &Email) -> Option<&'static str>;
}
