//! What is said of payment providers: their secrets, and whether what nobody paid counts.

use tandem_connectors::billing::Provider;
use tandem_connectors::billing::proof::Mode;
use tandem_core::webhook::proof::Secrets;

use super::Environment;

/// What payment providers sign their deliveries with; of each two while one is being changed.
#[derive(Clone, Debug, Default)]
pub struct BillingConfig {
    stripe: Secrets,
    lemonsqueezy: Secrets,
    /// Whether documents of the providers' test modes count.
    pub mode: Mode,
}

/// The variable that has documents of test mode taken.
const TEST_MODE: &str = "TANDEM_BILLING_TEST_MODE";

impl BillingConfig {
    pub(super) fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        let of = |name: &str| {
            let names = [name.to_owned(), format!("{name}_PREVIOUS")];
            Secrets::new(
                names.iter().filter_map(|name| environment.get(&[name]).map(|secret| secret.trim().to_owned())),
            )
        };
        let mode = match environment.get(&[TEST_MODE]).map(|text| text.trim().to_lowercase()).as_deref() {
            None | Some("" | "false" | "0" | "no" | "off") => Mode::Live,
            Some("true" | "1" | "yes" | "on") => Mode::Test,
            Some(_) => {
                problems.push(format!("{TEST_MODE} must be true or false"));
                Mode::Live
            }
        };
        Self { stripe: of(variable(Provider::Stripe)), lemonsqueezy: of(variable(Provider::LemonSqueezy)), mode }
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
    fn what_nobody_paid_counts_only_when_that_is_said() {
        let read = |value: &str| {
            let mut problems = Vec::new();
            let environment = [(TEST_MODE.to_owned(), value.to_owned())].into_iter().collect();
            (BillingConfig::read(&environment, &mut problems).mode, problems.len())
        };
        assert_eq!((read("true"), read(" "), read("no")), ((Mode::Test, 0), (Mode::Live, 0), (Mode::Live, 0)));
        assert_eq!(read("perhaps"), (Mode::Live, 1));
    }

    #[test]
    fn each_provider_has_its_own_secrets() {
        let read = |entries: &[(&str, &str)]| {
            let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let secrets = BillingConfig::read(&entries.collect(), &mut Vec::new());
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
