//! What Mautic has of what rules need, for people.

use std::fmt::Write;

use tandem_app::rules_explained::{EVENTS, Live};

use crate::connect::text::{list_line, state_text};

/// The table.
pub(super) fn text(live: &Live) -> String {
    let mut text = String::new();
    for (name, state) in &live.fields {
        // Writing to a string can't fail, here and below.
        let _infallible = writeln!(text, "  field        {name:<22} {}", state_text(state));
    }
    for name in &live.not_sent {
        let _infallible = writeln!(text, "  field        {name:<22} NOT SENT: no field rule takes it to Mautic");
    }
    for list in &live.lists {
        let _infallible = writeln!(text, "  {}", list_line(list));
    }
    for name in &live.never_came {
        let _infallible = writeln!(text, "  event        {name:<22} did not come among the newest {EVENTS}");
    }
    text.truncate(text.trim_end().len());
    text
}
