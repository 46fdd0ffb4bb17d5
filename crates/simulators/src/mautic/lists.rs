//! The fixed lists of values that Mautic accepts for some kinds of field.

use std::{collections::HashSet, sync::LazyLock};

type Names = LazyLock<HashSet<String>>;

static COUNTRIES: Names = LazyLock::new(|| parse(include_str!("../../data/countries.json")));
static REGIONS: Names = LazyLock::new(|| parse(include_str!("../../data/regions.json")));
static TIMEZONES: Names = LazyLock::new(|| parse(include_str!("../../data/timezones.json")));
static LOCALES: Names = LazyLock::new(|| parse(include_str!("../../data/locales.json")));

fn parse(json: &str) -> HashSet<String> {
    serde_json::from_str(json).unwrap_or_default()
}

/// Whether a kind of field takes a value; None where the kind has no list.
pub(crate) fn accepts(kind: &str, value: &str) -> Option<bool> {
    let names = match kind {
        "country" => &COUNTRIES,
        "region" => &REGIONS,
        "timezone" => &TIMEZONES,
        "locale" => &LOCALES,
        _ => return None,
    };
    Some(names.contains(value))
}
