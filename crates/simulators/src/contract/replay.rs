//! Sending recorded requests to a fresh simulator.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{
    compare::{Answered, Changes, differences, shape_differences},
    gaps::{RECORDED_BASE, RECORDED_RECEIVER, RECORDED_USER, SETS, Set, Step},
    receiver::Receiver,
    recording::{self, Content, Exchange, RecordedRequest, RecordedWebhook, Recording},
    report::{ContractError, Report, Verdict},
};
use crate::mautic::{MauticOptions, MauticSimulator, MauticVersion, WebhookMode};

const CLIENT: (&str, &str) = ("1_contract", "contract-secret");
const USER: (&str, &str) = ("admin", "contract-password");

/// Replays all recordings of a version, in order, and compares; gives a report a folder. `root` is where their folders lie.
/// The webhooks that this causes are compared with the recorded ones: each by its shape with the delivery that is most like
/// it.
pub async fn replay(root: &Path, version: MauticVersion) -> Result<Vec<Report>, ContractError> {
    let mut reports = Vec::new();
    for set in SETS.iter().filter(|set| set.version == version) {
        reports.push(replay_set(root, set).await?);
    }
    Ok(reports)
}

async fn replay_set(root: &Path, set: &'static Set) -> Result<Report, ContractError> {
    let recordings = recording::load(&root.join(set.folder))?;
    let webhooks = recording::load_webhooks(&root.join(set.webhooks))?;
    let mut harness = Harness::start(set).await?;
    let mut report = Report { folder: set.folder.to_owned(), ..Report::default() };
    for recording in &recordings {
        if let Some(gap) = set.gaps.iter().find(|gap| gap.before == recording.name) {
            harness.fill(gap.steps).await;
            report.gaps.push((gap.before.to_owned(), gap.reason.to_owned()));
        }
        harness.pass_time();
        let differences = harness.check(recording).await;
        report.verdicts.push(Verdict { recording: recording.name.clone(), differences });
    }
    if let Some(gap) = set.gaps.iter().find(|gap| gap.before.is_empty()) {
        harness.fill(gap.steps).await;
        report.gaps.push(("the end".to_owned(), gap.reason.to_owned()));
    }
    let received = harness.receiver.received();
    let own = |(name, reason): &(&str, &str)| ((*name).to_owned(), (*reason).to_owned());
    report.irreproducible = set.irreproducible.iter().map(own).collect();
    let reproducible = |webhook: &&RecordedWebhook| set.irreproducible.iter().all(|(name, _)| *name != webhook.name);
    report.webhooks = webhooks.iter().filter(reproducible).map(|webhook| closest(webhook, &received)).collect();
    Ok(report)
}

fn closest(webhook: &RecordedWebhook, received: &[Value]) -> Verdict {
    let alike = received.iter().filter(|given| same_keys(given, &webhook.document));
    let compared = alike.map(|given| shape_differences(&webhook.document, given));
    let best = compared.min_by_key(Vec::len);
    let differences = best.unwrap_or_else(|| vec!["no webhook was delivered".into()]);
    Verdict { recording: webhook.name.clone(), differences }
}

fn same_keys(a: &Value, b: &Value) -> bool {
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<BTreeSet<_>>());
    keys(a) == keys(b)
}

struct Harness {
    set: &'static Set,
    changes: Changes,
    /// A recorded time in URLs, and the one that stands for it.
    mark: Option<(&'static str, String)>,
    simulator: MauticSimulator,
    router: Router,
    token: String,
    receiver: Receiver,
}

impl Harness {
    async fn start(set: &'static Set) -> Result<Self, ContractError> {
        let options = MauticOptions::default()
            .version(set.version)
            .allowed_private_addresses(set.private_hosts)
            .user_name(RECORDED_USER)
            .client(CLIENT.0, CLIENT.1)
            .basic(USER.0, USER.1)
            .base_url(RECORDED_BASE)
            .race_window(Duration::from_millis(20));
        let simulator = MauticSimulator::new(options)?;
        let router = simulator.router();
        let receiver = Receiver::start().await.map_err(ContractError::Receiver)?;
        let changes = Changes::of(set.version);
        let mut harness = Self { set, changes, mark: None, simulator, router, token: String::new(), receiver };
        harness.token = harness.fetch_token().await;
        Ok(harness)
    }

    async fn fetch_token(&self) -> String {
        let body = json!({"grant_type": "client_credentials", "client_id": CLIENT.0, "client_secret": CLIENT.1});
        let answer = self.send(request("POST", "/oauth/v2/token", &[], body.to_string())).await;
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        answer["access_token"].as_str().unwrap_or_default().to_owned()
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
        Answered { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Lets a second pass for Mautic, so that what is changed later has a later time.
    fn pass_time(&self) {
        self.simulator.advance_clock(Duration::from_secs(1));
    }

    async fn check(&mut self, recording: &Recording) -> Vec<String> {
        let name = recording.name.as_str();
        match &recording.content {
            Content::One(exchange) => {
                let mut differences = self.check_one(exchange, !self.set.without_headers.contains(&name)).await;
                if self.set.unknown_totals.contains(&name) {
                    differences.retain(|difference| !difference.starts_with(".total:"));
                }
                differences
            }
            Content::Several { exchanges, afterwards } => self.check_race(exchanges, &afterwards.path).await,
        }
    }

    async fn check_one(&mut self, exchange: &Exchange, with_headers: bool) -> Vec<String> {
        let refused = exchange.response.status == 401;
        let request = self.real_request(&exchange.request, refused).await;
        let mut answered = self.send(request).await;
        let text = String::from_utf8_lossy(&answered.body).replace(&self.receiver.url, RECORDED_RECEIVER);
        if exchange.response.body.is_string() {
            return differences(&exchange.response, &answered, with_headers);
        }
        answered.body = text.into_bytes();
        let mut found = differences(&exchange.response, &answered, with_headers);
        let given: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
        found.extend(self.changes.differences(&exchange.response.body, &given));
        found
    }

    /// Simultaneous creates of one address: each answer agrees with one of the recorded kinds, and duplicates result.
    async fn check_race(&self, exchanges: &[Exchange], afterwards: &str) -> Vec<String> {
        let requests = exchanges.iter().map(|exchange| {
            let RecordedRequest { method, path, body, .. } = &exchange.request;
            self.send(self.authorized(method, path, body.to_string()))
        });
        let answers = futures::future::join_all(requests).await;
        let mut found = Vec::new();
        for answer in &answers {
            match exchanges.iter().map(|exchange| &exchange.response).find(|r| r.status == answer.status) {
                // The recorded successes are shortened; their status is what there is to compare.
                Some(recorded) if recorded.status < 300 => {}
                Some(recorded) => {
                    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                    found.extend(shape_differences(&recorded.body, &body));
                }
                None => found.push(format!("no recorded answer has the status {}", answer.status)),
            }
        }
        let list = self.send(self.authorized("GET", afterwards, String::new())).await;
        let list: Value = serde_json::from_slice(&list.body).unwrap_or_default();
        let contacts = list["contacts"].as_object().map_or(0, serde_json::Map::len);
        if contacts < 2 {
            found.push(format!("{contacts} contacts instead of duplicates"));
        }
        found
    }

    fn authorized(&self, method: &str, path: &str, body: String) -> Request<Body> {
        request(method, path, &[("Authorization", format!("Bearer {}", self.token))], body)
    }

    /// The recorded request with real credentials, addresses and hashes in the place of the recorded ones.
    async fn real_request(&self, recorded: &RecordedRequest, refused: bool) -> Request<Body> {
        let mut headers: Vec<(&str, String)> = Vec::new();
        for (name, value) in &recorded.headers {
            let value = if name == "Authorization" { self.credentials(value, refused) } else { value.clone() };
            headers.push((name, value));
        }
        if recorded.is_bare() && !refused {
            headers.push(("Authorization", admin()));
        }
        let path = self.real_path(&recorded.path).await;
        request(&recorded.method, &path, &headers, self.real_body(recorded))
    }

    fn credentials(&self, recorded: &str, refused: bool) -> String {
        let basic = recorded.starts_with("Basic");
        match (basic, refused) {
            (true, true) => format!("Basic {}", STANDARD.encode("nobody:nothing")),
            (true, false) => admin(),
            (false, true) => "Bearer not-a-token".into(),
            (false, false) => format!("Bearer {}", self.token),
        }
    }

    async fn real_path(&self, recorded: &str) -> String {
        let mut path = recorded.to_owned();
        if let Some((then, now)) = &self.mark {
            path = path.replace(then, now);
        }
        for (hash, contact) in self.set.hashes {
            if path.contains(hash) {
                path = path.replace(hash, &self.tracking_hash(contact).await);
            }
        }
        path
    }

    async fn tracking_hash(&self, contact: &str) -> String {
        let path = format!("/api/stats/email_stats?where[0][col]=lead_id&where[0][expr]=eq&where[0][val]={contact}");
        let rows = self.send(self.authorized("GET", &path, String::new())).await;
        let rows: Value = serde_json::from_slice(&rows.body).unwrap_or_default();
        rows["stats"][0]["tracking_hash"].as_str().unwrap_or_default().to_owned()
    }

    fn real(&self, text: &str) -> String {
        text.replace("1_<client-id>", CLIENT.0)
            .replace("<client-secret>", CLIENT.1)
            .replace(RECORDED_RECEIVER, &self.receiver.url)
    }

    fn real_body(&self, recorded: &RecordedRequest) -> String {
        let real = |text: &str| self.real(text);
        let is_form = recorded.headers.get("Content-Type").is_some_and(|kind| kind.contains("urlencoded"));
        match &recorded.body {
            Value::Null => String::new(),
            Value::String(text) => real(text),
            Value::Object(map) if is_form => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (key, value) in map {
                    form.append_pair(key, &real(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
                }
                form.finish()
            }
            other => real(&other.to_string()),
        }
    }

    async fn fill(&mut self, steps: &[Step]) {
        for step in steps {
            self.pass_time();
            match step {
                Step::All(steps) => Box::pin(self.fill(steps)).await,
                Step::AnotherMautic => {
                    self.simulator.reset();
                    self.changes = Changes::of(self.set.version);
                    self.token = self.fetch_token().await;
                }
                Step::Mark(recorded) => self.mark = Some((recorded, self.simulator.now_in_urls())),
                Step::VisitAndSubmit(email) => self.visit_and_submit(email).await,
                Step::Submit(values) => self.submit(values).await,
                Step::FillTo(id) => self.fill_to(*id).await,
                Step::Spend(calls) => {
                    for _ in 0..*calls {
                        self.send(self.authorized("GET", "/api/users/self", String::new())).await;
                    }
                }
                step => self.one_step(step).await,
            }
        }
    }

    async fn one_step(&self, step: &Step) {
        match step {
            Step::Call(method, path, body) => {
                self.send(self.authorized(method, path, self.real(body))).await;
            }
            Step::ByAdmin(method, path, body) => {
                self.send(request(method, path, &[("Authorization", admin())], self.real(body))).await;
            }
            Step::Control(path, body) => {
                self.send(request("POST", path, &[json_type()], (*body).to_owned())).await;
            }
            Step::NextId(table, id) => self.simulator.skip_to(table, *id),
            Step::Answer(status) => self.receiver.answer_next(*status),
            Step::AnswerText(text) => self.receiver.answer_text(text),
            Step::Queue(queue) => self.simulator.set_webhook_mode(match queue {
                true => WebhookMode::Queue { every: None },
                false => WebhookMode::Immediate,
            }),
            Step::Flush => {
                self.simulator.flush_webhooks().await;
            }
            Step::QueueTime(seconds) => self.simulator.advance_webhook_queue(Duration::from_secs(*seconds)),
            Step::All(_)
            | Step::AnotherMautic
            | Step::Mark(_)
            | Step::VisitAndSubmit(_)
            | Step::Submit(_)
            | Step::FillTo(_)
            | Step::Spend(_) => {}
        }
    }

    async fn fill_to(&self, id: u64) {
        loop {
            let next = self.simulator.next_contact_id();
            let emails = (next..id).take(200).map(|id| json!({"email": format!("filler{id}@example.com")}));
            let batch: Vec<Value> = emails.collect();
            if batch.is_empty() {
                return;
            }
            let body = Value::Array(batch).to_string();
            self.send(self.authorized("POST", "/api/contacts/batch/new", body)).await;
        }
    }

    async fn submit(&self, values: &[(&str, &str)]) {
        let form = values.iter().copied().collect();
        self.send(request("POST", "/form/submit?formId=1", &[form_type()], encoded(&form))).await;
    }

    async fn visit_and_submit(&self, email: &str) {
        let first = self.visit(BTreeMap::from([("page_url", "https://example.com/a"), ("page_title", "A")])).await;
        let device = first["device_id"].as_str().unwrap_or_default();
        let second =
            BTreeMap::from([("page_url", "https://example.com/b"), ("page_title", "B"), ("mautic_device_id", device)]);
        self.visit(second).await;
        let form = BTreeMap::from([("mauticform[email]", email), ("mauticform[formId]", "1")]);
        let headers = [form_type(), ("Cookie", format!("mautic_device_id={device}"))];
        self.send(request("POST", "/form/submit?formId=1", &headers, encoded(&form))).await;
    }

    async fn visit(&self, page: BTreeMap<&str, &str>) -> Value {
        let answer = self.send(request("POST", "/mtc/event", &[form_type()], encoded(&page))).await;
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }
}

fn admin() -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", USER.0, USER.1)))
}

fn json_type() -> (&'static str, String) {
    ("Content-Type", "application/json".into())
}

fn form_type() -> (&'static str, String) {
    ("Content-Type", "application/x-www-form-urlencoded".into())
}

fn encoded(form: &BTreeMap<&str, &str>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

fn request(method: &str, path: &str, headers: &[(&str, String)], body: String) -> Request<Body> {
    // Recorded paths may hold characters that a URI must not.
    let path = path.replace(' ', "%20");
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(header::CONTENT_TYPE.as_str())) {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    // A request that cannot be built fails its recording, because the root is no part of Mautic's API.
    builder.body(Body::from(body)).unwrap_or_default()
}
