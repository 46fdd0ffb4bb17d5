use serde_json::json;

use super::*;

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

fn id(number: &str) -> RemoteId {
    RemoteId(number.to_owned())
}

fn contact(number: &str, address: &str) -> RemoteContact {
    RemoteContact {
        id: id(number),
        email: Some(address.to_owned()),
        fields: BTreeMap::new(),
        tags: Vec::new(),
        do_not_contact: Vec::new(),
        points: 0,
        stage: None,
    }
}

fn key(name: &str) -> RecordKey {
    RecordKey::from_stored(name.to_owned())
}

fn owned(contact: &str, by: &str, email_of_record: &str, written: &str) -> Owners {
    let owner = Owner { key: key(by), email: Some(email(email_of_record)), written: Some(written.to_owned()) };
    [(id(contact), owner)].into()
}

fn follow<'a>(own: Option<&str>, is_taken: bool, found: &'a [RemoteContact], owners: &Owners) -> Follow<'a> {
    let (me, address, own) = (key("me"), email("a@example.com"), own.map(id));
    let known = Known { object: own.as_ref(), ..Known::default() };
    let seeker = Seeker { key: &me, email: &address, known, is_taken, maybe_made: false };
    after_look_up(&seeker, found, owners, &Situations::default()).1
}

#[test]
fn an_address_that_nobody_has_leads_to_a_new_contact_and_to_another_attempt_when_it_was_taken() {
    let others = [contact("3", "b@example.com")];
    assert_eq!(follow(None, false, &others, &Owners::new()), Follow::Make);
    assert_eq!(follow(None, true, &others, &Owners::new()), Follow::Again);
    assert_eq!(follow(Some("3"), true, &others, &Owners::new()), Follow::Again);
}

#[test]
fn one_contact_with_the_address_is_taken_over_in_any_letter_case() {
    let found = [contact("3", "A@Example.com")];
    assert_eq!(follow(None, true, &found, &Owners::new()), Follow::Change(&found[0]));
    assert_eq!(follow(Some("7"), true, &found, &Owners::new()), Follow::WithoutAddress);
}

#[test]
fn another_records_contact_is_never_written_on() {
    let found = [contact("3", "a@example.com")];
    let given_by_hand = owned("3", "other", "b@example.com", "b@example.com");
    assert_eq!(follow(None, true, &found, &given_by_hand), Follow::Stop);
    assert_eq!(follow(Some("7"), true, &found, &given_by_hand), Follow::WithoutAddress);
    let mine = owned("3", "me", "a@example.com", "a@example.com");
    assert_eq!(follow(None, true, &found, &mine), Follow::Change(&found[0]));
}

#[test]
fn an_address_that_its_owner_gives_up_is_waited_for() {
    let found = [contact("3", "a@example.com")];
    let moves = owned("3", "other", "b@example.com", "a@example.com");
    assert_eq!(follow(None, true, &found, &moves), Follow::Wait);
    assert_eq!(follow(Some("7"), true, &found, &moves), Follow::Wait);
}

#[test]
fn of_several_contacts_none_is_chosen_and_the_oldest_comes_first() {
    let found = [contact("10", "a@example.com"), contact("9", "a@example.com")];
    assert_eq!(follow(None, true, &found, &Owners::new()), Follow::Several(vec![&found[1], &found[0]]));
    assert_eq!(follow(Some("10"), true, &found, &Owners::new()), Follow::Several(vec![&found[1], &found[0]]));
    assert_eq!(follow(Some("4"), true, &found, &Owners::new()), Follow::WithoutAddress);
}

fn chosen<'a>(
    choices: Value,
    was_deleted: bool,
    maybe_made: bool,
    found: &'a [RemoteContact],
    owners: &Owners,
) -> (Situation, Follow<'a>) {
    let (me, address) = (key("me"), email("a@example.com"));
    let known = Known { was_deleted, ..Known::default() };
    let seeker = Seeker { key: &me, email: &address, known, is_taken: false, maybe_made };
    after_look_up(&seeker, found, owners, &serde_json::from_value(choices).unwrap())
}

#[test]
fn a_contact_that_is_found_is_left_to_a_person_where_that_is_chosen_unless_the_records_own_create_may_have_made_it() {
    let (found, issue) = ([contact("3", "a@example.com")], json!({"found": "issue"}));
    let none = Owners::new();
    assert_eq!(chosen(issue.clone(), false, false, &found, &none), (Situation::Found, Follow::Stop));
    assert_eq!(chosen(issue, false, true, &found, &none), (Situation::Found, Follow::Change(&found[0])));
}

#[test]
fn a_contact_that_was_deleted_there_is_made_anew_only_where_that_is_chosen() {
    let none = Owners::new();
    let missing = |choice: &str| chosen(json!({"missing": choice}), true, false, &[], &none);
    assert_eq!(missing("create"), (Situation::Missing, Follow::Make));
    assert_eq!(missing("issue"), (Situation::Missing, Follow::Stop));
    let found = [contact("3", "a@example.com")];
    let again = chosen(json!({"missing": "issue"}), true, false, &found, &none);
    assert_eq!(again, (Situation::Found, Follow::Change(&found[0])), "somebody made it again");
}

#[test]
fn of_several_the_oldest_that_no_other_record_has_is_taken_where_that_is_chosen() {
    let found = [contact("10", "a@example.com"), contact("9", "a@example.com")];
    let link = json!({"ambiguous": "link"});
    let (situation, follow) = chosen(link.clone(), false, false, &found, &Owners::new());
    assert_eq!((situation, follow), (Situation::Ambiguous, Follow::Change(&found[1])));
    let others = owned("9", "other", "b@example.com", "b@example.com");
    assert_eq!(chosen(link, false, false, &found, &others).1, Follow::Change(&found[0]));
}

fn refusal(kind: FailureKind, fields: &[&str]) -> Failure {
    let issues = fields.iter().map(|field| FieldIssue::new(*field, IssueCode::Taken, ""));
    Failure::new(kind, "").with_fields(issues.collect())
}

fn next(failure: &Failure, known: bool, refused: &[String], tries: u8) -> Next {
    let wanted = [("email", json!("a@example.com")), ("supabase_id", json!("1")), ("city", json!("Rome"))];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value)).into();
    after_failure(failure, &Sent { known, wanted: &wanted, refused, tries })
}

#[test]
fn a_value_that_is_taken_is_looked_up_only_when_it_is_the_address() {
    let email_taken = refusal(FailureKind::Taken, &["email"]);
    let id_taken = refusal(FailureKind::Taken, &["supabase_id"]);
    assert_eq!(next(&email_taken, false, &[], 1), Next::LookUp);
    assert_eq!(next(&id_taken, false, &[], 1), Next::LeaveOut(vec!["supabase_id".to_owned()]));
    assert_eq!(next(&id_taken, false, &["supabase_id".to_owned()], 1), Next::GiveUp);
}

#[test]
fn nothing_is_tried_a_third_time() {
    for failure in [
        refusal(FailureKind::Taken, &["email"]),
        refusal(FailureKind::Taken, &["supabase_id"]),
        refusal(FailureKind::Refused, &["city"]),
    ] {
        for known in [true, false] {
            assert_eq!(next(&failure, known, &[], 2), Next::GiveUp, "{failure:?}");
        }
    }
}

#[test]
fn a_new_contact_whose_address_is_refused_is_given_up_and_a_known_one_keeps_its_own() {
    let refused = refusal(FailureKind::Refused, &["email", "city"]);
    assert_eq!(next(&refused, false, &[], 1), Next::GiveUp);
    assert_eq!(next(&refused, true, &[], 1), Next::LeaveOut(vec!["email".to_owned(), "city".to_owned()]));
}

#[test]
fn a_known_contact_that_is_gone_is_searched_for() {
    let gone = Failure::new(FailureKind::NotFound, "");
    assert_eq!(next(&gone, true, &[], 2), Next::FindAgain);
    assert_eq!(next(&gone, false, &[], 1), Next::GiveUp);
}

#[test]
fn an_answer_of_another_id_or_another_address_is_in_doubt() {
    let (address, asked) = (email("a@example.com"), id("3"));
    let doubtful = |answered: &RemoteContact| is_in_doubt(Some(&asked), Some(&address), answered);
    assert!(!doubtful(&contact("3", "A@example.com")));
    assert!(doubtful(&contact("4", "a@example.com")));
    assert!(doubtful(&contact("3", "b@example.com")));
}
