//! Stripe: subscriptions, invoices and checkouts. The facts are those of <https://docs.stripe.com/webhooks> and
//! <https://docs.stripe.com/api/events/types>.

pub mod convert;
pub mod signature;
mod wire;
