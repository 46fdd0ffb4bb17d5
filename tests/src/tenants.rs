//! Tenants and keys of a test system, made as operators make them.

use jiff::Timestamp;
use tandem_app::admin::{Actor, Admin};
use tandem_app::store::{Act, ApiKey, ApiKeySecret, NewKey};
use tandem_app::system::{SystemEntropy, new_key};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::Label;
use tandem_core::ports::Entropy;

use crate::client::Caller;
use crate::system::System;

/// A name.
///
/// # Panics
/// When it can be none.
#[must_use]
pub fn label(text: &str) -> Label {
    text.to_owned().try_into().expect("a sound name")
}

impl System {
    /// What operators work with.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.table.table())
    }

    /// Somebody who does something now.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let id = SystemEntropy.id();
        let act = Act { by: "test".to_owned(), at: self.now(), id: id.clone(), correlation_id: id };
        Actor { tenant: TenantId::default(), act }
    }

    /// Makes a tenant.
    ///
    /// # Panics
    /// When the id is in use.
    pub async fn tenant(&self, id: &str) -> TenantId {
        let tenant = TenantId::try_from(id.to_owned()).expect("a sound id");
        self.admin().create_tenant(tenant.clone(), label(id), &self.actor()).await.expect("a new tenant");
        tenant
    }

    /// Makes a key.
    ///
    /// # Panics
    /// When the name is in use.
    pub async fn make_key(
        &self,
        tenant: &TenantId,
        name: &str,
        role: Role,
        expires_at: Option<Timestamp>,
    ) -> (ApiKey, ApiKeySecret) {
        let (secret, name) = (new_key(), label(name));
        let new = NewKey { tenant: tenant.clone(), name, role, expires_at };
        let made = self.admin().create_key(new, &secret, &self.actor()).await.expect("a new key");
        (made, secret)
    }

    /// A caller of the first instance with a new key.
    pub async fn caller_of(&self, tenant: &TenantId, role: Role) -> Caller {
        let (_, secret) = self.make_key(tenant, &format!("{role} of the test"), role, None).await;
        self.caller.with_key(secret.reveal())
    }
}
