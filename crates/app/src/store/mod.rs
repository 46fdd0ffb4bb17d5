//! The ports of `tandem-core` that keep state, over one DynamoDB table.
//!
//! Every key format stands in [`keys`], every call of the table goes through [`table`], and each port has a file of its
//! own. What callers hand in and get back are the business's types; rows are private to the port that writes them.

mod access;
mod amend;
mod api_keys;
mod audit;
mod budget;
mod bulk;
mod catalog;
mod circuit;
mod clear;
mod condition;
mod consent;
mod contacts;
mod events;
pub(crate) mod failure;
mod feedback;
mod forgetting;
mod health;
mod idempotency;
mod integrations;
pub mod keys;
mod leased;
mod lifecycle;
mod meter;
mod outbox;
mod parked;
mod purge;
mod records;
mod roster;
mod row;
mod runs;
mod spellings;
pub mod table;
mod tenants;
mod tokens;
mod transaction;
mod transactions;
mod versions;
mod wishes;

pub use api_keys::{ApiKey, ApiKeySecret, ApiKeys, Created, NewKey};
pub use audit::{Act, AuditEntry, AuditTable};
pub use budget::BudgetTable;
pub use bulk::BulkTable;
pub use catalog::CatalogTable;
pub use circuit::CircuitTable;
pub use contacts::ContactTable;
pub use events::EventTable;
pub use feedback::FeedbackTable;
pub use forgetting::forget_integration;
pub use health::HealthTable;
pub use idempotency::{IdempotencyStore, Start, StoredAnswer};
pub use integrations::{IntegrationStatus, IntegrationTable, StoredIntegration, Written};
pub use lifecycle::LifecycleTable;
pub use meter::Meter;
pub use parked::ParkedTable;
pub use purge::Purge;
pub use records::{RecordsTable, RowOutcome};
pub use runs::RunTable;
pub use spellings::SpellingTable;
pub use table::Table;
pub use tenants::TenantTable;
pub use tokens::TokenTable;
pub use versions::{Owner, Version, VersionTable, versions_in_force};
