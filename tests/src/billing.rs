//! Deliveries of payment providers: those of `events/billing-webhook`, and ones in their likeness.

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use sha2::Sha256;
use tandem_connectors::billing::Provider;

use crate::client::Answer;
use crate::paths;
use crate::system::{Options, System};

/// The secret that Stripe's documents are signed with.
pub const STRIPE_SECRET: &str = "whsec_example_of_the_tests";
/// The secret that Lemon Squeezy's documents are signed with.
pub const LEMON_SECRET: &str = "lemon_example_of_the_tests";
/// The moment at which the example documents were signed.
pub const SIGNED_AT: i64 = 1_795_169_737;

/// A delivery as a provider makes it.
#[derive(Clone, Debug)]
pub struct Bill {
    /// Who made it.
    pub provider: Provider,
    /// The raw body.
    pub body: Vec<u8>,
    /// The provider's header.
    pub signature: String,
}

impl Bill {
    /// A body, signed with the provider's secret at this moment.
    #[must_use]
    pub fn new(provider: Provider, body: Vec<u8>, at: Timestamp) -> Self {
        let secret = match provider {
            Provider::Stripe => STRIPE_SECRET,
            Provider::LemonSqueezy => LEMON_SECRET,
        };
        Self::signed(provider, body, secret, at)
    }

    /// A body, signed with this secret.
    #[must_use]
    pub fn signed(provider: Provider, body: Vec<u8>, secret: &str, at: Timestamp) -> Self {
        let signature = match provider {
            Provider::Stripe => {
                let second = at.as_second().to_string();
                format!("t={second},v1={}", code(secret, &[second.as_bytes(), b".", &body]))
            }
            Provider::LemonSqueezy => code(secret, &[&body]),
        };
        Self { provider, body, signature }
    }
}

/// # Panics
/// Never: HMAC takes keys of any length.
fn code(secret: &str, message: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    message.iter().for_each(|part| mac.update(part));
    hex::encode(mac.finalize().into_bytes())
}

/// The document that an example delivers.
///
/// # Panics
/// When there is no such example.
#[must_use]
pub fn document(file: &str) -> Value {
    let path = paths::project().join("events/billing-webhook").join(file);
    let text = std::fs::read_to_string(path).expect("an example");
    let request: Value = serde_json::from_str(&text).expect("an example is JSON");
    serde_json::from_str(request["body"].as_str().expect("a body")).expect("a document is JSON")
}

/// The usual settings, and those of payment providers.
#[must_use]
pub fn options() -> Options {
    Options::default()
        .with("TANDEM_BILLING_TEST_MODE", "true")
        .with("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET)
        .with("LEMONSQUEEZY_WEBHOOK_SECRET", LEMON_SECRET)
        .with("TANDEM_STRIPE_PRICES", "price_example_pro=pro,prod_example_enterprise=enterprise")
        .with("TANDEM_LEMONSQUEEZY_VARIANTS", "510001=pro,510002=enterprise")
}

impl System {
    /// Delivers as a payment provider does.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn bill(&self, bill: &Bill) -> Result<Answer, String> {
        let header = match bill.provider {
            Provider::Stripe => "Stripe-Signature",
            Provider::LemonSqueezy => "X-Signature",
        };
        let request = self.caller.bare(Method::POST, &format!("/billing/{}/mautic", bill.provider));
        let request = request.header(header, &bill.signature).header("Content-Type", "application/json");
        self.caller.send(request.body(bill.body.clone())).await.map_err(|error| error.without_url().to_string())
    }
}
