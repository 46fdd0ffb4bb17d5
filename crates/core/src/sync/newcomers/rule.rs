//! Which people who appear on a platform become records.

use std::str::FromStr;

use crate::domain::platform::RemoteContact;
use crate::mapping::RuleSet;

use super::made::said_yes;

/// The rule of an integration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Newcomers {
    /// Nobody: the platform's own people stay its own.
    #[default]
    None,
    /// Everybody with an address.
    All,
    /// Those whom the platform may mail, and of whom it shows an opt-in.
    WithConsent,
    /// Those in the segment of this name.
    Segment(String),
}

/// The longest name of a segment.
const LONGEST: usize = 191;
const SEGMENT: &str = "segment:";

impl FromStr for Newcomers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match text.to_lowercase().as_str() {
            "none" => return Ok(Self::None),
            "all" => return Ok(Self::All),
            "with_consent" => return Ok(Self::WithConsent),
            _ => {}
        }
        let name = text.split_at_checked(SEGMENT.len()).filter(|(kind, _)| kind.eq_ignore_ascii_case(SEGMENT));
        match name.map(|(_, name)| name.trim()) {
            Some(name) if (1..=LONGEST).contains(&name.len()) => Ok(Self::Segment(name.to_owned())),
            Some(_) | None => Err("must be none, all, with_consent or segment:NAME"),
        }
    }
}

impl Newcomers {
    /// Whether nobody becomes a record by this rule: then nothing is asked for, and nothing is read.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        *self == Self::None
    }

    /// Whether a contact may become a record, as far as the contact itself tells.
    #[must_use]
    pub fn may_take(&self, contact: &RemoteContact, rules: &RuleSet) -> bool {
        match self {
            Self::None => false,
            Self::All | Self::Segment(_) => true,
            Self::WithConsent => contact.mail_forbidden().is_none() && said_yes(contact, rules),
        }
    }

    /// The segment that somebody has to be in.
    #[must_use]
    pub fn segment(&self) -> Option<&str> {
        match self {
            Self::Segment(name) => Some(name),
            Self::None | Self::All | Self::WithConsent => None,
        }
    }

    /// Whether a delivery that names a segment by its alias may be about the rule's: the platform makes the alias of the name.
    #[must_use]
    pub fn may_mean(&self, alias: &str) -> bool {
        let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
        self.segment().is_some_and(|name| plain(name) == plain(alias))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_in_any_letter_case_and_anything_else_is_refused() {
        assert_eq!(" ALL ".parse(), Ok(Newcomers::All));
        assert_eq!("with_consent".parse(), Ok(Newcomers::WithConsent));
        assert_eq!("none".parse(), Ok(Newcomers::None));
        assert_eq!("Segment: Web Leads".parse(), Ok(Newcomers::Segment("Web Leads".to_owned())));
        for wrong in ["", "some", "segment:", "segment: ", "segmént:x"] {
            assert!(wrong.parse::<Newcomers>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_segment_is_known_by_the_alias_that_its_name_gave_it() {
        let rule = Newcomers::Segment("Web Leads".to_owned());
        assert!(rule.may_mean("web-leads") && !rule.may_mean("leads"));
        assert!(!Newcomers::All.may_mean("web-leads"));
    }
}
