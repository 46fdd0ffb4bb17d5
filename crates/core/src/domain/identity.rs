//! What makes two records one person: a normalised address, an external id, a platform's id.

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::kind::Kind;

/// A checked, trimmed, lower-cased address. Its `Debug` shows a digest: addresses stay out of logs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// Why a text is no address that Tandem can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// Not of the form `name@domain.tld`.
    #[error("is not an email address")]
    Malformed,
    /// Mautic strips such characters silently and would store another address (recording `018-contact-create-unicode`).
    #[error("holds characters outside ASCII, which Mautic would drop silently")]
    NotAscii,
}

impl Email {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity that this address is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::of(IdentityKind::Email, &self.0)
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let address = text.trim_matches(is_invisible).to_lowercase();
        if !address.is_ascii() {
            return Err(InvalidEmail::NotAscii);
        }
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        let sound = address.len() <= 191
            && !address.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control() || c == '"')
            && EmailAddress::parse_with_options(&address, options).is_ok();
        if sound { Ok(Self(address)) } else { Err(InvalidEmail::Malformed) }
    }
}

/// White space, and the marks that come along when an address is copied from a page or a document: byte order mark, spaces of no
/// width, soft hyphen, writing direction.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;
    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email(#{})", &self.identity().digest()[..8])
    }
}

/// The id under which the application knows the record: 1 to 191 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExternalId(String);

/// An external id that is empty, over 191 characters, or holds control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("takes 1 to 191 characters, none of them a control character")]
pub struct InvalidExternalId;

impl ExternalId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity that this id is of a person.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity_as(Kind::Person)
    }

    /// The identity that this id is of a record of a kind: the same id of another kind is another one.
    #[must_use]
    pub fn identity_as(&self, kind: Kind) -> Identity {
        let own = match kind {
            Kind::Person => IdentityKind::External,
            Kind::Organisation => IdentityKind::Organisation,
            Kind::Deal => IdentityKind::Deal,
        };
        Identity::of(own, &kind.qualified(&self.0))
    }
}

impl TryFrom<String> for ExternalId {
    type Error = InvalidExternalId;
    fn try_from(text: String) -> Result<Self, InvalidExternalId> {
        let trimmed = text.trim();
        let sound = !trimmed.is_empty() && trimmed.chars().count() <= 191 && !trimmed.chars().any(char::is_control);
        if sound { Ok(Self(trimmed.to_owned())) } else { Err(InvalidExternalId) }
    }
}

impl From<ExternalId> for String {
    fn from(id: ExternalId) -> Self {
        id.0
    }
}

/// The kinds of identity that point to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// A normalised email address.
    Email,
    /// The application's id of a person.
    External,
    /// The application's id of an organisation.
    Organisation,
    /// The application's id of a deal.
    Deal,
}

/// A kind and the digest of a value: enough to find a record, and no personal data in a key or a log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    kind: IdentityKind,
    digest: String,
}

impl Identity {
    fn of(kind: IdentityKind, value: &str) -> Self {
        let digest = Sha256::digest(value.as_bytes());
        Self { kind, digest: hex::encode(&digest[..16]) }
    }

    /// The external id that a digest of a roster stands for. The digest alone tells ids of different kinds apart, so this finds
    /// the record whatever its kind is.
    #[must_use]
    pub fn external_of(digest: &[u8; 16]) -> Self {
        Self { kind: IdentityKind::External, digest: hex::encode(digest) }
    }

    /// The kind of the value.
    #[must_use]
    pub fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// Whether it is that of an organisation or a deal.
    #[must_use]
    pub fn is_of_other_kind(&self) -> bool {
        matches!(self.kind, IdentityKind::Organisation | IdentityKind::Deal)
    }

    /// 128 bits of SHA-256 of the value, in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// The key of a record in the table: made from the first identity that the record was known by, and kept for life.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordKey(String);

impl RecordKey {
    /// The key that a record gets when this identity is the first that it is known by.
    #[must_use]
    pub fn first_known_by(identity: &Identity) -> Self {
        let kind = match identity.kind {
            IdentityKind::Email => 'e',
            IdentityKind::External => 'x',
            IdentityKind::Organisation => 'o',
            IdentityKind::Deal => 'd',
        };
        Self(format!("{kind}{}", identity.digest))
    }

    /// The key to take where another record has this one: it began with the same identity, and gave it up.
    #[must_use]
    pub fn next(&self) -> Self {
        let digest = hex::encode(&Sha256::digest(self.0.as_bytes())[..16]);
        Self(self.0.chars().take(1).chain(digest.chars()).collect())
    }

    /// A key read back from the table.
    #[must_use]
    pub fn from_stored(key: String) -> Self {
        Self(key)
    }

    /// A key as a caller writes it; `None` for a text that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digest = text.strip_prefix(['e', 'x', 'o', 'd'])?;
        let sound = digest.len() == 32 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        sound.then(|| Self(text.to_owned()))
    }

    /// The kind of the record.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'o') => Kind::Organisation,
            Some(b'd') => Kind::Deal,
            Some(_) | None => Kind::Person,
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_and_blanks_do_not_make_another_address() {
        let one: Email = "  John@Example.COM ".parse().unwrap();
        let two: Email = "john@example.com".parse().unwrap();
        assert_eq!(one, two);
        assert_eq!(one.identity(), two.identity());
    }

    #[test]
    fn invisible_characters_around_an_address_are_no_part_of_it() {
        for text in ["\u{feff}john@example.com", "john@example.com\u{200b}", "\u{a0}\u{2060}john@example.com\u{200e} "]
        {
            assert_eq!(text.parse::<Email>().unwrap().as_str(), "john@example.com", "{text:?}");
        }
        assert_eq!("jo\u{200b}hn@example.com".parse::<Email>(), Err(InvalidEmail::NotAscii));
    }

    #[test]
    fn what_a_shop_holds_in_place_of_an_address_is_refused() {
        for text in
            ["", "n/a", "none", "a@@example.com", "a@", "a.example.com", "a b@example.com", "a@b", "\"a\"@example.com"]
        {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail::Malformed), "{text}");
        }
        assert_eq!("zoë@example.com".parse::<Email>(), Err(InvalidEmail::NotAscii));
    }

    #[test]
    fn one_id_of_different_kinds_makes_different_records() {
        let id = ExternalId::try_from("7".to_owned()).unwrap();
        let keys = Kind::ALL.map(|kind| RecordKey::first_known_by(&id.identity_as(kind)));
        assert_eq!(keys.each_ref().map(RecordKey::kind), Kind::ALL);
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert_eq!(keys.each_ref().map(|key| RecordKey::parse(key.as_str())), keys.map(Some));
        assert_ne!(id.identity().digest(), id.identity_as(Kind::Organisation).digest());
    }

    #[test]
    fn the_key_after_a_key_is_another_one_of_its_kind() {
        let first = RecordKey::first_known_by(&"a@example.com".parse::<Email>().unwrap().identity());
        let next = first.next();
        assert_ne!(next, first);
        assert_eq!((next.kind(), RecordKey::parse(next.as_str())), (first.kind(), Some(next.clone())));
        assert_eq!(next, first.next());
    }

    #[test]
    fn debug_output_holds_no_address() {
        let email: Email = "john@example.com".parse().unwrap();
        assert!(!format!("{email:?}").contains("john"));
    }
}
