//! The paths that are served, that are deployed, and that `docs/openapi.yaml` describes are the same ones. What else the template
//! has to say for a promise to hold.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use tandem_app::http::{Function, ROUTES};
use tandem_tests::paths;

/// A method and a path, such as `POST /records`.
type Endpoint = String;

#[derive(Deserialize)]
struct Document {
    paths: BTreeMap<String, BTreeMap<String, IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Template {
    parameters: BTreeMap<String, Parameter>,
    conditions: BTreeMap<String, Value>,
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    default: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    properties: Option<Properties>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    code_uri: Option<String>,
    #[serde(default)]
    events: BTreeMap<String, Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    properties: Option<Call>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Call {
    method: Option<String>,
    path: Option<String>,
    batch_size: Option<Value>,
    maximum_batching_window_in_seconds: Option<Value>,
}

/// A path as API Gateway takes it.
#[derive(Debug, PartialEq)]
struct Deployed {
    /// The folder of the function's zip.
    code: String,
    method: String,
    path: String,
}

impl Deployed {
    fn takes(&self, function: Function, method: &str, path: &str) -> bool {
        let method_fits = self.method == method || self.method == "ANY";
        let path_fits = match self.path.split_once("/{rest+}") {
            Some((before, _)) => path.strip_prefix(before).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/')),
            None => self.path == path,
        };
        method_fits && path_fits && self.code.contains(&format!("/{}/", function.name()))
    }
}

fn read<T: DeserializeOwned>(file: &str) -> T {
    let text = std::fs::read_to_string(paths::project().join(file)).expect("a readable file");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn served() -> BTreeSet<Endpoint> {
    ROUTES.iter().map(|route| format!("{} {}", route.verb.name(), route.path)).collect()
}

fn described() -> BTreeSet<Endpoint> {
    const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let document: Document = read("docs/openapi.yaml");
    let endpoints = document.paths.iter().flat_map(|(path, item)| item.keys().map(move |key| (key, path)));
    let methods = endpoints.filter(|(key, _)| METHODS.contains(&key.as_str()));
    methods.map(|(method, path)| format!("{} {path}", method.to_uppercase())).collect()
}

fn deployed() -> Vec<Deployed> {
    let template: Template = read("template.yaml");
    let functions = template.resources.into_values().filter(|resource| resource.kind == "AWS::Serverless::Function");
    let functions = functions.filter_map(|function| function.properties);
    functions.flat_map(calls).collect()
}

fn calls(function: Properties) -> Vec<Deployed> {
    let code = function.code_uri.expect("a function without code");
    let events = function.events.into_values().filter(|event| event.kind == "HttpApi");
    let calls = events.map(|event| event.properties.expect("an event that names its path"));
    let deployed = |call: Call| Deployed {
        code: code.clone(),
        method: call.method.expect("a method").to_uppercase(),
        path: call.path.expect("a path"),
    };
    calls.map(deployed).collect()
}

#[test]
fn every_path_that_is_served_is_described_and_the_other_way_round() {
    let (served, described) = (served(), described());
    let undescribed: Vec<_> = served.difference(&described).collect();
    let unserved: Vec<_> = described.difference(&served).collect();
    assert!(
        undescribed.is_empty() && unserved.is_empty(),
        "docs/openapi.yaml lacks {undescribed:?}, the routers lack {unserved:?}"
    );
}

#[test]
fn every_path_that_is_served_leads_to_the_function_that_serves_it() {
    let deployed = deployed();
    let lost: Vec<_> = ROUTES
        .iter()
        .filter(|route| !deployed.iter().any(|there| there.takes(route.function, route.verb.name(), route.path)))
        .collect();
    assert!(lost.is_empty(), "template.yaml lacks {lost:?}");
}

#[test]
fn nothing_is_deployed_that_no_function_serves() {
    let serves =
        |there: &&Deployed| ROUTES.iter().any(|route| there.takes(route.function, route.verb.name(), route.path));
    let deployed = deployed();
    let dead: Vec<_> = deployed.iter().filter(|there| !serves(there)).collect();
    assert!(dead.is_empty(), "the routers lack {dead:?}");
}

/// Each path of a function is a statement of 400 bytes of its resource policy, of which Lambda takes 20 KB.
#[test]
fn no_function_has_more_paths_than_its_resource_policy_takes() {
    let mut paths: BTreeMap<String, usize> = BTreeMap::new();
    for there in deployed() {
        *paths.entry(there.code).or_default() += 1;
    }
    assert!(!paths.is_empty() && paths.values().all(|count| *count <= 40), "{paths:?}");
}

/// A burst takes few calls because what waits is done together: ten at a time would take ten times the batches.
#[test]
fn the_worker_is_given_a_hundred_jobs_at_a_time_unless_it_is_said_otherwise() {
    let mut template: Template = read("template.yaml");
    assert_eq!(template.parameters["GroupJobs"].default, Some(json!("true")));
    assert_eq!(template.conditions["GroupsJobs"], json!(["GroupJobs", "true"]));
    let worker = template.resources.remove("QueueWorkerFunction").and_then(|worker| worker.properties);
    let jobs = worker.and_then(|mut worker| worker.events.remove("Jobs")).expect("the worker has a queue");
    let taken = jobs.properties.expect("how many it takes");
    assert_eq!((jobs.kind.as_str(), taken.batch_size), ("SQS", Some(json!(["GroupsJobs", 100, 10]))));
    assert_eq!(taken.maximum_batching_window_in_seconds, Some(json!(["GroupsJobs", 1, 0])));
}
