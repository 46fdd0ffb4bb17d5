//! The key that seals what tenants entrust to Tandem: credentials of their platforms, secrets of their webhooks.
//!
//! It is kept as an entry of the parameter store or Secrets Manager on Lambda, encrypted by KMS and read at cold start by the
//! functions that call platforms, and by no other; locally in a file for its owner alone. Two may be valid at once: what is sealed
//! names its key, so a new key is introduced while the one before it still opens.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};

use crate::sealing::Sealer;

/// What keys of sealed credentials are made for.
const CONTEXT: &str = "tandem credentials";

/// A sealed secret, and by which key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The key's id. The key can't be worked out from it.
    pub key: String,
    /// What was sealed, in base64.
    pub text: String,
}

/// The key in use, and the one before it.
#[derive(Clone, Default)]
pub struct DataKeys {
    /// The first one seals, all open.
    keys: Vec<(String, Sealer)>,
}

impl DataKeys {
    /// From the secrets in their order; without one nothing can be sealed.
    ///
    /// # Errors
    /// `Misconfigured` when one is empty.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let key = |secret: &str| Ok((id_of(secret), Sealer::from_secret(secret.as_bytes(), CONTEXT)?));
        Ok(Self { keys: secrets.into_iter().map(key).collect::<Result<_>>()? })
    }

    /// Seals a secret of an integration with the key in use. It opens for this integration of this tenant only.
    ///
    /// # Errors
    /// `Misconfigured` when there is no key.
    pub fn seal(&self, scope: &Scope, plain: &[u8]) -> Result<Sealed> {
        let (id, sealer) = self.keys.first().ok_or_else(no_key)?;
        Ok(Sealed { key: id.clone(), text: sealer.seal(plain, &binding(scope))? })
    }

    /// Opens what was sealed.
    ///
    /// # Errors
    /// `Misconfigured` when its key is not among these, or it was sealed for another integration.
    pub fn open(&self, scope: &Scope, sealed: &Sealed) -> Result<Vec<u8>> {
        let key = self.keys.iter().find(|(id, _)| *id == sealed.key);
        let opened = key.and_then(|(_, sealer)| sealer.open(&sealed.text, &binding(scope)));
        opened.ok_or_else(|| {
            let message = "The credentials of the integration can't be opened: the key that sealed them (TANDEM_DATA_KEY) is another \
                           one. Put it back, or give the credentials again.";
            Failure::new(FailureKind::Misconfigured, message)
        })
    }

    /// Whether something is sealed with the key in use, so that the others can go.
    #[must_use]
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        self.keys.first().is_some_and(|(id, _)| *id == sealed.key)
    }
}

/// What a sealed secret is bound to. Names of tenants and integrations hold no zero byte.
fn binding(scope: &Scope) -> Vec<u8> {
    format!("{}\0{}\0credentials", scope.tenant, scope.integration).into_bytes()
}

fn id_of(secret: &str) -> String {
    let digest = Sha256::new().chain_update(b"tandem data key id\0").chain_update(secret.as_bytes()).finalize();
    hex::encode(&digest[..8])
}

fn no_key() -> Failure {
    let message = "TANDEM_DATA_KEY is not set: without it no credentials can be stored";
    Failure::new(FailureKind::Misconfigured, message)
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "the first data key of this test";
    const NEW: &str = "the second data key of this test";

    fn scope(tenant: &str, integration: &str) -> Scope {
        Scope { tenant: tenant.to_owned().try_into().unwrap(), integration: integration.to_owned().try_into().unwrap() }
    }

    #[test]
    fn a_new_key_is_introduced_while_the_one_before_it_still_opens() {
        let (before, both, after) =
            (DataKeys::new([OLD]).unwrap(), DataKeys::new([NEW, OLD]).unwrap(), DataKeys::new([NEW]).unwrap());
        let scope = scope("a", "b");
        let old = before.seal(&scope, b"secret").unwrap();
        assert_eq!((both.open(&scope, &old).unwrap(), both.is_current(&old)), (b"secret".to_vec(), false));
        let new = both.seal(&scope, b"secret").unwrap();
        assert!(both.is_current(&new) && after.open(&scope, &new).is_ok());
        assert_eq!(after.open(&scope, &old).unwrap_err().kind, FailureKind::Misconfigured);
    }

    #[test]
    fn what_was_sealed_for_one_integration_opens_for_no_other() {
        let keys = DataKeys::new([OLD]).unwrap();
        let sealed = keys.seal(&scope("a", "b"), b"secret").unwrap();
        for other in [scope("a", "c"), scope("c", "b"), scope("a-b", "b")] {
            assert!(keys.open(&other, &sealed).is_err());
        }
        let text = format!("{keys:?} {sealed:?}");
        assert!(!text.contains("data key of"), "{text}");
    }

    #[test]
    fn without_a_key_nothing_is_sealed_and_the_failure_names_the_variable() {
        let failure = DataKeys::default().seal(&scope("a", "b"), b"secret").unwrap_err();
        assert!(failure.message.contains("TANDEM_DATA_KEY"));
    }
}
