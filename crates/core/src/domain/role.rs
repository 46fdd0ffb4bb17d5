//! What the holder of an API key may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a key was made for. Each role has rights; what a call needs stands in the list of the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An application that hands over records, events and visitors, and reads nothing back.
    Ingest,
    /// Everything of one tenant.
    Operator,
    /// The tenants of the installation, and nothing that belongs to one of them.
    Admin,
}

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// To hand over records, events and visitors of the tenant.
    Ingest,
    /// To read and change all of the tenant's.
    Operate,
    /// To make, suspend and delete tenants.
    Administer,
}

impl Role {
    /// All roles, the one with the fewest rights first.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Operator, Self::Admin];

    /// Whether the role has the right.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        match (self, right) {
            (Self::Ingest | Self::Operator, Right::Ingest)
            | (Self::Operator, Right::Operate)
            | (Self::Admin, Right::Administer) => true,
            (Self::Ingest, Right::Operate | Right::Administer)
            | (Self::Operator, Right::Administer)
            | (Self::Admin, Right::Ingest | Right::Operate) => false,
        }
    }

    /// Its name in requests and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or("must be ingest, operator or admin")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_may_ingest_and_an_admin_sees_nothing_of_a_tenant() {
        let rights = |role: Role| [Right::Ingest, Right::Operate, Right::Administer].map(|right| role.has(right));
        assert_eq!(rights(Role::Ingest), [true, false, false]);
        assert_eq!(rights(Role::Operator), [true, true, false]);
        assert_eq!(rights(Role::Admin), [false, false, true]);
        assert!(Role::ALL.iter().all(|role| role.as_str().parse() == Ok(*role)));
    }
}
