//! What things that happened are called, so that a webhook and a row of a table that tell of the same thing call it the
//! same. Names are unique for a contact. Where Mautic gives no id, the second in which it happened stands in: that is the
//! same again whenever the same delivery comes, and differs from the row's name only if the second differs.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::reasons::Status;

/// A text that may be as long as this becomes part of a name as it is.
const SHORT: usize = 64;

/// The record of an email that was sent: the webhook and the row of `email_stats` share hash and id (recording
/// `mautic-5.1.0-webhooks/031-mautic.email_on_open`).
#[derive(Clone, Default)]
pub(in crate::mautic) struct StatName {
    pub hash: Option<String>,
    pub id: Option<u64>,
}

impl StatName {
    /// That the email was opened, which counts once.
    pub fn opened(&self, at: Timestamp) -> String {
        match (&self.hash, self.id) {
            (Some(hash), _) => format!("open:{}", short(hash)),
            (None, Some(id)) => format!("open-stat:{id}"),
            (None, None) => format!("open-at:{}", at.as_second()),
        }
    }

    /// That something else happened with the email, which a plugin tells and no table of Mautic's.
    pub fn other(&self, what: &str, at: Timestamp, url: Option<&str>) -> String {
        let stat = match (&self.hash, self.id) {
            (Some(hash), _) => short(hash),
            (None, Some(id)) => id.to_string(),
            (None, None) => at.as_second().to_string(),
        };
        match url {
            Some(url) => format!("{what}:{stat}:{}:{}", at.as_second(), digest(url)),
            None => format!("{what}:{stat}"),
        }
    }
}

/// A hit of a page or link.
pub(in crate::mautic) fn hit(id: Option<u64>, at: Timestamp, url: Option<&str>) -> String {
    match id {
        Some(id) => format!("hit:{id}"),
        None => format!("hit-at:{}:{}", at.as_second(), digest(url.unwrap_or_default())),
    }
}

/// A form that was sent.
pub(in crate::mautic) fn form(id: Option<u64>, at: Timestamp) -> String {
    match id {
        Some(id) => format!("form:{id}"),
        None => format!("form-at:{}", at.as_second()),
    }
}

/// A do-not-contact entry. Its status belongs to the name: Mautic gives an entry another reason in its place, and a bounce
/// that became an opt-out is another event.
pub(in crate::mautic) fn do_not_contact(
    entry: Option<u64>,
    contact: Option<u64>,
    status: Status,
    at: Timestamp,
) -> String {
    let status = status.word();
    match entry {
        Some(entry) => format!("dnc:{entry}:{status}"),
        None => format!("dnc:{}:{status}:{}", contact.unwrap_or_default(), at.as_second()),
    }
}

/// The end of a do-not-contact entry, which leaves no entry behind.
pub(in crate::mautic) fn contactable(contact: Option<u64>, at: Timestamp) -> String {
    format!("contactable:{}:{}", contact.unwrap_or_default(), at.as_second())
}

/// Names are keys of a table, which have a limit.
fn short(text: &str) -> String {
    let is_plain = text.len() <= SHORT && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_plain { text.to_owned() } else { digest(text) }
}

fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}
