//! What becomes of every combination of what both sides agreed on, what the application wants and what the platform shows.

use std::collections::BTreeMap;

use super::*;
use crate::domain::link::{LinkState, RemoteId};
use crate::mapping::Situations;
use crate::mapping::{RuleSet, SmallVocabulary, changed};

const RULES: &str = r#"
[[rule]]
local = "city"
remote = "city"
transform = "text"
blank = "clear"
[[rule]]
local = "phone"
remote = "phone"
transform = "phone"
[[rule]]
local = "country"
remote = "country"
transform = "country"
[[rule]]
local = "level"
remote = "level"
transform = "number"
[[rule]]
local = "score"
remote = "score"
direction = "push"
[[rule]]
local = "points"
remote = "points"
direction = "pull"
transform = "number"
[[rule]]
local = "status"
remote = "status"
direction = "push"
[[rule]]
local = "tags"
target = "tags"
transform = "tags"
[[rule]]
local = "stage"
target = "stage"
from = "status"
"#;

const STRATEGIES: [Strategy; 3] = [Strategy::LastWriteWins, Strategy::FieldMerge, Strategy::Manual];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone().into_iter().filter(|(_, value)| *value != json!("absent")).collect()
}

/// A contact before and after: what the application says, what was agreed on, what the platform shows.
#[derive(Clone)]
struct Case {
    record: Record,
    link: Link,
    shown: Fields,
    tags: Vec<String>,
    stage: Option<String>,
    shown_at: i64,
    strategy: Strategy,
}

impl Case {
    /// The application changed its side at second 100, the platform at 200.
    fn new(wanted: Value, agreed: Value, shown: Value) -> Self {
        let record = Record {
            external_id: None,
            email: None,
            fields: fields(wanted),
            updated_at: at(100),
            version: 7,
            gone_since: None,
            awaited: None,
            corrected: None,
            overlaid: Fields::new(),
            older: Default::default(),
            dated: Default::default(),
            said: Default::default(),
        };
        let mut link = Link::new(at(1));
        (link.remote_id, link.state, link.snapshot) = (Some(RemoteId("1".into())), LinkState::Synced, fields(agreed));
        let shown = fields(shown).into_iter().filter(|(_, value)| !value.is_null()).collect();
        let tags = link.snapshot.get("@tags").map(overlay::texts).unwrap_or_default();
        let strategy = Strategy::default();
        Self { record, link, shown, tags, stage: None, shown_at: 200, strategy }
    }

    fn by(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    fn shown_at(mut self, second: i64) -> Self {
        self.shown_at = second;
        self
    }

    fn tagged(mut self, tags: &[&str]) -> Self {
        self.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self
    }

    fn in_stage(mut self, stage: &str) -> Self {
        self.stage = Some(stage.to_owned());
        self
    }

    fn merged(&self, rules: &RuleSet) -> Merged {
        let book = book(rules);
        let shown = Shown {
            times: None,
            fields: &self.shown,
            complete: true,
            tags: Some(&self.tags),
            stage: self.stage.as_deref(),
            at: at(self.shown_at),
            by: None,
        };
        merge(&self.record, &self.link, &shown, &book, self.strategy, at(300))
    }

    /// As it stands after the merge.
    fn after(&self) -> Self {
        let merged = self.merged(&rules());
        let mut after = self.clone();
        after.record = merged.record.unwrap_or(after.record);
        after.link = merged.link.unwrap_or(after.link);
        after
    }

    /// What a push would then send, blanks as `null`.
    fn to_send(&self) -> BTreeMap<String, Value> {
        let rules = rules();
        let book = book(&rules);
        let (mut wanted, cleared, _) = plan::wanted(&self.record, &ConsentLedger::default(), &book);
        wanted.extend(cleared.into_iter().map(|name| (name, Value::Null)));
        let held = plan::withheld(&self.link, &rules);
        wanted.retain(|name, _| !held.contains(name));
        let known = |name: &String| self.link.snapshot.get(name).cloned().unwrap_or_default();
        let base = wanted.keys().map(|name| (name.clone(), known(name))).collect();
        changed(&wanted, &base)
    }

    fn field(&self, name: &str) -> Value {
        self.record.fields.get(name).cloned().unwrap_or_default()
    }
}

fn book(rules: &RuleSet) -> Rulebook<'_> {
    Rulebook { rules, vocabulary: &SmallVocabulary, catalog: None, enrolment: None, situations: Situations::default() }
}

fn rules() -> RuleSet {
    RuleSet::parse(RULES).unwrap()
}

fn city(wanted: Value, agreed: Value, shown: Value) -> Case {
    Case::new(json!({"city": wanted}), json!({"city": agreed}), json!({"city": shown}))
}

/// Every combination of four values on three sides, under every strategy, whichever side was later.
fn all() -> impl Iterator<Item = (Value, Value, Value, Case)> {
    let values = [json!(null), json!("A"), json!("B"), json!("C")];
    let sides = values.clone().into_iter().flat_map(move |base| {
        let values = values.clone();
        let wanted = values.clone().into_iter();
        wanted.flat_map(move |wanted| {
            let base = base.clone();
            values.clone().into_iter().map(move |shown| (base.clone(), wanted.clone(), shown))
        })
    });
    sides.flat_map(|(base, wanted, shown)| {
        STRATEGIES.into_iter().flat_map(move |strategy| {
            let (base, wanted, shown) = (base.clone(), wanted.clone(), shown.clone());
            [50, 200].into_iter().map(move |second| {
                let case = city(wanted.clone(), base.clone(), shown.clone()).by(strategy).shown_at(second);
                (base.clone(), wanted.clone(), shown.clone(), case)
            })
        })
    })
}

#[test]
fn what_one_side_changed_reaches_the_other_under_every_strategy() {
    for (base, wanted, shown, case) in all() {
        let after = case.after();
        if wanted == base {
            assert_eq!((after.field("city"), after.to_send().len()), (shown.clone(), 0), "{base} {wanted} {shown}");
        } else if shown == base {
            assert_eq!((after.field("city"), after.to_send()["city"].clone()), (wanted.clone(), wanted), "{base}");
        }
        assert_eq!(after.record.fields.contains_key("city"), case.record.fields.contains_key("city"));
    }
}

#[test]
fn merging_twice_is_merging_once() {
    for (base, wanted, shown, case) in all() {
        let again = case.after().merged(&rules());
        assert!(again.is_echo() && again.contested == 0, "{base} {wanted} {shown} {:?}", case.strategy);
    }
}

#[test]
fn no_value_is_lost_but_by_the_strategy_that_was_chosen() {
    for (base, wanted, shown, case) in all() {
        let after = case.after();
        let both = wanted != base && shown != base && wanted != shown;
        let said = format!("{base} {wanted} {shown} {:?} {}", case.strategy, case.shown_at);
        let conflict = after.link.conflicts.get("city").map(|both| (both.application.clone(), both.platform.clone()));
        let stands = match (both, case.strategy) {
            (false, _) => {
                assert_eq!(conflict, None, "{said}");
                continue;
            }
            (true, Strategy::Manual) => {
                assert_eq!(conflict, Some((wanted.clone(), shown)), "{said}");
                assert_eq!((after.field("city"), after.to_send().len()), (wanted, 0), "{said}");
                assert_eq!(after.link.state, LinkState::Conflict, "{said}");
                assert_eq!(after.link.snapshot.get("city").cloned().unwrap_or_default(), base, "{said}");
                continue;
            }
            (true, Strategy::LastWriteWins) => {
                if case.shown_at > 100 {
                    shown.clone()
                } else {
                    wanted
                }
            }
            (true, Strategy::FieldMerge) => {
                if wanted.is_null() {
                    shown.clone()
                } else {
                    wanted
                }
            }
        };
        assert_eq!(after.field("city"), stands, "{said}");
        let sent = after.to_send().get("city").cloned();
        assert_eq!(sent, (stands != shown).then_some(stands), "{said}");
    }
}

#[test]
fn a_crash_between_record_and_link_is_mended_by_the_next_look() {
    for (base, wanted, shown, case) in all() {
        let whole = case.after();
        let mut died = case.clone();
        died.record = whole.record.clone();
        let mended = died.after();
        assert_eq!(mended.record.fields, whole.record.fields, "{base} {wanted} {shown}");
        assert_eq!(mended.to_send(), whole.to_send(), "{base} {wanted} {shown}");
        assert_eq!(mended.link.conflicts.len(), whole.link.conflicts.len());
    }
}

#[test]
fn a_tie_goes_to_the_application() {
    assert_eq!(city(json!("A"), json!("0"), json!("B")).shown_at(100).after().field("city"), "A");
    assert_eq!(city(json!("A"), json!("0"), json!("B")).shown_at(101).after().field("city"), "B");
}

#[test]
fn the_applications_own_date_goes_before_the_one_of_its_arrival() {
    let mut case = city(json!("A"), json!("0"), json!("B"));
    case.record.fields.insert("updated_at".into(), json!("1970-01-01T00:04:00Z"));
    assert_eq!(case.after().field("city"), "A");
}

#[test]
fn a_field_may_have_a_strategy_of_its_own() {
    let rules = RuleSet::parse("[[rule]]\nlocal = \"city\"\nremote = \"city\"\nconflict = \"manual\"\n").unwrap();
    let merged = city(json!("A"), json!("0"), json!("B")).merged(&rules);
    assert_eq!((merged.contested, merged.record), (1, None));
}

#[test]
fn what_the_platform_made_of_a_value_is_no_change() {
    let wanted = json!({"city": " Perth ", "level": 12.345, "country": "au", "phone": "0412 345 678", "score": 5});
    let agreed = json!({"city": "Perth", "level": 12.345, "country": "Australia", "phone": "+61412345678", "score": 5});
    for (field, shown) in [("level", json!("12.35")), ("phone", json!("(04) 1234-5678")), ("city", json!("Perth  "))] {
        let mut case = Case::new(wanted.clone(), agreed.clone(), agreed.clone());
        case.shown.insert(field.to_owned(), shown);
        case.shown.insert("points".to_owned(), json!(0));
        assert!(case.merged(&rules()).is_echo(), "{field}");
    }
}

#[test]
fn what_is_only_pushed_never_comes_back() {
    let case = Case::new(json!({"score": 5}), json!({"score": 5}), json!({"score": 9}));
    assert!(case.merged(&rules()).is_echo());
}

#[test]
fn what_only_the_platform_counts_comes_back_when_it_changes() {
    let case = Case::new(json!({}), json!({}), json!({"points": 7}));
    let after = case.after();
    assert_eq!((after.field("points"), after.to_send().len()), (json!(7), 0));
    assert!(after.merged(&rules()).is_echo());
    let mut less = after.clone();
    less.shown.insert("points".into(), json!(0));
    assert_eq!(less.after().field("points"), 0);
}

#[test]
fn a_value_that_is_none_of_its_field_stays_where_it_is() {
    let case = Case::new(json!({"phone": null}), json!({}), json!({"phone": "call me"}));
    let merged = case.merged(&rules());
    assert!(merged.is_echo() && merged.unreadable == 1);
    let both = Case::new(json!({"phone": "+61412345678"}), json!({}), json!({"phone": "call me"}));
    assert_eq!(both.after().to_send()["phone"], "+61412345678");
    assert_eq!(both.by(Strategy::Manual).merged(&rules()).contested, 1);
}

#[test]
fn a_telephone_number_is_read_by_the_country_that_the_platform_shows() {
    let case = Case::new(json!({}), json!({}), json!({"phone": "0412 345 678", "country": "Australia"}));
    let after = case.after();
    assert_eq!((after.field("phone"), after.field("country")), (json!("+61412345678"), json!("Australia")));
    assert!(after.to_send().is_empty());
}

fn tags(wanted: Value, agreed: Value, shown: &[&str]) -> Case {
    Case::new(json!({"tags": wanted}), json!({"@tags": agreed}), json!({})).tagged(shown)
}

#[test]
fn tags_that_one_side_added_or_took_away_reach_the_other() {
    let there = tags(json!(["a", "b"]), json!(["a", "b"]), &["b", "vip"]).after();
    assert_eq!((there.field("tags"), there.to_send().len()), (json!(["b", "vip"]), 0));
    let here = tags(json!(["b", "c"]), json!(["a", "b"]), &["a", "b"]).after();
    assert_eq!((here.field("tags"), here.to_send()["@tags"].clone()), (json!(["b", "c"]), json!(["b", "c"])));
    assert!(tags(json!(["VIP"]), json!(["VIP"]), &["vip"]).merged(&rules()).is_echo());
}

#[test]
fn tags_that_both_sides_changed_are_merged_or_one_list_stands_or_a_person_chooses() {
    let case = tags(json!(["a", "c"]), json!(["a", "b"]), &["b", "vip"]);
    let merged = case.clone().by(Strategy::FieldMerge).after();
    assert_eq!(merged.field("tags"), json!(["c", "vip"]));
    assert_eq!(merged.link.snapshot["@tags"], json!(["b", "vip"]));
    let later = case.clone().after();
    assert_eq!((later.field("tags"), later.to_send().len()), (json!(["b", "vip"]), 0));
    let earlier = case.clone().shown_at(50).after();
    assert_eq!((earlier.field("tags"), &earlier.link.snapshot["@tags"]), (json!(["a", "c"]), &json!(["b", "vip"])));
    let contested = case.by(Strategy::Manual).after();
    assert_eq!((contested.link.conflicts.len(), contested.to_send().len()), (1, 0));
    for after in [merged, later, earlier, contested] {
        assert!(after.merged(&rules()).is_echo());
    }
}

#[test]
fn tags_in_one_text_stay_one_text() {
    assert_eq!(tags(json!("a, b"), json!(["a", "b"]), &["a", "b", "vip"]).after().field("tags"), "a,b,vip");
}

#[test]
fn a_stage_set_there_stands_until_the_application_names_another() {
    let case = Case::new(json!({"status": "lead"}), json!({"status": "lead", "@stage": "lead"}), json!({}));
    let after = case.in_stage("Customer").after();
    assert_eq!((after.field("stage"), after.to_send().len()), (json!("Customer"), 0));
    assert_eq!(json!(after.record.overlaid), json!({"stage": "lead"}));
}

#[test]
fn a_stage_that_the_platform_lacks_does_not_bring_the_old_one_back() {
    let agreed = json!({"status": "lead", "@stage": "lead"});
    let case = Case::new(json!({"status": "won"}), agreed, json!({})).shown_at(50).in_stage("Customer");
    let mut pushed = case.after();
    assert_eq!(pushed.field("stage"), Value::Null);
    // The platform has no stage of that name, so what it shows stays as it was.
    pushed.link.snapshot.extend([("@stage".to_owned(), json!("won")), ("status".to_owned(), json!("won"))]);
    assert!(pushed.shown_at(200).merged(&rules()).is_echo());
}

#[test]
fn what_a_person_has_to_decide_ends_when_both_sides_agree() {
    let case = city(json!("A"), json!("0"), json!("B")).by(Strategy::Manual).after();
    let mut agreed = case.clone();
    agreed.record.fields.insert("city".into(), json!("B"));
    let agreed = agreed.after();
    assert_eq!((agreed.link.conflicts.len(), agreed.link.state), (0, LinkState::Synced));
    assert!(agreed.to_send().is_empty());
}

#[test]
fn a_conflict_holds_back_its_own_field_only() {
    let wanted = json!({"city": "A", "level": 1});
    let agreed = json!({"city": "0", "level": 1});
    let mut case = Case::new(wanted, agreed, json!({"city": "B", "level": 1})).by(Strategy::Manual).after();
    case.record.fields.insert("level".into(), json!(2));
    assert_eq!(json!(case.to_send()), json!({"level": 2}));
    case.record.fields.insert("level".into(), json!(1));
    case.shown.extend([("level".to_owned(), json!(3)), ("city".to_owned(), json!("C"))]);
    let after = case.after();
    assert_eq!((after.field("level"), &after.link.conflicts["city"].platform), (json!(3), &json!("C")));
    assert_eq!(after.link.conflicts["city"].since, at(300));
}

#[test]
fn either_side_can_be_chosen() {
    let case = city(json!("A"), json!("0"), json!("B")).by(Strategy::Manual).after();
    for (side, stands) in [(Side::Application, "A"), (Side::Platform, "B")] {
        let rules = rules();
        let decided = resolve(&case.record, &case.link, rules.rule_of("city").unwrap(), side, at(400)).unwrap();
        let mut after = case.clone();
        after.record = decided.record.unwrap_or(after.record);
        after.link = decided.link.unwrap();
        assert_eq!((after.field("city"), after.link.state), (json!(stands), LinkState::Synced));
        assert_eq!(after.to_send().contains_key("city"), side == Side::Application);
        assert_eq!(decided.pulled.contains_key("city"), side == Side::Platform);
        assert!(resolve(&after.record, &after.link, rules.rule_of("city").unwrap(), side, at(400)).is_none());
    }
}

#[test]
fn some_fields_shown_say_nothing_of_the_others() {
    let case = Case::new(json!({"city": "A", "level": 1}), json!({"city": "A", "level": 1}), json!({"level": 2}));
    let (rules, shown) = (rules(), Shown::fields(&case.shown, at(200)));
    let book = book(&rules);
    let merged = merge(&case.record, &case.link, &shown, &book, Strategy::default(), at(300));
    assert_eq!(json!(merged.pulled), json!({"level": 2}));
}

#[test]
fn what_is_older_than_the_last_merge_or_write_is_no_news() {
    let mut link = city(json!("A"), json!("A"), json!("B")).after().link;
    assert!(!is_newer(&link, at(200)) && is_newer(&link, at(201)));
    link.seen.clear();
    assert!(!is_newer(&link, at(300)) && is_newer(&link, at(301)));
}

/// Another platform said the record's value at `second`; the application said something else before.
fn said_elsewhere(second: i64) -> Case {
    let mut case = city(json!("Other"), json!("A"), json!("Mine"));
    case.record.overlaid = fields(json!({"city": "A"}));
    let by = "other".to_owned().try_into().unwrap();
    case.record.said = BTreeMap::from([("city".to_owned(), Said { by, at: at(second) })]);
    case
}

#[test]
fn of_two_platforms_that_changed_a_field_the_later_one_stands() {
    let mine = said_elsewhere(150).shown_at(200).after();
    assert_eq!((mine.field("city"), mine.to_send().len()), (json!("Mine"), 0));
    let other = said_elsewhere(250).shown_at(200).after();
    assert_eq!((other.field("city"), other.to_send()["city"].clone()), (json!("Other"), json!("Other")));
    // By the application's own moment, which is 100, the platform that is looked at would have won.
    assert_eq!(other.record.said["city"].at, at(250));
}

/// The application said the city at 100, and something else at 300; the platform, that was away, shows an edit of 200.
#[test]
fn what_the_application_says_of_another_field_makes_a_value_no_younger() {
    let mut case = city(json!("Mine"), json!("A"), json!("Theirs"));
    case.record.fields.insert("updated_at".to_owned(), json!(at(300).to_string()));
    let stands = case.clone().shown_at(200).after();
    assert_eq!(stands.field("city"), json!("Mine"), "all of it may have been said at 300");
    case.record.dated.note(["first_name".to_owned()].iter(), at(300), at(100));
    let dated = case.shown_at(200).after();
    assert_eq!((dated.field("city"), dated.to_send().len()), (json!("Theirs"), 0));
}

#[test]
fn a_record_knows_which_platform_said_a_value_until_the_application_says_it() {
    let case = city(json!("A"), json!("A"), json!("B"));
    let (rules, name) = (rules(), "mautic".to_owned().try_into().unwrap());
    let (book, shown) = (book(&rules), Shown::fields(&case.shown, at(200)).by(&name));
    let told = merge(&case.record, &case.link, &shown, &book, case.strategy, at(300)).record.unwrap();
    assert_eq!(told.said, BTreeMap::from([("city".to_owned(), Said { by: name.clone(), at: at(200) })]));
    let back = fields(json!({"city": "A"}));
    let shown = Shown::fields(&back, at(250)).by(&name);
    let link = merge(&case.record, &case.link, &shown_b(&case, &name), &book, case.strategy, at(300)).link.unwrap();
    let again = merge(&told, &link, &shown, &book, case.strategy, at(300)).record.unwrap();
    assert_eq!(again.said, BTreeMap::new(), "it is the application's own value again");
}

fn shown_b<'a>(case: &'a Case, by: &'a IntegrationId) -> Shown<'a> {
    Shown::fields(&case.shown, at(200)).by(by)
}
