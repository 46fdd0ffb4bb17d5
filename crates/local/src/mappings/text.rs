//! What `tandem mappings` prints.

use serde_json::Value;
use tandem_app::api::versions::{MappingsVersion, Versions};
use tandem_core::mapping::set_difference::Difference;
use tandem_core::mapping::{Problem, Severity};

use crate::sync::change_text;

/// The table of versions.
pub fn list(Versions { active, versions }: &Versions<MappingsVersion>) -> String {
    let line = |version: &MappingsVersion| {
        let mark = if version.version == *active { "*" } else { " " };
        let at = version.set_at.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
        let at = at.unwrap_or_else(|| "always".to_owned());
        let note = version.note.as_deref().map(|note| format!("  {note}")).unwrap_or_default();
        format!("{mark} {:>4}  {at:<20}  {:>3} rules  {}{note}", version.version, version.rules, version.set_by)
    };
    versions.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Problems, a line each.
pub fn problems(problems: &[Problem]) -> String {
    let line = |problem: &Problem| match problem.severity {
        Severity::Error => format!("error: {problem}"),
        Severity::Warning => format!("warning: {problem}"),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The same before something else.
pub fn lead(found: &[Problem]) -> String {
    if found.is_empty() { String::new() } else { format!("{}\n", problems(found)) }
}

/// Differences, a line each.
pub fn differences(found: &[Difference]) -> String {
    if found.is_empty() {
        return "both say the same".to_owned();
    }
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What a set would change.
pub fn tried(found: &[Problem], different: &[Difference], records: &[Value]) -> String {
    let mut lines = vec![format!("{}{}", lead(found), differences(different))];
    lines.extend(records.iter().map(change_text));
    lines.push("Nothing was changed.".to_owned());
    lines.join("\n")
}
