//! Whose data an operation touches.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tenant and one of its integrations. Every key in the table starts with it, so one tenant can't reach another's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The owner of the integration.
    pub tenant: TenantId,
    /// The connection to one platform.
    pub integration: IntegrationId,
}

impl Scope {
    /// The scope of the tenant and integration that environment variables configure.
    #[must_use]
    pub fn default_mautic() -> Self {
        Self { tenant: TenantId::default(), integration: IntegrationId::mautic() }
    }
}

/// Names a tenant. Only letters, digits, `-` and `_`, so that it can stand in a table key unescaped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// Names an integration of a tenant, with the alphabet of [`TenantId`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IntegrationId(String);

/// A name that holds other characters than letters, digits, `-` and `_`, is empty, or is longer than 64.
#[derive(Debug, thiserror::Error)]
#[error("a name takes 1 to 64 letters, digits, '-' or '_'")]
pub struct InvalidName;

fn checked(name: String) -> Result<String, InvalidName> {
    let sound = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if sound { Ok(name) } else { Err(InvalidName) }
}

impl TenantId {
    /// Whether it is the tenant of the installation itself, which environment variables configure.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for TenantId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl IntegrationId {
    /// The default Mautic integration.
    #[must_use]
    pub fn mautic() -> Self {
        Self("mautic".to_owned())
    }
}

macro_rules! name {
    ($type:ident) => {
        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                checked(name).map(Self)
            }
        }
        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
name!(TenantId);
name!(IntegrationId);
