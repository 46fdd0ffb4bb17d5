//! The fixed lists of values that Mautic accepts for some kinds of field.

use std::{collections::HashSet, sync::LazyLock};

use super::version::MauticVersion;

type Names = LazyLock<HashSet<String>>;

static COUNTRIES: Names = LazyLock::new(|| parse(include_str!("../../data/countries.json")));
static REGIONS: Names = LazyLock::new(|| parse(include_str!("../../data/regions.json")));
static TIMEZONES: Names = LazyLock::new(|| parse(include_str!("../../data/timezones.json")));
static LOCALES: Names = LazyLock::new(|| parse(include_str!("../../data/locales.json")));

fn parse(json: &str) -> HashSet<String> {
    serde_json::from_str(json).unwrap_or_default()
}

/// Names that were corrected on the way from 5.1 to 7.0: each version knows its own and refuses the other's (recordings `201`
/// to `204` of 7.0.0).
const CORRECTED: [(&str, &str, &str); 2] = [("country", "Turkey", "Türkiye"), ("region", "Fukusima", "Fukushima")];

/// Whether a kind of field takes a value; None where the kind has no list.
pub(crate) fn accepts(version: MauticVersion, kind: &str, value: &str) -> Option<bool> {
    for (of, five, seven) in CORRECTED {
        if of == kind && (value == five || value == seven) {
            return Some(value == version.pick(five, seven));
        }
    }
    let names = match kind {
        "country" => &COUNTRIES,
        "region" => &REGIONS,
        "timezone" => &TIMEZONES,
        "locale" => &LOCALES,
        _ => return None,
    };
    Some(names.contains(value))
}
