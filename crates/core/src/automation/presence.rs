//! Whether the platform has the lists that the rules speak of, and making the segments that it lacks.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::jobs::message::ListKind;
use crate::ports::bulk::{BulkPlatform, RemoteList};
use crate::sync::lists::named;
use crate::sync::services::Desk;

use super::rulebook::{ListRef, RuleBook};
use super::target::Target;

/// A list of the rules, and whether the platform has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Its key in the rules.
    pub list: Target,
    /// Its number, when the rules give one.
    pub id: Option<String>,
    /// Its name or alias, when the rules give one.
    pub name: Option<String>,
    /// The variable that may name it.
    pub env: Option<String>,
    /// Whether it may be missing.
    pub optional: bool,
    /// What was found.
    pub found: Found,
}

/// What was found of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Found {
    /// It is there.
    There {
        /// Its number.
        number: String,
    },
    /// It was missing and has been made.
    Made {
        /// Its number.
        number: String,
    },
    /// It is there and switched off: nobody gets anything by it.
    Unpublished {
        /// Its number.
        number: String,
    },
    /// It is not there.
    Missing {
        /// Whether Tandem makes it: segments that are named are.
        can_be_made: bool,
    },
    /// It is not there, and making it failed.
    NotMade {
        /// Why.
        reason: String,
    },
    /// Several have the name.
    Ambiguous,
}

impl Presence {
    /// Whether events can do with the list all that the rules say; one that is optional may be missing or switched off.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        match self.found {
            Found::There { .. } | Found::Made { .. } => true,
            Found::Missing { .. } | Found::Unpublished { .. } => self.optional,
            // Its step fails: the rules don't say which one is meant, or it could not be made.
            Found::Ambiguous | Found::NotMade { .. } => false,
        }
    }
}

/// Looks for every list of the rules. Two calls.
///
/// # Errors
/// As the platform fails.
pub async fn look_for_lists(book: &RuleBook, platform: &dyn BulkPlatform) -> Result<Vec<Presence>> {
    let (segments, campaigns) = futures::future::try_join(platform.segments(), platform.campaigns()).await?;
    let presence = |(target, list): (&Target, &ListRef)| {
        let there = match list.kind {
            ListKind::Segment => &segments,
            ListKind::Campaign => &campaigns,
        };
        presence(target, list, there)
    };
    Ok(book.lists().map(presence).collect())
}

impl Desk {
    /// Makes the segments that are missing and named; what was looked for then says what became of it. One that can't be made
    /// holds up no other.
    pub async fn make_missing_segments(&self, lists: &mut [Presence]) {
        for list in lists.iter_mut().filter(|list| list.found == (Found::Missing { can_be_made: true })) {
            let name = list.name.clone().unwrap_or_default();
            list.found = match self.segment_named(&name, &list.list.to_string()).await {
                Ok(made) => Found::Made { number: made.id().to_owned() },
                Err(failure) => Found::NotMade { reason: failure.message },
            };
        }
    }
}

fn presence(target: &Target, list: &ListRef, there: &[RemoteList]) -> Presence {
    Presence {
        list: target.clone(),
        id: list.id.clone(),
        name: list.name.clone(),
        env: list.env.clone(),
        optional: list.optional,
        found: found(list, there),
    }
}

/// A number goes before a name, as it does when events are applied.
fn found(list: &ListRef, there: &[RemoteList]) -> Found {
    let fitting: Vec<&RemoteList> = match (&list.id, &list.name) {
        (Some(id), _) => there.iter().filter(|one| one.id == *id).collect(),
        (None, name) => named(there, name.as_deref().unwrap_or_default()),
    };
    match fitting[..] {
        [] => Found::Missing { can_be_made: list.kind == ListKind::Segment && list.id.is_none() },
        [one] if one.published => Found::There { number: one.id.clone() },
        [one] => Found::Unpublished { number: one.id.clone() },
        [..] => Found::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(kind: ListKind, id: Option<&str>, name: &str) -> ListRef {
        let name = (!name.is_empty()).then(|| name.to_owned());
        ListRef { kind, id: id.map(str::to_owned), name, optional: kind == ListKind::Campaign, env: None }
    }

    fn there(id: &str, name: &str, published: bool) -> RemoteList {
        RemoteList { id: id.to_owned(), name: name.to_owned(), alias: Some(format!("alias-{id}")), published }
    }

    #[test]
    fn a_list_is_found_by_its_number_name_or_alias() {
        let lists =
            [there("1", "Pro", true), there("2", "Old", false), there("3", "Twin", true), there("4", "Twin", true)];
        let segment = |id, name| found(&list(ListKind::Segment, id, name), &lists);
        let number = |text: &str| text.to_owned();
        assert_eq!(segment(None, "pro"), Found::There { number: number("1") });
        assert_eq!(segment(None, "alias-1"), Found::There { number: number("1") });
        assert_eq!(segment(Some("2"), "Pro"), Found::Unpublished { number: number("2") });
        assert_eq!(segment(None, "Twin"), Found::Ambiguous);
        assert_eq!(segment(None, "New"), Found::Missing { can_be_made: true });
        assert_eq!(segment(Some("9"), ""), Found::Missing { can_be_made: false });
    }

    #[test]
    fn a_missing_campaign_is_fine_where_the_rules_call_it_optional_and_never_made() {
        let target = Target::Campaign("welcome".to_owned());
        let optional = presence(&target, &list(ListKind::Campaign, None, "Welcome"), &[]);
        assert!(optional.is_fine() && optional.found == Found::Missing { can_be_made: false });
        let named = ListRef { optional: false, ..list(ListKind::Campaign, None, "Welcome") };
        assert!(!presence(&target, &named, &[]).is_fine());
    }
}
