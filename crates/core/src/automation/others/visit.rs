//! One person's lists at an integration that did not work at the events: what is wanted, and what became of it. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::automation::event::Moment;
use crate::automation::subject::Subject;
use crate::automation::target::Target;
use crate::domain::identity::RecordKey;
use crate::domain::link::RemoteId;
use crate::domain::scope::IntegrationId;
use crate::error::Failure;
use crate::policy;
use crate::ports::lists::OpenLists;

/// How long lists wait for somebody who is not on the platform. After that, the next event that decides one brings all of them.
const PATIENCE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// When it is looked again first whether somebody is there by now, and how seldom at last.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(2);
const LAST_LOOK: SignedDuration = SignedDuration::from_hours(24);

/// What is wanted of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    /// The list, by its key in the rules.
    pub(super) target: Target,
    /// In or out.
    pub(super) member: bool,
    /// The event that said so.
    pub(super) by: Moment,
    /// Whether there is nothing left to do for it.
    pub(super) ended: bool,
}

/// One person's lists, under work.
pub(super) struct Visit {
    /// What asks for it.
    pub(super) entries: Vec<OpenLists>,
    /// Whose lists.
    pub(super) record: RecordKey,
    /// What is remembered of the person's events.
    pub(super) subject: Subject,
    /// The contact on the platform.
    pub(super) contact: RemoteId,
    /// What is wanted, in the order in which it is done.
    pub(super) wishes: Vec<Wish>,
    /// An earlier attempt may have done something without being able to say so.
    pub(super) again: bool,
    /// How many lists were set.
    pub(super) set: u64,
    /// What keeps it from going on for now.
    pub(super) later: Option<Failure>,
    /// What the platform does not take, or does not have.
    pub(super) refusal: Option<Failure>,
}

/// What is to be done about a person's entries.
pub(super) enum Found {
    /// Lists are to be set.
    Work(Box<Visit>),
    /// The person is not on the platform, and may be later.
    Absent,
    /// There is nothing to do.
    Nothing,
}

/// What the integration lacks: out of lists before into others, segments before campaigns, as the steps of an event go.
pub(super) fn wishes(subject: &Subject, integration: &IntegrationId, all_segments: bool) -> Vec<Wish> {
    let lacks = |target: &Target, member: bool, is_open: bool| {
        is_open || all_segments && member && matches!(target, Target::Segment(_))
    };
    let lists =
        subject.lists().filter(|(target, member, written)| lacks(target, *member, written.open.contains(integration)));
    let mut wishes: Vec<Wish> = lists
        .map(|(target, member, written)| Wish { target: target.clone(), member, by: written.by.clone(), ended: false })
        .collect();
    wishes.sort_by_key(|wish| (matches!(wish.target, Target::Campaign(_)), wish.member));
    wishes
}

impl Visit {
    /// The place of the next wish that is left, behind a place.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        (from..self.wishes.len()).find(|place| !self.wishes[*place].ended)
    }

    /// When what the wishes say was asked for: an event that came before others can have happened after them.
    pub(super) fn asked_at(&self, place: usize) -> Timestamp {
        self.subject.heard_at.unwrap_or(self.wishes[place].by.at)
    }

    /// Notes on what is remembered by now which lists the integration has; whether it has to look again, for one was decided
    /// otherwise meanwhile.
    pub(super) fn noted_on(&self, subject: &mut Subject, integration: &IntegrationId) -> bool {
        let mut looks_again = false;
        for wish in &self.wishes {
            let Some(written) = subject.decided.get(&wish.target) else { continue };
            let stands = written.value == json!(wish.member);
            if stands {
                subject.set_open(&wish.target, integration, !wish.ended);
            } else {
                // Its own steps may have come before what was done here.
                looks_again |= wish.ended;
                let is_open = wish.ended || written.open.contains(integration);
                subject.set_open(&wish.target, integration, is_open);
            }
        }
        looks_again
    }

    /// The entry that stands for all of them once this attempt is known of.
    pub(super) fn entry(&self, due_at: Timestamp) -> OpenLists {
        let mut entry = merged(&self.entries, &self.record);
        entry.attempts += 1;
        OpenLists { due_at, ..entry }
    }
}

/// Entries by the records that they are about.
pub(super) fn by_record(entries: Vec<OpenLists>) -> BTreeMap<RecordKey, Vec<OpenLists>> {
    let mut by_record: BTreeMap<RecordKey, Vec<OpenLists>> = BTreeMap::new();
    for entry in entries {
        by_record.entry(entry.record.clone()).or_default().push(entry);
    }
    by_record
}

/// What several entries of one record ask for together.
pub(super) fn merged(entries: &[OpenLists], record: &RecordKey) -> OpenLists {
    let first = entries.first().cloned().unwrap_or_else(|| OpenLists::new(record.clone(), Timestamp::UNIX_EPOCH));
    entries.iter().fold(first, |all, one| OpenLists {
        all_segments: all.all_segments || one.all_segments,
        since: all.since.min(one.since),
        attempts: all.attempts.max(one.attempts),
        ..all
    })
}

/// The entry of somebody who is not on the platform, for the next look; `None` when nobody waits any longer.
pub(super) fn waiting(entries: &[OpenLists], record: &RecordKey, now: Timestamp) -> Option<OpenLists> {
    let entry = merged(entries, record);
    // The newest word counts: an event that came yesterday is not given up for an entry of last month.
    let newest = entries.iter().map(|one| one.since).max().unwrap_or(entry.since);
    if now.duration_since(newest) > PATIENCE {
        return None;
    }
    let pause = FIRST_LOOK.checked_mul(1 << entry.attempts.min(16)).unwrap_or(LAST_LOOK).min(LAST_LOOK);
    Some(OpenLists { since: newest, due_at: policy::after(now, pause), attempts: entry.attempts + 1, ..entry })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automation::subject::Written;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn integration(name: &str) -> IntegrationId {
        name.to_owned().try_into().unwrap()
    }

    fn written(member: bool, open: &[&str]) -> Written {
        let by = Moment { at: at(5), rank: 0, id: "e1".to_owned() };
        let open = open.iter().map(|name| integration(name)).collect();
        Written { open, ..Written::new(by, json!(member)) }
    }

    fn subject(lists: &[(&str, bool, &[&str])]) -> Subject {
        let decided = lists.iter().map(|(target, member, open)| (target.parse().unwrap(), written(*member, open)));
        Subject { decided: decided.collect(), ..Subject::default() }
    }

    fn told(wishes: &[Wish]) -> Vec<String> {
        wishes.iter().map(|wish| format!("{} {}", if wish.member { "into" } else { "out of" }, wish.target)).collect()
    }

    fn visit(subject: &Subject, ended: bool) -> Visit {
        let mut wishes = wishes(subject, &integration("second"), false);
        wishes.iter_mut().for_each(|wish| wish.ended = ended);
        Visit {
            entries: Vec::new(),
            record: RecordKey::from_stored("e1".to_owned()),
            subject: subject.clone(),
            contact: RemoteId("7".to_owned()),
            wishes,
            again: false,
            set: 0,
            later: None,
            refusal: None,
        }
    }

    #[test]
    fn an_integration_lacks_what_is_open_there_and_leaves_lists_before_it_joins_others() {
        let subject = subject(&[
            ("campaign.welcome", true, &["second"]),
            ("campaign.retention", false, &["second"]),
            ("segment.pro", true, &["second", "third"]),
            ("segment.free", false, &["second"]),
            ("segment.new", true, &["third"]),
            ("field.plan", true, &["second"]),
        ]);
        let lacking = told(&wishes(&subject, &integration("second"), false));
        let expected =
            ["out of segment.free", "into segment.pro", "out of campaign.retention", "into campaign.welcome"];
        assert_eq!(lacking, expected);
        assert!(wishes(&subject, &integration("fourth"), false).is_empty());
    }

    #[test]
    fn an_integration_that_is_new_lacks_the_segments_that_somebody_is_in_and_no_campaign() {
        let subject =
            subject(&[("segment.pro", true, &[]), ("segment.free", false, &[]), ("campaign.welcome", true, &[])]);
        assert_eq!(told(&wishes(&subject, &integration("new"), true)), ["into segment.pro"]);
    }

    #[test]
    fn what_was_set_is_open_no_more_and_what_was_not_stays_so() {
        let before = subject(&[("segment.pro", true, &["second", "third"])]);
        let open_after = |ended| {
            let mut after = before.clone();
            assert!(!visit(&before, ended).noted_on(&mut after, &integration("second")));
            let (_, _, written) = after.lists().next().unwrap();
            written.open.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(open_after(true), ["third"]);
        assert_eq!(open_after(false), ["second", "third"]);
    }

    #[test]
    fn what_was_decided_otherwise_while_it_was_set_is_looked_at_again() {
        let before = subject(&[("segment.pro", true, &["second"])]);
        // The integration itself worked at the event that decided it.
        let mut after = subject(&[("segment.pro", false, &["mautic"])]);
        assert!(visit(&before, true).noted_on(&mut after, &integration("second")));
        assert_eq!(told(&wishes(&after, &integration("second"), false)), ["out of segment.pro"]);
        // Nothing was done here: its own steps stand.
        let mut after = subject(&[("segment.pro", false, &["mautic"])]);
        assert!(!visit(&before, false).noted_on(&mut after, &integration("second")));
        assert!(wishes(&after, &integration("second"), false).is_empty());
    }

    #[test]
    fn somebody_who_is_not_there_is_looked_for_ever_more_seldom_and_given_up_after_a_month() {
        let (record, begun) = (RecordKey::from_stored("e1".to_owned()), at(0));
        let mut entry = OpenLists::new(record.clone(), begun);
        let mut looks = 0;
        let mut now = begun;
        while let Some(next) = waiting(&[entry.clone()], &record, now) {
            assert!(next.due_at > now && next.due_at.duration_since(now) <= LAST_LOOK);
            (now, entry, looks) = (next.due_at, next, looks + 1);
        }
        assert!((40..60).contains(&looks), "{looks}");
        // A newer event's word is waited for as long as that is young.
        let newer = OpenLists::new(record.clone(), now);
        assert!(waiting(&[entry, newer], &record, now).is_some());
    }

    /// Subjects are stored with them: older ones have to be read for good.
    #[test]
    fn a_stored_decision_names_who_lacks_it_and_is_as_it_was_where_nobody_does() {
        let stored = serde_json::to_value(written(true, &["second"])).unwrap();
        let by = json!({"at": "1970-01-01T00:00:05Z", "rank": 0, "id": "e1"});
        assert_eq!(stored, json!({"by": by, "value": true, "open": ["second"]}));
        let stored = serde_json::to_value(written(true, &[])).unwrap();
        assert_eq!(stored, json!({"by": by, "value": true}));
        assert_eq!(serde_json::from_value::<Written>(stored).unwrap(), written(true, &[]));
    }
}
