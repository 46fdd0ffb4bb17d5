//! Only a delivery that proves who sent it can be read: the verifier alone makes the type that can be parsed.

use jiff::Timestamp;
use serde_json::Value;
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::webhook::proof::{Secrets, Unproved};

use super::{Provider, Told, Unusable, lemonsqueezy, stripe};

/// A delivery as it came in: bytes, and what claims to prove them.
pub struct Unverified {
    /// Who is said to have sent it.
    pub provider: Provider,
    /// The raw body. It is not looked at before it is proved.
    pub body: Vec<u8>,
    /// The header `Stripe-Signature` or `X-Signature`.
    pub signature: Option<String>,
}

/// A delivery whose sender knows a secret of the provider.
pub struct Verified {
    provider: Provider,
    body: Vec<u8>,
}

impl Unverified {
    /// Checks the proof in constant time. `now` bounds the age of signatures that tell one.
    ///
    /// # Errors
    /// [`Unproved`], whatever is wrong with the proof.
    pub fn verify(self, secrets: &Secrets, now: Timestamp) -> Result<Verified, Unproved> {
        let signature = self.signature.as_deref().unwrap_or_default();
        let proved = match self.provider {
            Provider::Stripe => stripe::signature::is_good(signature, &self.body, secrets, now),
            Provider::LemonSqueezy => lemonsqueezy::signature::is_good(signature, &self.body, secrets),
        };
        if proved { Ok(Verified { provider: self.provider, body: self.body }) } else { Err(Unproved) }
    }
}

/// Which documents count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Those of real payments.
    #[default]
    Live,
    /// Those of a provider's test mode, too.
    Test,
}

/// Whether a provider made the document while nobody paid anything.
fn is_of_test_mode(provider: Provider, document: &Value) -> bool {
    match provider {
        Provider::Stripe => document["livemode"] == false,
        Provider::LemonSqueezy => {
            document["meta"]["test_mode"] == true || document["data"]["attributes"]["test_mode"] == true
        }
    }
}

impl Verified {
    /// What the document tells. The rules say which prices mean tiers.
    ///
    /// # Errors
    /// [`Unusable`]: no JSON object, or a document of a kind that is used without what is needed.
    pub fn told(&self, rules: &RuleBook, mode: Mode) -> Result<Told, Unusable> {
        let document = self.document()?;
        if mode == Mode::Live && is_of_test_mode(self.provider, &document) {
            return Ok(Told::Nothing("The document is of test mode: TANDEM_BILLING_TEST_MODE=true takes these."));
        }
        Ok(match self.provider {
            Provider::Stripe => stripe::convert::told(&document, rules)?,
            Provider::LemonSqueezy => lemonsqueezy::convert::told(&document, rules)?,
        })
    }

    fn document(&self) -> Result<Value, Unusable> {
        match serde_json::from_slice(&self.body) {
            Ok(object @ Value::Object(_)) => Ok(object),
            Ok(_) => Err(Unusable::Unreadable { line: 0, column: 0 }),
            Err(error) => Err(Unusable::Unreadable { line: error.line(), column: error.column() }),
        }
    }
}
