//! In which situation a record and an integration are before anything is written: exactly one, worked out from the record, its
//! link and what the platform showed. What follows from it is another matter, and stands in one table
//! ([`crate::mapping::Situations::response`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::link::RemoteId;

/// A situation. Documents, logs and answers call it by the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// The record has an object on the platform, and it is there.
    Linked,
    /// It has none, and none is there that matches.
    Absent,
    /// It has none, and one is there that matches and belongs to no other record.
    Found,
    /// Several objects match.
    Ambiguous,
    /// The object that was found belongs to another record.
    Taken,
    /// Asked for the record's object, the platform shows another one: it merged the two.
    Merged,
    /// The record's object is not there any more.
    Missing,
    /// The application does not have the record any more.
    Gone,
    /// No mapping's condition holds of the record.
    NotMapped,
    /// The person was deleted: there is no record.
    Erased,
}

impl Situation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Linked,
        Self::Absent,
        Self::Found,
        Self::Ambiguous,
        Self::Taken,
        Self::Merged,
        Self::Missing,
        Self::Gone,
        Self::NotMapped,
        Self::Erased,
    ];

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Absent => "absent",
            Self::Found => "found",
            Self::Ambiguous => "ambiguous",
            Self::Taken => "taken",
            Self::Merged => "merged",
            Self::Missing => "missing",
            Self::Gone => "gone",
            Self::NotMapped => "not_mapped",
            Self::Erased => "erased",
        }
    }
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What Tandem knows of a record and its link to the integration. Nothing in it is about one kind of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known<'a> {
    /// No record is stored.
    pub erased: bool,
    /// The application does not have the record any more.
    pub gone: bool,
    /// No mapping's condition holds of it.
    pub unmapped: bool,
    /// The object that the link names.
    pub object: Option<&'a RemoteId>,
    /// Several objects were there when the platform was asked last.
    pub several: bool,
    /// The object that the link named was deleted there.
    pub was_deleted: bool,
}

/// What the platform showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    /// It was not asked.
    Unasked,
    /// Asked for the link's object, or told to change it, it answered with this one.
    Object(Match<'a>),
    /// It does not have the link's object.
    NotThere,
    /// Asked what has the record's address or id, it showed these.
    Matches(&'a [Match<'a>]),
}

/// An object of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// Its id.
    pub id: &'a RemoteId,
    /// Whether another record has it.
    pub anothers: bool,
}

/// The situation. What the application says of the record goes before what the platform shows.
#[must_use]
pub fn of(known: &Known<'_>, shown: Shown<'_>) -> Situation {
    match known {
        Known { erased: true, .. } => Situation::Erased,
        Known { gone: true, .. } => Situation::Gone,
        Known { unmapped: true, .. } => Situation::NotMapped,
        Known { object: Some(own), several, .. } => with_an_object(own, *several, shown),
        Known { object: None, was_deleted, .. } => without_an_object(*was_deleted, shown),
    }
}

fn with_an_object(own: &RemoteId, several: bool, shown: Shown<'_>) -> Situation {
    match shown {
        Shown::Unasked if several => Situation::Ambiguous,
        Shown::Unasked => Situation::Linked,
        Shown::Object(Match { anothers: true, .. }) => Situation::Taken,
        Shown::Object(Match { id, .. }) if id == own => Situation::Linked,
        Shown::Object(_) => Situation::Merged,
        Shown::NotThere => Situation::Missing,
        // Whoever else matches has a value that the record wants, and takes nothing from its link.
        Shown::Matches(all) if all.len() > 1 && all.iter().any(|one| one.id == own) => Situation::Ambiguous,
        Shown::Matches(_) => Situation::Linked,
    }
}

fn without_an_object(was_deleted: bool, shown: Shown<'_>) -> Situation {
    match shown {
        Shown::Object(Match { anothers: true, .. }) | Shown::Matches([Match { anothers: true, .. }]) => {
            Situation::Taken
        }
        Shown::Object(_) | Shown::Matches([_]) => Situation::Found,
        Shown::Matches([_, _, ..]) => Situation::Ambiguous,
        Shown::Unasked | Shown::NotThere | Shown::Matches([]) if was_deleted => Situation::Missing,
        Shown::Unasked | Shown::NotThere | Shown::Matches([]) => Situation::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RemoteId {
        RemoteId(text.to_owned())
    }

    #[test]
    fn what_the_application_says_goes_before_what_the_platform_shows() {
        let own = id("1");
        let known = |erased, gone, unmapped| Known { erased, gone, unmapped, object: Some(&own), ..Known::default() };
        for shown in [Shown::Unasked, Shown::NotThere, Shown::Matches(&[]), Shown::Object(free(&own))] {
            assert_eq!(of(&known(true, true, true), shown), Situation::Erased);
            assert_eq!(of(&known(false, true, true), shown), Situation::Gone);
            assert_eq!(of(&known(false, false, true), shown), Situation::NotMapped);
        }
    }

    fn free(id: &RemoteId) -> Match<'_> {
        Match { id, anothers: false }
    }

    fn anothers(id: &RemoteId) -> Match<'_> {
        Match { id, anothers: true }
    }

    #[test]
    fn a_record_with_an_object_is_linked_until_the_platform_shows_otherwise() {
        let (own, other) = (id("1"), id("2"));
        let known = Known { object: Some(&own), ..Known::default() };
        for (shown, situation) in [
            (Shown::Unasked, Situation::Linked),
            (Shown::Object(free(&own)), Situation::Linked),
            (Shown::Object(free(&other)), Situation::Merged),
            (Shown::Object(anothers(&other)), Situation::Taken),
            (Shown::Object(anothers(&own)), Situation::Taken),
            (Shown::NotThere, Situation::Missing),
            (Shown::Matches(&[]), Situation::Linked),
            (Shown::Matches(&[free(&own)]), Situation::Linked),
            (Shown::Matches(&[anothers(&other)]), Situation::Linked),
            (Shown::Matches(&[free(&own), free(&other)]), Situation::Ambiguous),
        ] {
            assert_eq!(of(&known, shown), situation, "{shown:?}");
        }
        assert_eq!(of(&Known { several: true, ..known }, Shown::Unasked), Situation::Ambiguous);
    }

    #[test]
    fn a_record_without_an_object_is_what_the_look_up_says() {
        let (one, other) = (id("1"), id("2"));
        let known = Known::default();
        for (shown, situation) in [
            (Shown::Unasked, Situation::Absent),
            (Shown::Matches(&[]), Situation::Absent),
            (Shown::Matches(&[free(&one)]), Situation::Found),
            (Shown::Matches(&[anothers(&one)]), Situation::Taken),
            (Shown::Matches(&[free(&one), anothers(&other)]), Situation::Ambiguous),
        ] {
            assert_eq!(of(&known, shown), situation, "{shown:?}");
        }
    }

    #[test]
    fn one_whose_object_was_deleted_is_missing_until_something_is_found() {
        let one = id("1");
        let known = Known { was_deleted: true, ..Known::default() };
        assert_eq!(of(&known, Shown::Unasked), Situation::Missing);
        assert_eq!(of(&known, Shown::Matches(&[])), Situation::Missing);
        assert_eq!(of(&known, Shown::Matches(&[free(&one)])), Situation::Found);
    }

    #[test]
    fn a_situation_is_called_by_one_word_everywhere() {
        for situation in Situation::ALL {
            assert_eq!(serde_json::to_value(situation).unwrap(), situation.name());
        }
    }
}
