//! Seals small secrets before they are stored.
//!
//! The key is derived from the integration's own client secret. Whoever holds that secret can get the same token from the
//! platform anyway, so nothing is lost by it, and no key service has to be called at a cold start.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use tandem_core::error::{Failure, FailureKind, Result};

/// The length of ChaCha20-Poly1305's nonce, in bytes.
const NONCE: usize = 12;

/// Seals and opens secrets with ChaCha20-Poly1305.
#[derive(Clone)]
pub struct Sealer {
    cipher: ChaCha20Poly1305,
}

impl Sealer {
    /// A sealer with a key made from `secret` (HKDF-SHA256). Different contexts give different keys.
    ///
    /// # Errors
    /// `Misconfigured` when the secret is empty: such a seal would protect nothing.
    pub fn from_secret(secret: &[u8], context: &str) -> Result<Self> {
        let unusable = || Failure::new(FailureKind::Misconfigured, "an empty secret can't seal stored tokens");
        if secret.is_empty() {
            return Err(unusable());
        }
        let mut key = chacha20poly1305::Key::default();
        Hkdf::<Sha256>::new(None, secret).expand(context.as_bytes(), &mut key).map_err(|_| unusable())?;
        Ok(Self { cipher: ChaCha20Poly1305::new(&key) })
    }

    /// The sealed form of `plain`, in base64. It opens only with the same `aad`, which is not part of it.
    ///
    /// # Errors
    /// `Storage` for a secret of more than 256 GB, which is what the cipher takes.
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> Result<String> {
        let nonce = ChaCha20Poly1305::generate_nonce(&mut OsRng);
        let sealed = self.cipher.encrypt(&nonce, Payload { msg: plain, aad });
        let sealed = sealed.map_err(|_| Failure::new(FailureKind::Storage, "a secret could not be sealed"))?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What was sealed; `None` when it was sealed with another key or `aad`, or is damaged.
    #[must_use]
    pub fn open(&self, sealed: &str, aad: &[u8]) -> Option<Vec<u8>> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, msg) = bytes.split_at_checked(NONCE)?;
        self.cipher.decrypt(Nonce::from_slice(nonce), Payload { msg, aad }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_the_same_secret_context_and_binding_only() {
        let sealer = Sealer::from_secret(b"client secret", "tokens").unwrap();
        let sealed = sealer.seal(b"access token", b"mine").unwrap();
        assert_eq!(sealer.open(&sealed, b"mine").as_deref(), Some(&b"access token"[..]));
        assert_eq!(sealer.open(&sealed, b"yours"), None);
        for (secret, context) in [("another secret", "tokens"), ("client secret", "other")] {
            assert_eq!(Sealer::from_secret(secret.as_bytes(), context).unwrap().open(&sealed, b"mine"), None);
        }
    }

    #[test]
    fn the_same_secret_is_never_sealed_the_same_way_twice() {
        let sealer = Sealer::from_secret(b"client secret", "tokens").unwrap();
        assert_ne!(sealer.seal(b"token", b"").unwrap(), sealer.seal(b"token", b"").unwrap());
    }

    #[test]
    fn damage_is_absence() {
        let sealer = Sealer::from_secret(b"client secret", "tokens").unwrap();
        for damaged in ["", "AAAA", "not base64!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(sealer.open(damaged, b""), None, "{damaged}");
        }
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert!(Sealer::from_secret(b"", "tokens").is_err());
    }
}
