//! The campaigns that the lifecycle rules name, in a simulated Mautic: so that a first event shows its whole effect. A real
//! Mautic's campaigns are made by people.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tandem_core::automation::presence::{Found, look_for_lists};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::automation::target::Target;
use tandem_core::ports::bulk::BulkPlatform;

use crate::failure::CommandError;
use crate::installation::SIMULATED_CLIENT;

/// Makes those that are missing and named, through the API.
pub async fn make_missing(rules: &RuleBook, platform: &dyn BulkPlatform, simulator: &str) -> Result<(), CommandError> {
    let lists = look_for_lists(rules, platform).await?;
    let missing = lists.into_iter().filter(|list| matches!(list.found, Found::Missing { .. }));
    let names = missing.filter(|list| matches!(list.list, Target::Campaign(_)) && list.id.is_none());
    let names: Vec<String> = names.filter_map(|list| list.name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let client = Client::builder().timeout(Duration::from_secs(10)).build().map_err(told)?;
    let token = token(&client, simulator).await?;
    for name in names {
        let request = client.post(format!("{simulator}/api/campaigns/new")).bearer_auth(&token);
        answer(request.json(&json!({"name": name, "isPublished": true}))).await?;
    }
    Ok(())
}

async fn token(client: &Client, simulator: &str) -> Result<String, CommandError> {
    let (id, secret) = SIMULATED_CLIENT;
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let answer = answer(client.post(format!("{simulator}/oauth/v2/token")).form(&form)).await?;
    Ok(answer["access_token"].as_str().unwrap_or_default().to_owned())
}

async fn answer(request: RequestBuilder) -> Result<Value, CommandError> {
    let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(told)?;
    answer.json().await.map_err(told)
}

fn told(error: reqwest::Error) -> CommandError {
    CommandError::Undone(format!("the simulated Mautic takes no campaigns: {}", error.without_url()))
}
