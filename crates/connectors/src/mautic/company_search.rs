//! Looking companies up by their names.
//!
//! Mautic's search finds companies that have a text anywhere in their name (recording `101-company-list`), or in another value; signs in it
//! may be commands. So a name is looked for by its longest words, of which one that few companies have will do, and whoever asked
//! tells by the names which ones are meant.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tandem_core::error::Result;
use tandem_core::ports::objects::{LookedUp, RemoteObject, Unseen};

use super::Mautic;
use super::client::Request;
use super::companies::remote;
use super::wire;

/// How many a page shows: each brings along what is known of all fields, some 15 KB.
const PAGE: usize = 100;
/// So many pages of one list are read, and no more.
const MOST_PAGES: usize = 5;
/// So many words of a name are tried.
const MOST_WORDS: usize = 3;
/// So many names are looked up one by one, whatever there is.
const FEW: usize = 2;
/// No page is asked for after so much time.
const LONGEST: SignedDuration = SignedDuration::from_secs(20);

/// A look-up under way.
struct LookUp<'a> {
    mautic: &'a Mautic,
    until: Timestamp,
    /// What a search for each word showed, in lower case: several names may have it.
    searched: BTreeMap<String, std::result::Result<(), Unseen>>,
    found: Vec<RemoteObject>,
}

impl Mautic {
    /// Companies that may have one of these names.
    pub(super) async fn companies_of_names(&self, names: &[String]) -> Result<LookedUp> {
        let until = self.client.clock().now().saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
        let mut look_up = LookUp { mautic: self, until, searched: BTreeMap::new(), found: Vec::new() };
        if names.len() > FEW && look_up.list_if_shorter(names.len()).await? {
            return Ok(LookedUp { found: look_up.found, unseen: BTreeMap::new() });
        }
        let mut unseen = BTreeMap::new();
        for name in names {
            if let Err(why) = look_up.search_for(name).await? {
                unseen.insert(name.clone(), why);
            }
        }
        Ok(LookedUp { found: look_up.found, unseen })
    }

    /// A page of the companies that a search shows, or of all; and how many there are.
    async fn company_page(&self, search: Option<&str>, start: usize) -> Result<(Vec<RemoteObject>, usize)> {
        let request = Request::get("companies").with("limit", PAGE).with("start", start).in_bulk();
        let request = search.iter().fold(request, |request, text| request.with("search", text));
        let answer: wire::Companies = self.client.call(request).await?;
        let total = answer.total.0.unwrap_or(0);
        let found = answer.companies.into_values().map(remote).collect::<Result<_>>()?;
        Ok((found, total))
    }
}

impl LookUp<'_> {
    /// Reads the list of all companies where it has fewer pages than there are names; whether it did.
    async fn list_if_shorter(&mut self, names: usize) -> Result<bool> {
        let (first, total) = self.mautic.company_page(None, 0).await?;
        if total.div_ceil(PAGE) > MOST_PAGES.min(names + 1) {
            return Ok(false);
        }
        self.found.extend(first);
        Ok(self.rest(None, total).await?.is_ok())
    }

    /// Looks for a name by one of its words. A name without any is looked for in the list of all, as far as that is read.
    async fn search_for(&mut self, name: &str) -> Result<std::result::Result<(), Unseen>> {
        let words = words(name);
        if words.is_empty() {
            return self.search(None).await;
        }
        let mut seen = Err(Unseen::TooMany);
        for word in &words {
            seen = match self.searched.get(word) {
                Some(seen) => *seen,
                None => {
                    let seen = self.search(Some(word)).await?;
                    self.searched.insert(word.clone(), seen);
                    seen
                }
            };
            if seen != Err(Unseen::TooMany) {
                break;
            }
        }
        Ok(seen)
    }

    async fn search(&mut self, word: Option<&str>) -> Result<std::result::Result<(), Unseen>> {
        if self.is_late() {
            return Ok(Err(Unseen::TooSlow));
        }
        let (first, total) = self.mautic.company_page(word, 0).await?;
        if total.div_ceil(PAGE) > MOST_PAGES {
            return Ok(Err(Unseen::TooMany));
        }
        self.found.extend(first);
        self.rest(word, total).await
    }

    /// The pages of a list behind the first one.
    async fn rest(&mut self, word: Option<&str>, total: usize) -> Result<std::result::Result<(), Unseen>> {
        for start in (PAGE..total).step_by(PAGE) {
            if self.is_late() {
                return Ok(Err(Unseen::TooSlow));
            }
            self.found.extend(self.mautic.company_page(word, start).await?.0);
        }
        Ok(Ok(()))
    }

    fn is_late(&self) -> bool {
        self.mautic.client.clock().now() >= self.until
    }
}

/// The words of a name to search for, the longest first. Two of them mean something else to Mautic's search.
fn words(name: &str) -> Vec<String> {
    let name = name.to_lowercase();
    let apart = name.split(|c: char| !c.is_alphanumeric());
    let mut words: Vec<String> =
        apart.filter(|word| !word.is_empty() && !matches!(*word, "and" | "or")).map(str::to_owned).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.dedup();
    words.truncate(MOST_WORDS);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_by_its_longest_words_and_no_sign_of_it() {
        assert_eq!(words("  O'Brien & Söhne (Holding) GmbH"), ["holding", "brien", "söhne"]);
        assert_eq!(words("R&D"), ["r", "d"]);
        assert_eq!(words("is:mine or !yours"), ["yours", "mine", "is"]);
        assert_eq!(words("3M"), ["3m"]);
        assert!(words("&&& or --").is_empty());
    }
}
