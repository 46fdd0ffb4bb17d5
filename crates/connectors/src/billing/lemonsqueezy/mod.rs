//! Lemon Squeezy: subscriptions, their payments, and orders. The facts are those of
//! <https://docs.lemonsqueezy.com/help/webhooks> and <https://docs.lemonsqueezy.com/api>.

pub mod convert;
pub mod signature;
mod wire;
