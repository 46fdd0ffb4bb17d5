//! Why mail is not to be sent, and what a person did by that.

use tandem_core::domain::engagement::EngagementKind;

/// Where an address stands with a channel (recordings `mautic-5.1.0-webhooks/005…`, `011…`, `013…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mautic) enum Status {
    Contactable,
    Unsubscribed,
    Bounced,
    Manual,
    /// No word of Mautic's own: plugins say it.
    Complained,
}

impl Status {
    /// Reads a webhook's word, or the number behind it.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "contactable" | "subscribed" | "0" => Self::Contactable,
            "unsubscribed" | "unsubscribe" | "1" => Self::Unsubscribed,
            "bounced" | "bounce" | "2" => Self::Bounced,
            "manual" | "3" => Self::Manual,
            "complained" | "complaint" | "spam" | "abuse" => Self::Complained,
            _ => return None,
        })
    }

    /// The status that a row's reason stands for. The API takes any number, and Mautic calls those that it does not know
    /// unsubscribed.
    pub fn of_reason(reason: &str) -> Self {
        Self::parse(reason).unwrap_or(Self::Unsubscribed)
    }

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Contactable => "contactable",
            Self::Unsubscribed => "unsubscribed",
            Self::Bounced => "bounced",
            Self::Manual => "manual",
            Self::Complained => "complained",
        }
    }

    /// What happened, by the status and what Mautic noted with it.
    pub fn kind(self, comments: &str) -> EngagementKind {
        match self {
            Self::Contactable => EngagementKind::Contactable,
            Self::Complained => EngagementKind::Complaint,
            Self::Unsubscribed | Self::Manual if says(comments, &["complain", "spam", "abuse"]) => {
                EngagementKind::Complaint
            }
            Self::Unsubscribed | Self::Manual => EngagementKind::Unsubscribe,
            // A server that takes a message for spam bounces it: no person complained.
            Self::Bounced if says(comments, &["complain", "abuse report", "feedback loop"]) => {
                EngagementKind::Complaint
            }
            Self::Bounced => bounce(comments).unwrap_or(EngagementKind::HardBounce),
        }
    }
}

/// The kind of a bounce, by what a mail server or a plugin said of it; `None` when it says neither.
pub(super) fn bounce(said: &str) -> Option<EngagementKind> {
    const SOFT: [&str; 10] = [
        "soft",
        "temporar",
        "transient",
        "mailbox full",
        "mailbox is full",
        "over quota",
        "quota exceeded",
        "try again",
        "greylist",
        "graylist",
    ];
    const HARD: [&str; 4] = ["hard", "permanent", "no such user", "unknown user"];
    if says(said, &SOFT) {
        return Some(EngagementKind::SoftBounce);
    }
    if let Some(class) = code_class(said) {
        return Some(if class == '4' { EngagementKind::SoftBounce } else { EngagementKind::HardBounce });
    }
    says(said, &HARD).then_some(EngagementKind::HardBounce)
}

/// The first digit of the first code of SMTP in a text: `450`, `4.2.2`, `550`, `5.1.1`.
fn code_class(said: &str) -> Option<char> {
    let codes = said.split(|c: char| !c.is_ascii_digit() && c != '.').map(|word| word.trim_matches('.'));
    let mut classes = codes.filter(|word| is_code(word)).filter_map(|code| code.chars().next());
    classes.find(|class| matches!(class, '4' | '5'))
}

fn is_code(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    match parts.as_slice() {
        [basic] => basic.len() == 3,
        [class, subject, detail] => {
            class.len() == 1 && (1..=3).contains(&subject.len()) && (1..=3).contains(&detail.len())
        }
        _ => false,
    }
}

fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounce_is_soft_when_the_server_says_so() {
        for soft in ["450 mailbox busy", "4.2.2", "Soft bounce", "552 5.2.2 mailbox full", "<a@b.c>: 421 4.7.0 later"] {
            assert_eq!(Status::Bounced.kind(soft), EngagementKind::SoftBounce, "{soft}");
        }
        for hard in ["", "550 no such user", "5.1.1", "from 4.4.4.4: 554 refused", "rejected as spam", "room 4.2"] {
            assert_eq!(Status::Bounced.kind(hard), EngagementKind::HardBounce, "{hard}");
        }
    }

    #[test]
    fn a_complaint_is_known_by_its_comment() {
        for status in [Status::Unsubscribed, Status::Manual] {
            assert_eq!(status.kind("Spam complaint"), EngagementKind::Complaint);
            assert_eq!(status.kind("User unsubscribed."), EngagementKind::Unsubscribe);
        }
        assert_eq!(Status::Bounced.kind("complaint by the reader"), EngagementKind::Complaint);
    }
}
