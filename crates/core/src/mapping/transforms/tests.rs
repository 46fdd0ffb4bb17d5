//! What each transform makes of what shops really send.

use serde_json::{Value, json};

use super::*;
use crate::domain::identity::Email;
use crate::mapping::vocabulary::Country;

/// The most characters that the fields of these tests take.
const LIMIT: usize = 191;

/// Knows Australia and the United States, and no more.
pub(crate) struct SmallVocabulary;

impl Vocabulary for SmallVocabulary {
    fn country(&self, given: &str) -> Option<Country> {
        let (alpha2, name) = match given.to_lowercase().as_str() {
            "au" | "australia" => ("AU", "Australia"),
            "us" | "united states" => ("US", "United States"),
            "nz" | "new zealand" => ("NZ", "New Zealand"),
            "gb" | "uk" | "united kingdom" => ("GB", "United Kingdom"),
            "de" | "germany" => ("DE", "Germany"),
            "fr" | "france" => ("FR", "France"),
            "es" | "spain" => ("ES", "Spain"),
            "it" => ("IT", "Italy"),
            "jp" | "japan" => ("JP", "Japan"),
            "pl" | "poland" => ("PL", "Poland"),
            "vn" | "vietnam" => ("VN", "Vietnam"),
            _ => return None,
        };
        Some(Country { alpha2: alpha2.to_owned(), name: name.to_owned() })
    }

    fn state(&self, given: &str, country: Option<&Country>) -> Option<String> {
        match (given, country.map(|country| country.alpha2.as_str())) {
            ("New South Wales", None) => Some(given.to_owned()),
            ("WA", Some("AU")) => Some("Western Australia".to_owned()),
            ("WA", Some("US")) => Some("Washington".to_owned()),
            (_, Some("AU")) if given.len() > 1 => Some(given.to_owned()),
            _ => None,
        }
    }

    fn address_flaw(&self, email: &Email) -> Option<&'static str> {
        email.as_str().contains('/').then_some("holds a slash")
    }

    fn locale(&self, given: &str) -> Option<String> {
        (given == "en-au").then(|| "en_AU".to_owned())
    }

    fn timezone(&self, given: &str) -> Option<String> {
        (given == "australia/sydney").then(|| "Australia/Sydney".to_owned())
    }
}

fn in_country(rule: &Transform, value: &Value, country: &str) -> Outcome {
    let country = SmallVocabulary.country(country);
    let context = Context { vocabulary: &SmallVocabulary, country: country.as_ref(), options: &[], limit: Some(LIMIT) };
    transform(rule, value, &context)
}

/// Asserts what a transform makes of each value: a value, blank (`null`), or an issue of a kind.
fn check<const N: usize>(rule: &Transform, cases: [(Value, Result<Value, IssueCode>); N]) {
    for (given, expected) in cases {
        let made = in_country(rule, &given, "AU");
        let made = made.map(Option::unwrap_or_default).map_err(|(code, _)| code);
        assert_eq!(made, expected, "{rule:?} of {given}");
    }
}

#[test]
fn text_is_one_trimmed_line_and_never_cut() {
    check(
        &Transform::Text,
        [
            (json!("  Zoë \t de\u{a0}la\r\nCruz\u{0} "), Ok(json!("Zoë de la Cruz"))),
            (json!("Ann 🎸"), Ok(json!("Ann 🎸"))),
            (json!("加奈"), Ok(json!("加奈"))),
            (json!("n/a"), Ok(json!("n/a"))),
            (json!(2000), Ok(json!("2000"))),
            (json!(true), Ok(json!("true"))),
            (json!(""), Ok(json!(null))),
            (json!(" \n "), Ok(json!(null))),
            (json!(null), Ok(json!(null))),
            (json!("é".repeat(191)), Ok(json!("é".repeat(191)))),
            (json!("é".repeat(192)), Err(IssueCode::TooLong)),
            (json!(["a"]), Err(IssueCode::WrongType)),
            (json!({"a": 1}), Err(IssueCode::WrongType)),
        ],
    );
}

#[test]
fn an_address_is_normalised_and_a_placeholder_reported() {
    check(
        &Transform::Email,
        [
            (json!("  MARY@Example.COM "), Ok(json!("mary@example.com"))),
            (json!(""), Ok(json!(null))),
            (json!(null), Ok(json!(null))),
            (json!("n/a"), Err(IssueCode::Invalid)),
            (json!("none"), Err(IssueCode::Invalid)),
            (json!("a@@example.com"), Err(IssueCode::Invalid)),
            (json!("zoë@example.com"), Err(IssueCode::Invalid)),
            (json!(5), Err(IssueCode::WrongType)),
        ],
    );
}

#[test]
fn a_telephone_number_becomes_e164_by_the_country_of_the_record() {
    for (given, country, expected) in [
        ("0412 345 678", "AU", "+61412345678"),
        ("(03)67065098", "AU", "+61367065098"),
        ("07-3242-9208", "AU", "+61732429208"),
        ("+61.3.5209.5764", "", "+61352095764"),
        ("+44(0)8081570917", "GB", "+448081570917"),
        ("+44(0)28 9018001", "GB", "+44289018001"),
        ("+49(0)2151 27215", "", "+49215127215"),
        ("+33 (0)1 60 58 59 94", "FR", "+33160585994"),
        ("+84-05-2345-6789", "VN", "+84523456789"),
        ("+84-0512-345-678", "", "+84512345678"),
        ("+61 0412 345 678", "AU", "+61412345678"),
        ("+49 0 30 901820", "DE", "+4930901820"),
        ("+39 06 6982", "IT", "+39066982"),
        ("0121 4960629", "GB", "+441214960629"),
        ("(021) 3202447", "NZ", "+64213202447"),
        ("080-3391-6508", "JP", "+818033916508"),
        ("693 710 546", "PL", "+48693710546"),
        ("(201) 555-0123", "US", "+12015550123"),
        ("\u{202a}+61 412 345 678\u{202c}", "", "+61412345678"),
        ("0061 412 345 678", "", "+61412345678"),
        ("00 44 (0)28 9018001", "AU", "+44289018001"),
        ("'+61 412 345 678", "", "+61412345678"),
        ("'0412 345 678", "AU", "+61412345678"),
    ] {
        let made = in_country(&Transform::Phone, &json!(given), country);
        assert_eq!(made, Ok(Some(json!(expected))), "{given} in {country:?}");
    }
}

#[test]
fn a_number_that_the_metadata_does_not_know_yet_is_kept_when_nothing_is_missing() {
    for (given, country, expected) in [
        ("+1234567890", "", "+1234567890"),
        ("+61 8 5238 6434", "AU", "+61852386434"),
        ("+44(0)9098790122", "GB", "+449098790122"),
        ("(08).2007.4041", "AU", "+61820074041"),
        ("01632960673", "GB", "+441632960673"),
    ] {
        let made = in_country(&Transform::Phone, &json!(given), country);
        assert_eq!(made, Ok(Some(json!(expected))), "{given} in {country:?}");
    }
}

#[test]
fn a_zero_that_a_spreadsheet_ate_is_known_where_no_digit_can_be_missing() {
    for (given, country, expected) in [
        (json!(412345678), "AU", "+61412345678"),
        (json!("298765432"), "AU", "+61298765432"),
        (json!("61412345678"), "AU", "+61412345678"),
    ] {
        assert_eq!(in_country(&Transform::Phone, &given, country), Ok(Some(json!(expected))), "{given}");
    }
}

#[test]
fn a_national_number_without_its_trunk_prefix_is_taken_when_the_metadata_knows_it() {
    for (given, country, expected) in [
        ("30123456", "DE", "+4930123456"),
        ("30 901820", "DE", "+4930901820"),
        ("20 7946 0958", "GB", "+442079460958"),
        ("2 9876 5432", "AU", "+61298765432"),
        ("3 301 2345", "NZ", "+6433012345"),
    ] {
        let made = in_country(&Transform::Phone, &json!(given), country);
        assert_eq!(made, Ok(Some(json!(expected))), "{given} in {country:?}");
    }
}

#[test]
fn a_number_is_never_guessed() {
    for (given, country, why) in [
        ("62243755", "AU", "no area code"),
        ("8811 7821", "AU", "no area code"),
        ("478-7706", "NZ", "no area code"),
        ("8175363", "NZ", "no area code"),
        ("555-0199", "US", "no area code"),
        ("0412 345 678", "", "no country"),
        ("0166 5978", "AU", "missing"),
        ("09 2065129", "VN", "missing"),
        ("89-0581-9031", "JP", "missing"),
        ("0412 345 678 9999", "AU", ""),
        ("02 9876 5432 ext 12", "AU", "extension"),
        ("02 9876 5432 #12", "AU", "extension"),
        ("+49 1n645 30123", "", "letters"),
        ("call me", "AU", ""),
        ("n/a", "AU", ""),
        ("0412 345 678", "US", "missing"),
        ("+ +", "AU", "digits"),
        ("+123", "AU", "digits"),
        ("+0412345678", "AU", "digits"),
        ("+1234567890123456", "AU", "digits"),
        ("+12 call 34567890", "AU", "letters"),
    ] {
        let (code, message) = in_country(&Transform::Phone, &json!(given), country).unwrap_err();
        assert_eq!(code, IssueCode::Invalid, "{given}");
        assert!(message.contains(why) && !message.contains(given), "{given}: {message}");
    }
}

#[test]
fn places_are_named_in_the_platforms_words() {
    use IssueCode::NotInList;
    check(&Transform::Country, [(json!("au"), Ok(json!("Australia"))), (json!("Atlantis"), Err(NotInList))]);
    check(&Transform::State, [(json!("WA"), Ok(json!("Western Australia"))), (json!("?"), Err(NotInList))]);
    check(&Transform::Locale, [(json!("en-au"), Ok(json!("en_AU"))), (json!("xx"), Err(NotInList))]);
    check(
        &Transform::Timezone,
        [(json!("australia/sydney"), Ok(json!("Australia/Sydney"))), (json!("Mars/Base"), Err(NotInList))],
    );
}

#[test]
fn numbers_are_plain_decimals() {
    check(
        &Transform::Number,
        [
            (json!(12), Ok(json!(12))),
            (json!(12.5), Ok(json!(12.5))),
            (json!(-0.0), Ok(json!(0))),
            (json!(" 39.08 "), Ok(json!(39.08))),
            (json!("0"), Ok(json!(0))),
            (json!("-7"), Ok(json!(-7))),
            (json!("007"), Ok(json!(7))),
            (json!(".5"), Ok(json!(0.5))),
            (json!(""), Ok(json!(null))),
            (json!("1e5"), Err(IssueCode::Invalid)),
            (json!("NaN"), Err(IssueCode::Invalid)),
            (json!("inf"), Err(IssueCode::Invalid)),
            (json!("0x1f"), Err(IssueCode::Invalid)),
            (json!("1,234.50"), Err(IssueCode::Invalid)),
            (json!("1.2.3"), Err(IssueCode::Invalid)),
            (json!("."), Err(IssueCode::Invalid)),
            (json!("9".repeat(400)), Err(IssueCode::Invalid)),
            (json!(true), Err(IssueCode::WrongType)),
            (json!([1]), Err(IssueCode::WrongType)),
        ],
    );
}

#[test]
fn yes_and_no_have_a_few_spellings() {
    for (given, expected) in [
        (json!(true), true),
        (json!("TRUE"), true),
        (json!("yes"), true),
        (json!("t"), true),
        (json!(1), true),
        (json!("1"), true),
        (json!(false), false),
        (json!("False"), false),
        (json!("no"), false),
        (json!("f"), false),
        (json!(0), false),
    ] {
        check(&Transform::Bool, [(given, Ok(json!(expected)))]);
    }
    check(
        &Transform::Bool,
        [
            (json!("maybe"), Err(IssueCode::Invalid)),
            (json!(2), Err(IssueCode::Invalid)),
            (json!({}), Err(IssueCode::WrongType)),
            (json!(""), Ok(json!(null))),
        ],
    );
}

#[test]
fn a_day_is_taken_as_it_was_written() {
    check(
        &Transform::Date,
        [
            (json!("2024-05-06"), Ok(json!("2024-05-06"))),
            (json!("2024-05-06T23:30:00-08:00"), Ok(json!("2024-05-06"))),
            (json!("2024-05-06T10:00:00Z"), Ok(json!("2024-05-06"))),
            (json!("2024-02-30"), Err(IssueCode::Invalid)),
            (json!("06/05/2024"), Err(IssueCode::Invalid)),
            (json!("0000-00-00"), Err(IssueCode::Invalid)),
            (json!("0000-01-01"), Err(IssueCode::Invalid)),
            (json!(1714953600), Err(IssueCode::WrongType)),
            (json!(""), Ok(json!(null))),
        ],
    );
}

#[test]
fn a_moment_becomes_utc_with_whole_seconds() {
    check(
        &Transform::DateTime,
        [
            (json!("2026-11-01T10:20:30Z"), Ok(json!("2026-11-01T10:20:30Z"))),
            (json!("2026-11-01T10:20:30.987654+10:00"), Ok(json!("2026-11-01T00:20:30Z"))),
            (json!("2026-11-01 10:20"), Ok(json!("2026-11-01T10:20:00Z"))),
            (json!("2026-11-01"), Ok(json!("2026-11-01T00:00:00Z"))),
            (json!("2026-11-01T10:20[Australia/Sydney]"), Err(IssueCode::Invalid)),
            (json!("yesterday-ish"), Err(IssueCode::Invalid)),
            (json!("0000-00-00 00:00:00"), Err(IssueCode::Invalid)),
            (json!(1714953600), Err(IssueCode::WrongType)),
            (json!("1714953600"), Err(IssueCode::Invalid)),
        ],
    );
}

#[test]
fn a_select_takes_its_options_in_their_own_spelling() {
    let options = ["VIP".to_owned(), "regular".to_owned()];
    let context = Context { vocabulary: &SmallVocabulary, country: None, options: &options, limit: None };
    let select = |value| transform(&Transform::Select, &value, &context);
    assert_eq!(select(json!(" vip ")), Ok(Some(json!("VIP"))));
    assert_eq!(select(json!("REGULAR")), Ok(Some(json!("regular"))));
    assert_eq!(select(json!("platinum")).unwrap_err().0, IssueCode::NotInList);
    check(&Transform::Select, [(json!(" any "), Ok(json!("any")))]);
}

#[test]
fn a_table_gives_what_stands_in_it() {
    let table = Transform::Lookup([("Gold".to_owned(), json!("vip")), ("1".to_owned(), json!("new"))].into());
    check(
        &table,
        [
            (json!("GOLD "), Ok(json!("vip"))),
            (json!(1), Ok(json!("new"))),
            (json!("silver"), Err(IssueCode::NotInList)),
            (json!(null), Ok(json!(null))),
        ],
    );
}

#[test]
fn a_web_address_is_absolute() {
    check(
        &Transform::Url,
        [
            (json!(" https://example.com/a?b=c "), Ok(json!("https://example.com/a?b=c"))),
            (json!("HTTP://EXAMPLE.com"), Ok(json!("HTTP://EXAMPLE.com"))),
            (json!("example.com"), Err(IssueCode::Invalid)),
            (json!("ftp://example.com"), Err(IssueCode::Invalid)),
            (json!("javascript:alert(1)"), Err(IssueCode::Invalid)),
            (json!("http://"), Err(IssueCode::Invalid)),
            (json!("http://example.com/a b"), Err(IssueCode::Invalid)),
            (json!(format!("https://example.com/{}", "a".repeat(191))), Err(IssueCode::TooLong)),
        ],
    );
}

#[test]
fn tags_are_a_list_or_a_text_with_commas() {
    check(
        &Transform::Tags,
        [
            (json!("vip, sydney ,vip,,"), Ok(json!(["vip", "sydney"]))),
            (json!(["vip", " a,b ", 7, "-old"]), Ok(json!(["vip", "a", "b", "7", "-old"]))),
            (json!("{vip,\"early bird\"}"), Ok(json!(["vip", "early bird"]))),
            (json!("[\"vip\", \"early bird\"]"), Ok(json!(["vip", "early bird"]))),
            (json!("vip;beta"), Ok(json!(["vip", "beta"]))),
            (json!("[]"), Ok(json!(null))),
            (json!([]), Ok(json!(null))),
            (json!(null), Ok(json!(null))),
            (json!([{"a": 1}]), Err(IssueCode::WrongType)),
            (json!({"a": 1}), Err(IssueCode::WrongType)),
            (json!([true]), Err(IssueCode::WrongType)),
            (json!("x".repeat(192)), Err(IssueCode::TooLong)),
        ],
    );
}

#[test]
fn direct_takes_any_single_value_and_constant_takes_none() {
    check(
        &Transform::Direct,
        [
            (json!(" as is "), Ok(json!(" as is "))),
            (json!(1.5), Ok(json!(1.5))),
            (json!(false), Ok(json!(false))),
            (json!([]), Err(IssueCode::WrongType)),
        ],
    );
    check(&Transform::Constant(json!("web")), [(json!({"any": "thing"}), Ok(json!("web")))]);
}
