//! The secrets of payment providers.

use tandem_connectors::billing::Provider;
use tandem_core::webhook::proof::Secrets;

use super::Environment;

/// What payment providers sign their deliveries with; of each two while one is being changed.
#[derive(Clone, Debug, Default)]
pub struct BillingSecrets {
    stripe: Secrets,
    lemonsqueezy: Secrets,
}

impl BillingSecrets {
    pub(super) fn read(environment: &Environment) -> Self {
        let of = |name: &str| {
            let names = [name.to_owned(), format!("{name}_PREVIOUS")];
            Secrets::new(
                names.iter().filter_map(|name| environment.get(&[name]).map(|secret| secret.trim().to_owned())),
            )
        };
        Self { stripe: of(variable(Provider::Stripe)), lemonsqueezy: of(variable(Provider::LemonSqueezy)) }
    }

    /// Those of a provider; none when its deliveries are to be refused.
    #[must_use]
    pub fn of(&self, provider: Provider) -> &Secrets {
        match provider {
            Provider::Stripe => &self.stripe,
            Provider::LemonSqueezy => &self.lemonsqueezy,
        }
    }
}

/// The variable that holds a provider's secret.
#[must_use]
pub fn variable(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => "STRIPE_WEBHOOK_SECRET",
        Provider::LemonSqueezy => "LEMONSQUEEZY_WEBHOOK_SECRET",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_provider_has_its_own_secrets() {
        let read = |entries: &[(&str, &str)]| {
            let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let secrets = BillingSecrets::read(&entries.collect());
            (secrets.of(Provider::Stripe).is_empty(), secrets.of(Provider::LemonSqueezy).is_empty())
        };
        assert_eq!(read(&[]), (true, true));
        assert_eq!(read(&[("STRIPE_WEBHOOK_SECRET", "whsec_1")]), (false, true));
        assert_eq!(
            read(&[("LEMONSQUEEZY_WEBHOOK_SECRET_PREVIOUS", "old"), ("STRIPE_WEBHOOK_SECRET", " ")]),
            (true, false)
        );
    }
}
