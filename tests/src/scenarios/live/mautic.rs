//! Mautic as its marketers and readers see it: by its API with an administrator's rights, and by the links of its emails.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tandem_app::config::Environment;

/// A Mautic to look at and to work with, beside Tandem.
pub struct Marketers {
    client: Client,
    base: String,
    token: Option<String>,
    basic: Option<(String, String)>,
}

impl Marketers {
    /// Signs in with what Tandem itself signs in with.
    pub async fn sign_in(environment: &Environment) -> Result<Self, String> {
        let value = |names: &[&str]| environment.get(names).map(|value| value.trim_end_matches('/').to_owned());
        let base = value(&["MAUTIC_BASE_URL", "MAUTIC_URL", "MAUTIC_BASEURL"]).ok_or("no Mautic is configured")?;
        let base = base.trim_end_matches("/api").to_owned();
        let client = Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let mut marketers = Self { client, base, token: None, basic: None };
        if let (Some(id), Some(secret)) = (value(&["MAUTIC_CLIENT_ID"]), value(&["MAUTIC_CLIENT_SECRET"])) {
            let grant = json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret});
            let answer = read(marketers.request(Method::POST, "/oauth/v2/token").json(&grant)).await?;
            marketers.token = answer["access_token"].as_str().map(str::to_owned);
        } else {
            marketers.basic = value(&["MAUTIC_USERNAME"]).zip(value(&["MAUTIC_PASSWORD"]));
        }
        Ok(marketers)
    }

    /// Calls the API; the answer's JSON.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let request = self.request(method, &format!("/api/{path}"));
        let request = match (&self.token, &self.basic) {
            (Some(token), _) => request.bearer_auth(token),
            (None, Some((name, password))) => request.basic_auth(name, Some(password)),
            (None, None) => request,
        };
        let request = body.into_iter().fold(request, |request, body| request.json(&body));
        let answer = read(request).await.map_err(|why| format!("{path}: {why}"))?;
        match answer.get("errors") {
            Some(errors) => Err(format!("{path}: {errors}")),
            None => Ok(answer),
        }
    }

    /// Makes a thing (`emails`, `forms`) and gives its number.
    pub async fn make(&self, kind: &str, body: Value) -> Result<String, String> {
        let answer = self.call(Method::POST, &format!("{kind}/new"), Some(body)).await?;
        let made = answer.as_object().and_then(|object| object.values().find(|value| value.is_object()));
        Ok(made.ok_or("nothing was made")?["id"].to_string())
    }

    /// The contact with this number, or the one that it was merged into.
    pub async fn contact(&self, id: &str) -> Result<Value, String> {
        Ok(self.call(Method::GET, &format!("contacts/{id}"), None).await?["contact"].take())
    }

    /// A reader follows a link of the email that the contact got last: `unsubscribe` or `resubscribe`.
    pub async fn follow_link(&self, link: &str, contact: &str) -> Result<(), String> {
        let query = "stats/email_stats?where[0][col]=lead_id&where[0][expr]=eq&where[0][val]=";
        let stats = self.call(Method::GET, &format!("{query}{contact}&limit=100"), None).await?;
        let last = stats["stats"].as_array().and_then(|rows| rows.last()).ok_or("no email was sent")?;
        let hash = last["tracking_hash"].as_str().ok_or("the email has no hash")?;
        let page = self.request(Method::GET, &format!("/email/{link}/{hash}"));
        let page = page.header("User-Agent", "Mozilla/5.0 (Macintosh) Chrome/120").send().await;
        page.and_then(reqwest::Response::error_for_status).map(drop).map_err(|error| error.without_url().to_string())
    }

    /// Somebody in a browser that Mautic does not know visits a page, then sends the form.
    pub async fn send_form(&self, form: &str, values: &[(&str, &str)]) -> Result<(), String> {
        let page = [("page_url", "https://shop.example/"), ("page_title", "Shop")];
        let visit = read(self.request(Method::POST, "/mtc/event").form(&page)).await?;
        let (device, visitor) = (visit["device_id"].as_str().unwrap_or_default(), visit["id"].to_string());
        let mut fields = vec![("mauticform[formId]".to_owned(), form.to_owned())];
        fields.push(("mauticform[return]".to_owned(), String::new()));
        fields.extend(values.iter().map(|(name, value)| (format!("mauticform[{name}]"), (*value).to_owned())));
        let request = self.request(Method::POST, &format!("/form/submit?formId={form}")).form(&fields);
        let request = request.header("Cookie", format!("mtc_id={visitor}; mautic_device_id={device}"));
        let sent = request.send().await.map_err(|error| error.without_url().to_string())?;
        if sent.status().is_server_error() { Err(format!("the form was answered {}", sent.status())) } else { Ok(()) }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }
}

async fn read(request: RequestBuilder) -> Result<Value, String> {
    let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| error.without_url().to_string())?;
    serde_json::from_str(&text).map_err(|_| format!("status {status}, and no JSON"))
}
