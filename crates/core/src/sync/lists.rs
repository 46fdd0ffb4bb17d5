//! The platform's campaigns and segments, and finding one by its name.

use jiff::SignedDuration;
use unicode_normalization::UnicodeNormalization;

use crate::domain::issue::{FieldIssue, IssueCode};
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::{ListKind, MembershipList};
use crate::policy;
use crate::ports::bulk::RemoteList;

use super::reference::Lists;
use super::services::Desk;

/// How long a process trusts its copy of a platform's lists.
const COPY: SignedDuration = SignedDuration::from_mins(5);
/// How old a copy may be in which a name is not found. A list that was just made must be found, and a caller with a wrong
/// name must not spend the platform's budget.
const COPY_WITHOUT_NAME: SignedDuration = SignedDuration::from_secs(10);
/// How many names a failure tells.
const MOST_NAMES: usize = 10;

impl Desk {
    /// All campaigns, and whether they are from the process's copy. One call in five minutes.
    ///
    /// # Errors
    /// As the platform fails.
    pub async fn campaigns(&self) -> Result<(Lists, bool)> {
        self.lists(ListKind::Campaign, COPY).await
    }

    /// All segments, from the process's copy while that is fresh. One call in five minutes.
    ///
    /// # Errors
    /// As the platform fails.
    pub async fn segments(&self) -> Result<Lists> {
        Ok(self.lists(ListKind::Segment, COPY).await?.0)
    }

    /// The list with this name, else the one with it in another letter case, else the one with this alias. While the platform
    /// can't be asked, it is looked for in the last copy, however old. One call in five minutes, and one more for a name that
    /// the copy does not have.
    ///
    /// # Errors
    /// `NotFound` or, when several lists have the name, `Invalid`, with an issue for `field`; as the platform fails.
    pub async fn list_named(&self, kind: ListKind, name: &str, field: &str) -> Result<MembershipList> {
        let (mut lists, cached) = match self.lists(kind, COPY).await {
            Err(failure) if policy::may_be_done_later(failure.kind) => {
                (self.integration.reference.last_lists(kind).ok_or(failure)?, false)
            }
            lists => lists?,
        };
        if cached && named(&lists, name).is_empty() {
            lists = self.lists(kind, COPY_WITHOUT_NAME).await?.0;
        }
        match named(&lists, name)[..] {
            [list] => Ok(kind.with_id(list.id.clone())),
            [] => Err(unknown(kind, &lists, field)),
            [..] => Err(ambiguous(kind, field)),
        }
    }

    async fn lists(&self, kind: ListKind, age: SignedDuration) -> Result<(Lists, bool)> {
        self.integration.reference.lists(kind, age, self.now(), &*self.integration.bulk).await
    }
}

/// The lists of exactly this name; if there is none, those that differ from it in letter case, in spaces, or in how Unicode
/// writes a letter only; if there is none either, those whose alias it is.
#[must_use]
pub fn named<'a>(lists: &'a [RemoteList], name: &str) -> Vec<&'a RemoteList> {
    let name = name.trim();
    let folded = folded(name);
    let having = |fits: &dyn Fn(&RemoteList) -> bool| lists.iter().filter(|list| fits(list)).collect::<Vec<_>>();
    let ways: [&dyn Fn(&RemoteList) -> bool; 3] =
        [&|list| list.name.trim() == name, &|list| self::folded(&list.name) == folded, &|list| {
            list.alias.as_deref() == Some(name)
        }];
    ways.into_iter().map(having).find(|found| !found.is_empty()).unwrap_or_default()
}

/// A name as people compare names: `Über  uns` and `über uns` are one, however the `Ü` is written.
#[must_use]
pub fn folded(name: &str) -> String {
    let composed: String = name.nfkc().collect::<String>().to_lowercase().nfkc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unknown(kind: ListKind, lists: &[RemoteList], field: &str) -> Failure {
    let names: Vec<&str> = lists.iter().take(MOST_NAMES).map(|list| list.name.trim()).collect();
    let shown = match names.len() {
        0 => String::new(),
        shown if shown < lists.len() => format!(": {} and others", names.join(", ")),
        _ => format!(": {}", names.join(", ")),
    };
    let message = format!("None of the {} {} of the platform has this name{shown}.", lists.len(), kind.plural());
    refused(FailureKind::NotFound, field, IssueCode::NotInList, message)
}

fn ambiguous(kind: ListKind, field: &str) -> Failure {
    let message = format!("Several {} have this name: give the number of the one that is meant.", kind.plural());
    refused(FailureKind::Invalid, field, IssueCode::Invalid, message)
}

fn refused(kind: FailureKind, field: &str, code: IssueCode, message: String) -> Failure {
    let issue = FieldIssue::new(field, code, message);
    Failure::new(kind, format!("{}: {}", issue.field, issue.message)).with_fields(vec![issue])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(names: &[&str]) -> Vec<RemoteList> {
        let list = |(id, name): (usize, &&str)| RemoteList {
            id: id.to_string(),
            name: (*name).to_owned(),
            alias: None,
            published: true,
        };
        names.iter().enumerate().map(list).collect()
    }

    fn ids(names: &[&str], name: &str) -> Vec<String> {
        named(&lists(names), name).into_iter().map(|list| list.id.clone()).collect()
    }

    #[test]
    fn the_exact_name_goes_before_another_letter_case() {
        assert_eq!(ids(&["VIP", "vip", "Über uns "], "vip"), ["1"]);
        assert_eq!(ids(&["VIP", "Vip"], "vip"), ["0", "1"]);
        assert_eq!(ids(&["VIP", "vip", "Über uns "], " über UNS"), ["2"]);
        assert_eq!(ids(&["VIP", "VIP"], "VIP"), ["0", "1"]);
        assert!(ids(&["VIP"], "VIPs").is_empty());
    }

    #[test]
    fn a_name_is_the_same_however_unicode_writes_it() {
        assert_eq!(ids(&["U\u{308}ber  uns"], "über uns"), ["0"]);
        assert_eq!(ids(&["КЛИЕНТЫ"], "клиенты"), ["0"]);
        assert_eq!(ids(&["ﬁrst users"], "FIRST USERS"), ["0"]);
        assert_eq!(ids(&["İstanbul"], "i\u{307}stanbul"), ["0"]);
        assert!(ids(&["Uber uns"], "Über uns").is_empty(), "another letter is another name");
    }

    #[test]
    fn an_alias_is_looked_for_where_no_list_has_the_name() {
        let mut segments = lists(&["New users", "Paying", "paid"]);
        segments[0].alias = Some("new-users".to_owned());
        segments[1].alias = Some("paid".to_owned());
        let found = |name: &str| named(&segments, name).into_iter().map(|list| list.id.as_str()).collect::<Vec<_>>();
        assert_eq!(found(" new-users "), ["0"]);
        assert_eq!(found("paid"), ["2"], "the name goes first");
        assert_eq!(found("PAID"), ["2"], "in any letter case");
        assert!(found("NEW-USERS").is_empty());
    }

    #[test]
    fn an_unknown_name_is_answered_with_at_most_ten_others() {
        let many: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let failure = unknown(ListKind::Campaign, &lists(&many), "campaignName");
        assert_eq!((failure.kind, failure.fields[0].field.as_str()), (FailureKind::NotFound, "campaignName"));
        assert!(failure.message.contains("12 campaigns") && failure.message.contains("c9 and others"));
        assert!(!failure.message.contains("c10"), "{failure}");
        assert!(unknown(ListKind::Segment, &[], "x").message.contains("None of the 0 segments"));
    }
}
