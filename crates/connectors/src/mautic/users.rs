//! Who Tandem is for Mautic.

use serde::Serialize;
use tandem_core::domain::platform::PlatformInfo;
use tandem_core::error::Result;

use super::budget::RateHeaders;
use super::client::Request;
use super::{Mautic, errors, wire};

/// The user that Mautic takes Tandem for: with client credentials one made up from the client's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The role that its permissions come from.
    pub role: Option<String>,
    /// Whether the role may do everything.
    pub admin: bool,
}

impl Mautic {
    /// Asks who Tandem is: needs no permission and reads no contact (recording `146-user-self`). The headers tell the
    /// version and the budget of calls.
    pub async fn introduce(&self) -> Result<(User, PlatformInfo)> {
        let answer = self.client.answer(Request::get("users/self")).await?;
        let rate = RateHeaders::of(&answer);
        let version = answer.header("mautic-version").map(str::to_owned);
        let user: wire::User = errors::read(answer, self.client.clock().now())?;
        let info = PlatformInfo { version, rate_limit: rate.limit, rate_remaining: rate.remaining };
        let admin = user.role.as_ref().is_some_and(|role| role.is_admin.is_truthy());
        Ok((User { name: user.username, role: user.role.map(|role| role.name), admin }, info))
    }
}
