//! What a person has to put right on the platform.

use std::collections::HashMap;

use serde::Serialize;

use crate::domain::link::RemoteId;
use crate::error::Result;

use super::decision;
use super::services::Desk;

/// How many contacts a call asks for.
const PAGE: usize = 500;

/// An address that several contacts have. It holds personal data.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SharedAddress {
    /// The address, in lower case.
    pub email: String,
    /// The contacts, the oldest first.
    pub contacts: Vec<RemoteId>,
}

impl Desk {
    /// Addresses that several contacts have, in their order. Reads all contacts: one call for 500.
    ///
    /// # Errors
    /// As the platform fails.
    pub async fn shared_addresses(&self) -> Result<Vec<SharedAddress>> {
        let mut by_address: HashMap<String, Vec<RemoteId>> = HashMap::new();
        let mut after: Option<RemoteId> = None;
        loop {
            let page = self.integration.bulk.addresses(after.as_ref(), PAGE).await?;
            let (last, full) = (page.last().map(|(id, _)| id.clone()), page.len() >= PAGE);
            for (id, email) in page {
                if let Some(email) = email.map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty()) {
                    by_address.entry(email).or_default().push(id);
                }
            }
            match last {
                Some(last) if full && after.as_ref() != Some(&last) => after = Some(last),
                Some(_) | None => break,
            }
        }
        let shared = by_address.into_iter().filter(|(_, contacts)| contacts.len() > 1);
        let mut shared: Vec<SharedAddress> =
            shared.map(|(email, contacts)| SharedAddress { email, contacts }).collect();
        for one in &mut shared {
            one.contacts.sort_by(|a, b| decision::age(a).cmp(&decision::age(b)));
        }
        shared.sort_by(|a, b| a.email.cmp(&b.email));
        Ok(shared)
    }
}
