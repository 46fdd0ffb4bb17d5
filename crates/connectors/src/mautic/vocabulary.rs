//! Mautic's own words for countries, states, locales and time zones. It answers 400 to any other (recording
//! `024-contact-create-bad-locale`).
//!
//! The lists are those of Mautic 5.1 and stand in `data/`, one entry a line, cells parted by tabs, spellings in a cell by
//! semicolons: `countries.tsv` (alpha-2 code, name, other spellings; the first line of a code gives its name),
//! `regions.tsv` (country, ISO 3166-2 code, name, other spellings), `timezones.tsv` (name, older names that Mautic does
//! not take), `locales.txt`. Names that look wrong (`Fukusima`) are spelt as Mautic spells them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use tandem_core::domain::identity::Email;
use tandem_core::mapping::{Country, Vocabulary};
use unic_langid::LanguageIdentifier;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::address;

/// The words of an untouched Mautic 5.1. An administrator can replace its lists of countries and regions by others.
#[derive(Clone, Copy, Debug, Default)]
pub struct MauticVocabulary;

impl Vocabulary for MauticVocabulary {
    fn country(&self, given: &str) -> Option<Country> {
        // `&` is read as "and", which is a country's code, too.
        if !given.chars().any(char::is_alphabetic) {
            return None;
        }
        let find = |given: &str| COUNTRIES.get(&folded(given)).copied();
        let (alpha2, name) = with_brackets(given, find, |within, found| find(within) == Some(*found))?;
        Some(Country { alpha2: alpha2.to_owned(), name: name.to_owned() })
    }

    fn state(&self, given: &str, country: Option<&Country>) -> Option<String> {
        let Some(country) = country else {
            let find = |given: &str| REGIONS.anywhere.get(&folded(given)).copied().flatten();
            let is_its_country = |within: &str, found: &(&str, &str)| {
                self.country(within).is_some_and(|country| country.alpha2 == found.0)
            };
            return with_brackets(given, find, is_its_country).map(|(_, name)| name.to_owned());
        };
        let Some(states) = REGIONS.by_country.get(country.alpha2.as_str()) else {
            return Some(given.trim().to_owned());
        };
        let find = |given: &str| {
            let key = folded(given);
            let code = key.strip_prefix(&format!("{} ", country.alpha2.to_lowercase()));
            states.get(&key).or_else(|| states.get(code?)).copied()
        };
        let agrees = |within: &str, found: &&str| {
            find(within) == Some(*found) || self.country(within).is_some_and(|named| named == *country)
        };
        with_brackets(given, find, agrees).map(str::to_owned)
    }

    fn locale(&self, given: &str) -> Option<String> {
        // Unix writes `en_AU.UTF-8` and `ca_ES@valencia`.
        let plain = given.trim().split(['.', '@']).next()?;
        let mut locale: LanguageIdentifier = plain.parse().ok()?;
        known_locale(&locale).or_else(|| {
            locale.script = None;
            known_locale(&locale)
        })
    }

    fn address_flaw(&self, email: &Email) -> Option<&'static str> {
        address::flaw(email.as_str())
    }

    fn timezone(&self, given: &str) -> Option<String> {
        TIMEZONES.get(&given.trim().to_lowercase().replace(' ', "_")).map(|name| (*name).to_owned())
    }
}

fn known_locale(locale: &LanguageIdentifier) -> Option<String> {
    LOCALES.get(&locale.to_string().replace('-', "_").to_lowercase()).map(|name| (*name).to_owned())
}

/// Code and name by every spelling: Mautic's, ours, and the code and name that ISO 3166-1 gives.
static COUNTRIES: LazyLock<HashMap<String, (&'static str, &'static str)>> = LazyLock::new(|| {
    let mut countries = HashMap::new();
    let rows = || lines(include_str!("data/countries.tsv")).map(|[alpha2, name, others, _]| (alpha2, name, others));
    for (alpha2, name, others) in rows() {
        for spelling in std::iter::once(name).chain(others.split(';')) {
            countries.insert(folded(spelling), (alpha2, name));
        }
    }
    for (alpha2, name, _) in rows() {
        let iso = rust_iso3166::from_alpha2(alpha2);
        for spelling in std::iter::once(alpha2).chain(iso.into_iter().flat_map(|iso| [iso.alpha3, iso.name])) {
            countries.entry(folded(spelling)).or_insert((alpha2, name));
        }
    }
    countries.remove("");
    countries
});

struct Regions {
    /// Names by country and by every spelling and code.
    by_country: HashMap<&'static str, HashMap<String, &'static str>>,
    /// Country and name by every spelling, codes left out; `None` when several countries have such a state.
    anywhere: HashMap<String, Option<(&'static str, &'static str)>>,
}

static REGIONS: LazyLock<Regions> = LazyLock::new(|| {
    let mut regions = Regions { by_country: HashMap::new(), anywhere: HashMap::new() };
    for [country, code, name, others] in lines(include_str!("data/regions.tsv")) {
        let states = regions.by_country.entry(country).or_default();
        for key in std::iter::once(name).chain(others.split(';')).map(folded).filter(|key| !key.is_empty()) {
            let anywhere = regions.anywhere.entry(key.clone()).or_insert(Some((country, name)));
            if anywhere.is_some_and(|(other, _)| other != country) {
                *anywhere = None;
            }
            states.insert(key, name);
        }
        if !code.is_empty() {
            states.entry(folded(code)).or_insert(name);
        }
    }
    regions
});

static LOCALES: LazyLock<HashMap<String, &'static str>> =
    LazyLock::new(|| include_str!("data/locales.txt").lines().map(|name| (name.to_lowercase(), name)).collect());

static TIMEZONES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let spellings = |[name, older, _, _]: [&'static str; 4]| {
        std::iter::once(name).chain(older.split(';')).map(move |spelling| (spelling.to_lowercase(), name))
    };
    lines(include_str!("data/timezones.tsv")).flat_map(spellings).filter(|(spelling, _)| !spelling.is_empty()).collect()
});

/// The lines of a data file as four cells each; what a line lacks is empty.
fn lines(file: &'static str) -> impl Iterator<Item = [&'static str; 4]> {
    file.lines().map(|line| {
        let mut cells = line.split('\t');
        std::array::from_fn(|_| cells.next().unwrap_or_default())
    })
}

/// A spelling without letter case, accents and punctuation, so that `Cote d'Ivoire` finds `Côte d'Ivoire`; `&` is `and`, `St.`
/// is `Saint`, `D.C.` is `DC`, and an article before or behind the name is left out.
fn folded(spelling: &str) -> String {
    let lower = spelling.to_lowercase();
    // Nearly all of the 4,000 names are ASCII, and the tables are made while someone waits.
    let plain = if lower.is_ascii() { lower } else { without_accents(&lower) };
    let mut folded = String::with_capacity(plain.len());
    for token in plain.split(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '&')) {
        for word in words(token) {
            match word.as_ref() {
                "" | "the" => continue,
                _ if folded.is_empty() => {}
                _ => folded.push(' '),
            }
            folded.push_str(&word);
        }
    }
    folded
}

/// The words of what stands between spaces: an abbreviation of single letters is one word, other dots part words.
fn words(token: &str) -> Vec<Cow<'_, str>> {
    let letters: Vec<&str> = token.split('.').filter(|part| !part.is_empty()).collect();
    if letters.len() > 1 && letters.iter().all(|part| part.chars().count() == 1) {
        return vec![letters.concat().into()];
    }
    let parts = letters.into_iter().flat_map(|part| {
        let around = part.split('&');
        around.enumerate().flat_map(|(index, word)| (index > 0).then_some("and").into_iter().chain([word]))
    });
    parts
        .map(|word| match word {
            "st" | "sankt" => "saint".into(),
            "ste" => "sainte".into(),
            word => word.into(),
        })
        .collect()
}

/// What is known by its whole spelling, or by what stands before brackets when what stands in them is known to be the same:
/// `Myanmar (Burma)`, `New South Wales (NSW)`. `Korea (North)` is not Korea.
fn with_brackets<T: PartialEq>(
    given: &str,
    find: impl Fn(&str) -> Option<T>,
    agrees: impl Fn(&str, &T) -> bool,
) -> Option<T> {
    if let Some(found) = find(given) {
        return Some(found);
    }
    let (before, rest) = given.split_once(['(', '['])?;
    let (within, after) = rest.split_once([')', ']'])?;
    let found = find(before).filter(|_| after.trim().is_empty())?;
    agrees(within, &found).then_some(found)
}

/// Letters without their accents: `Über` is `Uber`. What no Latin letter is like stays as it is.
pub(super) fn without_accents(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|c| !is_combining_mark(*c)) {
        match undecomposed(letter) {
            Some(latin) => plain.push_str(latin),
            None => plain.push(letter),
        }
    }
    plain
}

/// Letters that Unicode does not take apart into a base letter and a mark.
fn undecomposed(letter: char) -> Option<&'static str> {
    match letter {
        'ø' => Some("o"),
        'ł' => Some("l"),
        'đ' | 'ð' => Some("d"),
        'ı' => Some("i"),
        'ß' => Some("ss"),
        'æ' => Some("ae"),
        'œ' => Some("oe"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tandem_core::mapping::RuleSet;

    use super::*;

    fn country(given: &str) -> Option<Country> {
        MauticVocabulary.country(given)
    }

    fn state(given: &str, country_code: &str) -> Option<String> {
        let country = country(country_code);
        assert!(country.is_some() || country_code.is_empty(), "{country_code}");
        MauticVocabulary.state(given, country.as_ref())
    }

    #[test]
    fn a_country_is_known_by_code_name_and_alias_in_any_letter_case() {
        for (given, alpha2, name) in [
            ("AU", "AU", "Australia"),
            ("australia", "AU", "Australia"),
            (" AUS ", "AU", "Australia"),
            ("UK", "GB", "United Kingdom"),
            ("gb", "GB", "United Kingdom"),
            ("England", "GB", "United Kingdom"),
            ("USA", "US", "United States"),
            ("U.S.A.", "US", "United States"),
            ("United States of America", "US", "United States"),
            ("Viet Nam", "VN", "Vietnam"),
            ("Korea", "KR", "South Korea"),
            ("Korea (Republic of)", "KR", "South Korea"),
            ("Czechia", "CZ", "Czech Republic"),
            ("CZE", "CZ", "Czech Republic"),
            ("North Macedonia", "MK", "Macedonia"),
            ("Swaziland", "SZ", "Eswatini"),
            ("Brunei Darussalam", "BN", "Brunei"),
            ("Vatican City", "VA", "Holy See"),
            ("Cote d'Ivoire", "CI", "Ivory Coast"),
            ("reunion", "RE", "Réunion"),
            ("Türkiye", "TR", "Turkey"),
            ("PF", "PF", "French Polynesia"),
            ("XK", "XK", "Kosovo"),
            ("Bosnia & Herzegovina", "BA", "Bosnia and Herzegovina"),
            ("Trinidad&Tobago", "TT", "Trinidad and Tobago"),
            ("St. Lucia", "LC", "Saint Lucia"),
            ("St Kitts & Nevis", "KN", "Saint Kitts and Nevis"),
            ("The Gambia", "GM", "Gambia"),
            ("Bahamas, The", "BS", "Bahamas"),
            ("Myanmar (Burma)", "MM", "Myanmar"),
            ("Virgin Islands, U.S.", "VI", "Virgin Islands (U.S.)"),
            ("United States (USA)", "US", "United States"),
        ] {
            let found = country(given).unwrap_or_else(|| panic!("{given}"));
            assert_eq!((found.alpha2.as_str(), found.name.as_str()), (alpha2, name), "{given}");
        }
    }

    #[test]
    fn what_is_no_country_of_mautic_is_not_known() {
        for given in ["", " ", "-", "Atlantis", "Unknown", "EU", "XX", "A U", "Korea (North)", "The", "&", ".", "()"] {
            assert_eq!(country(given), None, "{given}");
        }
    }

    /// The names that CLDR gives to countries in English, where they are not Mautic's own.
    const CLDR: [(&str, &str); 49] = [
        ("AG", "Antigua & Barbuda"),
        ("AX", "Åland Islands"),
        ("BA", "Bosnia & Herzegovina"),
        ("BL", "St. Barthélemy"),
        ("BQ", "Caribbean Netherlands"),
        ("CD", "Congo - Kinshasa"),
        ("CG", "Congo - Brazzaville"),
        ("CI", "Côte d’Ivoire"),
        ("CV", "Cape Verde"),
        ("CZ", "Czechia"),
        ("FK", "Falkland Islands"),
        ("FM", "Micronesia"),
        ("GS", "South Georgia & South Sandwich Islands"),
        ("GW", "Guinea-Bissau"),
        ("HK", "Hong Kong SAR China"),
        ("HM", "Heard & McDonald Islands"),
        ("KN", "St. Kitts & Nevis"),
        ("KP", "North Korea"),
        ("KR", "South Korea"),
        ("LC", "St. Lucia"),
        ("MF", "St. Martin"),
        ("MK", "North Macedonia"),
        ("MM", "Myanmar (Burma)"),
        ("MO", "Macao SAR China"),
        ("PM", "St. Pierre & Miquelon"),
        ("PN", "Pitcairn Islands"),
        ("PS", "Palestinian Territories"),
        ("RE", "Réunion"),
        ("SH", "St. Helena"),
        ("SJ", "Svalbard & Jan Mayen"),
        ("ST", "São Tomé & Príncipe"),
        ("SZ", "Eswatini"),
        ("TC", "Turks & Caicos Islands"),
        ("TL", "Timor-Leste"),
        ("TR", "Türkiye"),
        ("TT", "Trinidad & Tobago"),
        ("TW", "Taiwan"),
        ("VA", "Vatican City"),
        ("VC", "St. Vincent & Grenadines"),
        ("VG", "British Virgin Islands"),
        ("VI", "U.S. Virgin Islands"),
        ("WF", "Wallis & Futuna"),
        ("BN", "Brunei"),
        ("FR", "France"),
        ("LA", "Laos"),
        ("RU", "Russia"),
        ("SY", "Syria"),
        ("TZ", "Tanzania"),
        ("VN", "Vietnam"),
    ];

    #[test]
    fn a_country_is_known_by_the_english_name_that_cldr_gives_it() {
        for (alpha2, given) in CLDR {
            assert_eq!(country(given).map(|found| found.alpha2).as_deref(), Some(alpha2), "{given}");
        }
    }

    #[test]
    fn every_country_has_a_code_and_every_code_one_name() {
        for [alpha2, name, ..] in lines(include_str!("data/countries.tsv")) {
            assert!(alpha2 == "XK" || rust_iso3166::from_alpha2(alpha2).is_some(), "{alpha2}");
            assert_eq!(country(name).map(|found| found.name).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_state_is_known_within_its_country() {
        for (given, country, name) in [
            ("NSW", "AU", "New South Wales"),
            ("new south wales", "AU", "New South Wales"),
            ("AU-NSW", "AU", "New South Wales"),
            ("WA", "AU", "Western Australia"),
            ("WA", "US", "Washington"),
            ("act", "AU", "Australian Capital Territory"),
            ("YT", "CA", "Yukon Territory"),
            ("Yukon", "CA", "Yukon Territory"),
            ("QC", "CA", "Quebec"),
            ("Québec", "CA", "Quebec"),
            ("BY", "DE", "Bayern"),
            ("75", "FR", "Paris"),
            ("Hawke's Bay", "NZ", "Hawkes Bay"),
            ("Fukushima", "JP", "Fukusima"),
            ("Hà Nội", "VN", "Ha Noi, thu do"),
            ("PEI", "CA", "Prince Edward Island"),
            ("P.E.I.", "CA", "Prince Edward Island"),
            ("Newfoundland & Labrador", "CA", "Newfoundland and Labrador"),
            ("D.C.", "US", "District of Columbia"),
            ("Washington, D.C.", "US", "District of Columbia"),
            ("N.S.W.", "AU", "New South Wales"),
            ("New South Wales (NSW)", "AU", "New South Wales"),
            ("Victoria (Australia)", "AU", "Victoria"),
            ("St. Gallen", "CH", "St. Gallen"),
            ("St.Gallen", "CH", "St. Gallen"),
        ] {
            assert_eq!(state(given, country).as_deref(), Some(name), "{given} {country}");
        }
        assert_eq!(state("Bavaria", "AU"), None);
        assert_eq!(state("NSW", "US"), None);
        assert_eq!(state("Victoria (Canada)", "AU"), None);
    }

    #[test]
    fn without_a_country_only_the_full_name_that_one_country_has_is_known() {
        assert_eq!(state("New South Wales", "").as_deref(), Some("New South Wales"));
        assert_eq!(state("victoria", "").as_deref(), Some("Victoria"));
        assert_eq!(state("NSW", ""), None);
        assert_eq!(state("WA", ""), None);
        assert_eq!(state("Córdoba", ""), None, "in Argentina, Colombia and Spain");
    }

    #[test]
    fn a_state_of_a_country_without_a_list_is_passed_on() {
        assert_eq!(state("  Central ", "SG").as_deref(), Some("Central"));
    }

    #[test]
    fn the_codes_of_regions_are_those_of_iso_3166() {
        // Codes that ISO has given up and people still use, and those of the post for the armed forces.
        let others = ["FR-75", "IT-AO", "US-AA", "US-AE", "US-AP"];
        for [country, code, name, ..] in lines(include_str!("data/regions.tsv")).filter(|cells| !cells[1].is_empty()) {
            let code = format!("{country}-{code}");
            let known = rust_iso3166::iso3166_2::from_code(&code).is_some();
            assert!(known || others.contains(&code.as_str()), "{code} {name}");
        }
    }

    #[test]
    fn a_locale_is_known_however_it_is_written() {
        for (given, name) in [
            ("en-au", "en_AU"),
            ("en_AU", "en_AU"),
            ("EN", "en"),
            ("pt-BR", "pt_BR"),
            ("zh-hant-tw", "zh_Hant_TW"),
            ("en-Latn-AU", "en_AU"),
            ("en_AU.UTF-8", "en_AU"),
            (" de ", "de"),
        ] {
            assert_eq!(MauticVocabulary.locale(given).as_deref(), Some(name), "{given}");
        }
        for given in ["", "xx", "english", "en-XX", "1"] {
            assert_eq!(MauticVocabulary.locale(given), None, "{given}");
        }
    }

    #[test]
    fn a_time_zone_is_known_in_any_letter_case_and_by_its_older_name() {
        for (given, name) in [
            ("Australia/Sydney", "Australia/Sydney"),
            ("australia/sydney", "Australia/Sydney"),
            ("America/New York", "America/New_York"),
            ("US/Pacific", "America/Los_Angeles"),
            ("Asia/Calcutta", "Asia/Kolkata"),
            ("utc", "UTC"),
            ("GMT", "UTC"),
        ] {
            assert_eq!(MauticVocabulary.timezone(given).as_deref(), Some(name), "{given}");
        }
        for given in ["", "Mars/Base", "+10:00", "EST5EDT4"] {
            assert_eq!(MauticVocabulary.timezone(given), None, "{given}");
        }
    }

    #[test]
    fn every_time_zone_is_one_that_the_tz_database_knows() {
        for [name, ..] in lines(include_str!("data/timezones.tsv")) {
            assert!(jiff::tz::TimeZone::get(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_field_rules_are_sound_and_say_where_a_request_carries_a_field() {
        let rules = RuleSet::parse(include_str!("fields.toml")).unwrap();
        assert_eq!(rules.path_of("first_name"), "contact.first_name");
        assert_eq!(rules.path_of("firstname"), "contact.firstname");
        assert_eq!(rules.path_of("utm_source"), "utm.source");
        assert_eq!(rules.path_of_remote("address1"), "contact.address_line1");
    }
}
