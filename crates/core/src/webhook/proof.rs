//! Only a delivery that proves who sent it can be read: the verifier alone makes the type that can be parsed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The secrets that deliveries may be signed with: one, or two while the secret is being changed.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Blank secrets are left out: they would prove nothing.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        Self(secrets.into_iter().filter(|secret| !secret.trim().is_empty()).collect())
    }

    /// Whether no delivery can be proved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `code` is the HMAC-SHA256 of a message, given in parts, with one of these as the key. Takes the same time
    /// whichever it is.
    #[must_use]
    pub fn made(&self, code: &[u8], message: &[&[u8]]) -> bool {
        any(self.0.iter().map(|secret| {
            let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
            Choice::from(u8::from(mac.is_ok_and(|mut mac| {
                message.iter().for_each(|part| mac.update(part));
                mac.verify_slice(code).is_ok()
            })))
        }))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// What the header `Webhook-Signature` says of a body that is signed with `secret`: base64 of HMAC-SHA256. `None` for a blank
/// secret, which proves nothing.
#[must_use]
pub fn signature(body: &[u8], secret: &str) -> Option<String> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.trim().as_bytes()).ok().filter(|_| !secret.trim().is_empty())?;
    mac.update(body);
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

/// A delivery as it came in: bytes, and what claims to prove them.
pub struct Unverified {
    /// The raw body. It is not looked at before it is proved.
    pub body: Vec<u8>,
    /// The header `Webhook-Signature`: base64 of HMAC-SHA256 over the raw body, with the hook's secret as the key.
    pub signature: Option<String>,
    /// The secret itself, from the query or a header, where a proxy takes signatures away.
    pub secret: Option<String>,
}

/// A delivery whose sender knows a secret.
pub struct Verified {
    body: Vec<u8>,
}

/// A delivery that nothing proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the delivery carries no valid signature or secret")]
pub struct Unproved;

impl Unverified {
    /// Checks the proof in constant time. A signature that is there must be right: a secret beside it does not mend it.
    ///
    /// # Errors
    /// [`Unproved`], whatever is wrong with the proof.
    pub fn verify(self, secrets: &Secrets) -> Result<Verified, Unproved> {
        let proved = match (&self.signature, &self.secret) {
            (Some(signature), _) => is_signed(&self.body, signature, secrets),
            (None, Some(secret)) => is_known(secret, secrets),
            (None, None) => false,
        };
        if proved { Ok(Verified { body: self.body }) } else { Err(Unproved) }
    }
}

fn is_signed(body: &[u8], signature: &str, secrets: &Secrets) -> bool {
    STANDARD.decode(signature.trim()).is_ok_and(|given| secrets.made(&given, &[body]))
}

/// Digests are compared, so that not even the secret's length shows.
fn is_known(given: &str, secrets: &Secrets) -> bool {
    let given = Sha256::digest(given.as_bytes());
    any(secrets.0.iter().map(|secret| Sha256::digest(secret.as_bytes()).ct_eq(&given)))
}

/// All are looked at, whichever matches.
fn any(matches: impl Iterator<Item = Choice>) -> bool {
    matches.fold(Choice::from(0), |found, one| found | one).into()
}

impl Verified {
    /// A delivery that was stored after it had been verified.
    #[must_use]
    pub fn stored(body: Vec<u8>) -> Self {
        Self { body }
    }

    /// The bytes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// 256 bits of SHA-256 of the bytes in hex: the same delivery has the same digest however often it comes.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(body: &[u8], secret: &str) -> String {
        signature(body, secret).unwrap()
    }

    #[test]
    fn a_body_is_signed_as_mautic_signs_it_and_never_with_a_blank_secret() {
        // Computed with another implementation of HMAC-SHA256.
        assert_eq!(signed(b"{}", "s3cret"), "rb3hzkDInBQhVofV12Kkffbfrvz61h4uhnGP/ISYVxs=");
        assert_eq!(signature(b"{}", " "), None);
    }

    fn verify(body: &[u8], signature: Option<String>, secret: Option<&str>) -> bool {
        let secrets = Secrets::new(["new".to_owned(), "old".to_owned(), " ".to_owned()]);
        Unverified { body: body.to_vec(), signature, secret: secret.map(str::to_owned) }.verify(&secrets).is_ok()
    }

    #[test]
    fn both_secrets_are_good_while_they_are_being_changed() {
        assert!(verify(b"{}", Some(signed(b"{}", "new")), None));
        assert!(verify(b"{}", Some(signed(b"{}", "old")), None));
        assert!(verify(b"{}", None, Some("old")));
    }

    #[test]
    fn what_is_not_proved_is_refused() {
        assert!(!verify(b"{}", None, None));
        assert!(!verify(b"{}", Some(signed(b"{}", "other")), None));
        assert!(!verify(b"{ }", Some(signed(b"{}", "new")), None));
        assert!(!verify(b"{}", Some("no base64".to_owned()), Some("new")));
        assert!(!verify(b"{}", None, Some(" ")));
    }
}
