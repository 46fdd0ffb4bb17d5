//! Looking companies up by their names, and going through all of them.
//!
//! Mautic's search finds companies that have a text anywhere in their name (recording `101-company-list`), or in another value; signs in it
//! may be commands. So a name is looked for by its longest words, of which one that few companies have will do, and whoever asked
//! tells by the names which ones are meant.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tandem_core::error::Result;
use tandem_core::ports::objects::{LookedUp, ObjectPage, RemoteObject, Unseen};

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
    /// How many companies a search for each word shows, or why that is not of use; `None` stands for the list of all. Several names
    /// may have one word.
    searched: BTreeMap<Search, Seen>,
    found: Vec<RemoteObject>,
}

/// A word, or all.
type Search = Option<String>;
/// How many companies there are.
type Seen = std::result::Result<usize, Unseen>;

impl Mautic {
    /// Companies that may have one of these names.
    pub(super) async fn companies_of_names(&self, names: &[String]) -> Result<LookedUp> {
        let until = self.client.clock().now().saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
        let mut look_up = LookUp { mautic: self, until, searched: BTreeMap::new(), found: Vec::new() };
        if names.len() > FEW && look_up.list_if_shorter(names.len()).await? {
            return Ok(LookedUp { found: look_up.found, unseen: BTreeMap::new() });
        }
        // The first page of each name before the further ones of any: a name that many companies have keeps no other waiting.
        let mut chosen = Vec::new();
        for name in names {
            chosen.push((name, look_up.begin(name).await?));
        }
        look_up.finish().await?;
        let unseen = chosen.into_iter().filter_map(|(name, search)| {
            let why = look_up.searched.get(&search)?.err()?;
            Some((name.clone(), why))
        });
        Ok(LookedUp { unseen: unseen.collect(), found: look_up.found })
    }

    /// A page of the list of all companies.
    pub(super) async fn companies_behind(&self, after: usize) -> Result<ObjectPage> {
        let (things, total) = self.company_page(&None, after).await?;
        let next = after + things.len();
        Ok(ObjectPage { next: (!things.is_empty() && next < total).then_some(next), things })
    }

    /// A page of the companies that a search shows, or of all; and how many there are.
    async fn company_page(&self, search: &Search, start: usize) -> Result<(Vec<RemoteObject>, usize)> {
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
        let (first, total) = self.mautic.company_page(&None, 0).await?;
        if total.div_ceil(PAGE) > MOST_PAGES.min(names + 1) {
            return Ok(false);
        }
        self.found.extend(first);
        self.searched.insert(None, Ok(total));
        self.finish().await?;
        Ok(self.searched.get(&None).is_some_and(Seen::is_ok))
    }

    /// Reads the first page of a search for a name: by one of its words, or among all where it has none. Gives the search.
    async fn begin(&mut self, name: &str) -> Result<Search> {
        let words = words(name);
        let searches = if words.is_empty() { vec![None] } else { words.into_iter().map(Some).collect() };
        let mut last = None;
        for search in searches {
            let seen = self.first_page(&search).await?;
            last = search;
            if seen != Err(Unseen::TooMany) {
                break;
            }
        }
        Ok(last)
    }

    async fn first_page(&mut self, search: &Search) -> Result<Seen> {
        if let Some(seen) = self.searched.get(search) {
            return Ok(*seen);
        }
        let seen = if self.is_late() {
            Err(Unseen::TooSlow)
        } else {
            let (first, total) = self.mautic.company_page(search, 0).await?;
            self.found.extend(first);
            if total.div_ceil(PAGE) > MOST_PAGES { Err(Unseen::TooMany) } else { Ok(total) }
        };
        self.searched.insert(search.clone(), seen);
        Ok(seen)
    }

    /// Reads the further pages of all searches, the short ones first.
    async fn finish(&mut self) -> Result<()> {
        let seen = self.searched.iter().filter_map(|(search, seen)| Some((seen.ok()?, search.clone())));
        let mut open: Vec<(usize, Search)> = seen.filter(|(total, _)| *total > PAGE).collect();
        open.sort();
        for (total, search) in open {
            for start in (PAGE..total).step_by(PAGE) {
                if self.is_late() {
                    self.searched.insert(search, Err(Unseen::TooSlow));
                    break;
                }
                self.found.extend(self.mautic.company_page(&search, start).await?.0);
            }
        }
        Ok(())
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
