//! Records of a run that are no people: handed to their sender, a page of the outbox at a time, and what became of them noted.

use jiff::Timestamp;

use crate::domain::issue::{FieldIssue, IssueCode};
use crate::error::{Failure, Result};
use crate::policy;
use crate::ports::bulk::Mark;
use crate::sync::objects::{Became, ObjectSender};
use crate::sync::plan::Draft;

use super::{Run, Step};

/// So many are planned and sent before the run looks at the time.
const AT_A_TIME: usize = 20;

impl Run<'_> {
    /// Sends what is marked of organisations and deals.
    pub(super) async fn send_objects(&mut self, marks: Vec<Mark>, sender: &mut ObjectSender<'_>) -> Step<()> {
        self.note_objects_are_sent(&marks).await?;
        for some in marks.chunks(AT_A_TIME) {
            self.in_time()?;
            let sent = sender.send(some.to_vec()).await;
            // What became of them is noted, whatever came then.
            let ended = std::mem::take(&mut sender.ended);
            let wrote = ended.iter().any(|(_, became)| !matches!(became, Became::Settled | Became::Gone));
            self.note_objects(ended).await?;
            sent?;
            if wrote {
                self.save().await?;
            }
        }
        Ok(())
    }

    /// From the first of them on, the platform's things are looked through. Noted before it is sent.
    async fn note_objects_are_sent(&mut self, marks: &[Mark]) -> Step<()> {
        let is_sent = |mark: &Mark| self.desk.integration.rules.takes(mark.record.kind());
        if self.state.objects.any || !marks.iter().any(is_sent) {
            return Ok(());
        }
        self.state.objects.any = true;
        self.save().await
    }

    async fn note_objects(&mut self, ended: Vec<(Mark, Became)>) -> Result<()> {
        let (mut finished, mut marked) = (Vec::new(), Vec::new());
        for (mark, became) in ended {
            match became {
                Became::Written { draft, created } => {
                    let count = if created { &mut self.log.created } else { &mut self.log.updated };
                    *count += 1;
                    self.tell_object_issues(&draft);
                    finished.push(mark);
                }
                Became::Settled | Became::Gone => finished.push(mark),
                Became::Held(until) => marked.push(self.held(mark, until)),
                // The next run makes it anew; a continuation of this one, if it is soon.
                Became::Lost => {
                    let now = self.now();
                    marked.push(self.held(mark, now));
                }
                Became::Unclear(failure, until) => marked.push(self.object_unclear(mark, &failure, until)),
                Became::Failed(draft, failure) => marked.push(self.object_failed(mark, &draft, failure)),
            }
        }
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        bulk.mark_many(scope, &marked).await?;
        bulk.unmark_many(scope, &finished).await
    }

    /// Each time in vain puts it off for longer: one that the platform never answers comes after all others.
    fn object_unclear(&mut self, mark: Mark, failure: &Failure, until: Timestamp) -> Mark {
        let attempts = mark.attempts + 1;
        let later = policy::contact_due(failure, attempts, self.now(), self.desk.services.entropy.unit());
        self.held(Mark { attempts, ..mark }, until.max(later))
    }

    /// It is told in the log, and tried again later.
    fn object_failed(&mut self, mark: Mark, draft: &Draft, failure: Failure) -> Mark {
        self.log.failed += 1;
        self.log.waiting += 1;
        let attempts = mark.attempts + 1;
        let due_at = policy::contact_due(&failure, attempts, self.now(), self.desk.services.entropy.unit());
        self.wait_for(due_at);
        let named = failure.fields.first().cloned();
        let issue =
            named.unwrap_or_else(|| FieldIssue::new("name", IssueCode::RefusedByPlatform, failure.message.clone()));
        let row = name_of(draft);
        self.note_row(&row, &issue);
        self.problem(&row, issue);
        Mark { attempts, due_at, ..mark }
    }

    fn tell_object_issues(&mut self, draft: &Draft) {
        let row = name_of(draft);
        for issue in draft.issues.iter().filter(|issue| issue.code != IssueCode::UnknownField) {
            self.note_left_out(&row, issue);
        }
    }
}

/// The record as people know it: `organisation 7`.
fn name_of(draft: &Draft) -> String {
    let id = draft.record.external_id.as_ref().map_or("", |id| id.as_str());
    draft.key.kind().named(id).into_owned()
}
