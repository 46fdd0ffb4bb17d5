//! Webhooks as Mautic keeps them.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Listed, Loose};

/// `{"total": 1, "hooks": …}` (recording `116-hooks-list`).
#[derive(Deserialize)]
pub(in crate::mautic) struct Hooks {
    pub hooks: Listed<Hook>,
}

/// `{"hook": …}` (recording `115-hook-create`).
#[derive(Deserialize)]
pub(in crate::mautic) struct OneHook {
    pub hook: Hook,
}

/// One webhook; Mautic gives its secret out.
#[derive(Deserialize)]
pub(in crate::mautic) struct Hook {
    #[serde(default)]
    pub id: Loose,
    #[serde(rename = "webhookUrl")]
    pub url: String,
    #[serde(default)]
    pub secret: Option<String>,
    #[serde(default, rename = "eventsOrderbyDir")]
    pub order: Option<String>,
    #[serde(default, rename = "isPublished")]
    pub is_published: Loose,
    #[serde(default)]
    pub triggers: Listed<String>,
}

/// `{"triggers": {"mautic.lead_post_delete": {"label", …}}}` (recording `113-hooks-triggers`).
#[derive(Deserialize)]
pub(in crate::mautic) struct Triggers {
    pub triggers: Listed<IgnoredAny>,
}
