//! The database of an application that Tandem reads through PostgREST: its people, organisations and deals, and what Tandem
//! writes there of what people changed in Mautic.

use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_core::domain::identity::{ExternalId, RecordKey};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::scope::IntegrationId;
use tandem_core::sync::changes::SeenChange;

use super::tenants::told;
use crate::supabase::{SqlRow, Supabase};

/// What the application has beside the shop's tables.
const TABLES: &str = "
    alter table customer_profiles add column city text, add column organisation_id text;
    create view people_v as
        select id, email, first_name, last_name, city, organisation_id, marketing_opt_in, updated_at, deleted_at
        from customer_profiles;
    create table organisations (
        id text primary key, name text, city text, address_line1 text, updated_at timestamptz not null
    );
    create table deals (
        id text primary key, name text, organisation_id text, person_id text, updated_at timestamptz not null
    );
    revoke all on people_v, organisations, deals from anon, authenticated;
    grant select on people_v, organisations, deals to service_role;
";

/// The view or table of each kind, by the name of its setting.
const VIEWS: [(&str, &str); 3] =
    [("SUPABASE_VIEW", "people_v"), ("SUPABASE_ORGANISATIONS_VIEW", "organisations"), ("SUPABASE_DEALS_VIEW", "deals")];

/// The database.
pub struct Database(Supabase);

impl Database {
    pub async fn open() -> Result<Self, String> {
        // The harness panics when it can't start the servers.
        let started = tokio::spawn(Supabase::start()).await;
        let mut project = started.map_err(|_| "PostgreSQL and PostgREST can't be started".to_owned())?;
        project.sql(TABLES).await;
        project.restart_postgrest().await;
        Ok(Self(project))
    }

    /// The settings by which Tandem finds it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let own = [("SUPABASE_URL", self.0.url()), ("SUPABASE_SERVICE_ROLE_KEY", self.0.service_key())]
            .map(|(name, value)| (name.to_owned(), value));
        let views = VIEWS.map(|(name, view)| (name.to_owned(), view.to_owned()));
        own.into_iter().chain(views).collect()
    }

    /// Writes rows, each as it now is.
    pub async fn write(&self, rows: Vec<Value>) {
        for kind in Kind::ALL {
            let rows: Vec<&Value> = rows.iter().filter(|row| kind_of(row) == kind).collect();
            if !rows.is_empty() {
                self.write_to(kind, &json!(rows)).await;
            }
        }
    }

    async fn write_to(&self, kind: Kind, rows: &Value) {
        let (table, columns) = match kind {
            Kind::Person => (
                "customer_profiles",
                "email, first_name, last_name, city, organisation_id, marketing_opt_in, updated_at",
            ),
            Kind::Organisation => ("organisations", "name, city, address_line1, updated_at"),
            Kind::Deal => ("deals", "name, organisation_id, person_id, updated_at"),
        };
        let excluded: Vec<String> = columns.split(", ").map(|column| format!("excluded.{column}")).collect();
        let (excluded, rows) = (excluded.join(", "), rows.to_string().replace('\'', "''"));
        let text = format!(
            "insert into {table} (id, {columns})
             select id, {columns} from json_populate_recordset(null::{table}, '{rows}')
             on conflict (id) do update set ({columns}) = ({excluded})"
        );
        self.0.sql(&text).await;
    }

    /// A person is no customer any more.
    pub async fn delete(&self, id: &str) {
        self.0.sql(&format!("delete from customer_profiles where id = '{id}'")).await;
    }

    /// What Tandem wrote of what people changed in Mautic, as other applications are told it.
    pub async fn changes(&self) -> Result<Vec<SeenChange>, String> {
        let text = "
            select 'person', c.customer_id::text, p.email, c.field, c.value #>> '{}'
                from mautic_contact_changes c join customer_profiles p on p.id = c.customer_id
            union all select kind, record_id, null, field, value #>> '{}' from mautic_record_changes
            union all select 'person', null, email, null, null from mautic_new_contacts";
        self.0.sql(text).await.into_iter().map(change).collect()
    }
}

fn kind_of(row: &Value) -> Kind {
    row["kind"].as_str().and_then(|kind| kind.parse().ok()).unwrap_or_default()
}

/// Kind, id, address, field, value; without a field somebody who appeared.
fn change(row: SqlRow) -> Result<SeenChange, String> {
    let [kind, id, email, field, value] = <[_; 5]>::try_from(row).map_err(|_| "another row".to_owned())?;
    let kind: Kind = kind.unwrap_or_default().parse().map_err(told)?;
    Ok(SeenChange {
        cursor: String::new(),
        change: if field.is_some() { "changed" } else { "appeared" },
        kind: kind.as_str(),
        record: RecordKey::from_stored(id.clone().unwrap_or_default()),
        id: id.map(ExternalId::try_from).transpose().map_err(told)?,
        email: email.map(|email| email.parse()).transpose().map_err(told)?,
        fields: field.map(|field| (field, json!(value))).into_iter().collect(),
        said_by: "platform",
        integration: IntegrationId::try_from("mautic".to_owned()).map_err(told)?,
        changed_at: Timestamp::UNIX_EPOCH,
        noted_at: Timestamp::UNIX_EPOCH,
    })
}
