//! A platform whose writes are noted. It does what the platform does, and no more.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::catalog::FieldCatalog;
use crate::domain::identity::Email;
use crate::domain::link::RemoteId;
use crate::domain::operation::{OperationKind, OperationStatus, WriteCall, WrittenPart};
use crate::domain::platform::{ContactWrite, DoNotContact, PlatformInfo, RemoteContact, Written};
use crate::domain::scope::Scope;
use crate::error::{FailureKind, Result};
use crate::jobs::message::MembershipList;
use crate::ports::bulk::{
    BulkPlatform, ChangeCursor, ChangedContact, ChangedPage, Outcomes, RemoteList, Rewrite, Usage,
};
use crate::ports::objects::{LookedUp, ObjectOutcomes, ObjectPage, ObjectWrite, PlatformObjects};
use crate::ports::{
    Feed, FeedCursor, FeedPage, GuardedHook, HookCheck, HookDelivery, MarketingPlatform, PlatformEvents,
};

use super::recorder::{Flight, Recorder};

/// What people are on a marketing platform.
const CONTACT: &str = "contact";
const SEGMENT: &str = "segment";
const CAMPAIGN: &str = "campaign";
const HOOK: &str = "webhook";

/// A platform whose writes are noted, unless the log is off.
pub struct Recorded<P: ?Sized> {
    inner: Arc<P>,
    scope: Scope,
    recorder: Option<Recorder>,
}

impl<P: ?Sized> Recorded<P> {
    /// The platform of an integration; without a recorder nothing is noted.
    #[must_use]
    pub fn new(inner: Arc<P>, scope: Scope, recorder: Option<Recorder>) -> Self {
        Self { inner, scope, recorder }
    }

    /// Makes a call that writes; `settle` says of the parts what its answer tells.
    async fn noted<T>(
        &self,
        what: What<'_>,
        parts: Vec<WrittenPart>,
        call: impl Future<Output = Result<T>>,
        settle: impl FnOnce(&T, &mut WriteCall),
    ) -> Result<T> {
        let Some(recorder) = &self.recorder else { return call.await };
        let flight = Flight::begin(recorder, &self.scope, what.call(parts, recorder));
        let result = call.await;
        flight
            .end(|call| match &result {
                Ok(answer) => {
                    call.parts.iter_mut().for_each(done);
                    settle(answer, call);
                }
                Err(failure) => call.parts.iter_mut().for_each(|part| part.fail(failure)),
            })
            .await;
        result
    }
}

/// What a call does.
struct What<'a> {
    kind: OperationKind,
    object: &'a str,
    list: Option<&'a str>,
}

impl What<'_> {
    fn to(kind: OperationKind, object: &str) -> What<'_> {
        What { kind, object, list: None }
    }

    fn call(&self, parts: Vec<WrittenPart>, recorder: &Recorder) -> WriteCall {
        WriteCall {
            kind: self.kind,
            object: self.object.to_owned(),
            list: self.list.map(str::to_owned),
            at: recorder.now(),
            duration_ms: 0,
            correlation_id: None,
            run: None,
            parts,
        }
    }
}

/// A part of which no answer came yet.
fn part(id: Option<&RemoteId>, fields: Vec<String>) -> WrittenPart {
    WrittenPart {
        remote_id: id.cloned(),
        fields,
        status: OperationStatus::Unknown,
        error: Some(FailureKind::Timeout),
        record: None,
        situation: None,
    }
}

fn done(part: &mut WrittenPart) {
    (part.status, part.error) = (OperationStatus::Done, None);
}

fn not_there(part: &mut WrittenPart) {
    (part.status, part.error) = (OperationStatus::Refused, Some(FailureKind::NotFound));
}

/// The names of what a write carries.
fn names(write: &ContactWrite) -> Vec<String> {
    let named = |name: &str, carried: bool| carried.then(|| name.to_owned());
    let others = [
        named("tags", !write.tags.is_empty()),
        named("stage", write.stage.is_some()),
        named("doNotContact", write.forbid_mail.is_some()),
    ];
    write.fields.keys().cloned().chain(others.into_iter().flatten()).collect()
}

/// A change that carries nothing else forbids mail.
fn kind_of_change(write: &ContactWrite) -> OperationKind {
    let bare = ContactWrite { forbid_mail: None, ..write.clone() } == ContactWrite::default();
    if bare && write.forbid_mail.is_some() { OperationKind::ForbidMail } else { OperationKind::Update }
}

/// Says of each part what the answer to a batch says of its entry.
fn settle_each(outcomes: &Outcomes, call: &mut WriteCall) {
    for (part, outcome) in call.parts.iter_mut().zip(outcomes) {
        match outcome {
            Ok(written) => part.remote_id = Some(written.contact.id.clone()),
            Err(failure) => part.fail(failure),
        }
    }
}

fn nothing_more<T>(_: &T, _: &mut WriteCall) {}

#[async_trait]
impl<P: MarketingPlatform + ?Sized> MarketingPlatform for Recorded<P> {
    async fn ready(&self) -> Result<()> {
        self.inner.ready().await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Vec<RemoteContact>> {
        self.inner.find_by_email(email).await
    }

    async fn get(&self, id: &RemoteId) -> Result<RemoteContact> {
        self.inner.get(id).await
    }

    async fn create(&self, write: &ContactWrite) -> Result<Written> {
        let settle = |written: &Written, call: &mut WriteCall| {
            call.parts.iter_mut().for_each(|part| part.remote_id = Some(written.contact.id.clone()));
        };
        let parts = vec![part(None, names(write))];
        self.noted(What::to(OperationKind::Create, CONTACT), parts, self.inner.create(write), settle).await
    }

    async fn update(&self, id: &RemoteId, write: &ContactWrite) -> Result<RemoteContact> {
        let (what, parts) = (What::to(kind_of_change(write), CONTACT), vec![part(Some(id), names(write))]);
        self.noted(what, parts, self.inner.update(id, write), nothing_more).await
    }

    async fn rewrite(&self, id: &RemoteId, write: &ContactWrite, clear: &[String]) -> Result<RemoteContact> {
        let names = names(write).into_iter().chain(clear.iter().cloned()).collect();
        let (what, parts) = (What::to(OperationKind::Rewrite, CONTACT), vec![part(Some(id), names)]);
        self.noted(what, parts, self.inner.rewrite(id, write, clear), nothing_more).await
    }

    async fn delete(&self, id: &RemoteId) -> Result<bool> {
        let settle = |was_there: &bool, call: &mut WriteCall| {
            if !was_there {
                call.parts.iter_mut().for_each(not_there);
            }
        };
        let parts = vec![part(Some(id), Vec::new())];
        self.noted(What::to(OperationKind::Delete, CONTACT), parts, self.inner.delete(id), settle).await
    }

    async fn set_membership(&self, contact: &RemoteId, list: &MembershipList, member: bool) -> Result<()> {
        let kind = if member { OperationKind::AddToList } else { OperationKind::RemoveFromList };
        let list_id = match list {
            MembershipList::Campaign(id) => format!("{CAMPAIGN} {id}"),
            MembershipList::Segment(id) => format!("{SEGMENT} {id}"),
        };
        let what = What { list: Some(&list_id), ..What::to(kind, CONTACT) };
        let call = self.inner.set_membership(contact, list, member);
        self.noted(what, vec![part(Some(contact), Vec::new())], call, nothing_more).await
    }

    async fn campaigns_of(&self, contact: &RemoteId) -> Result<Vec<String>> {
        self.inner.campaigns_of(contact).await
    }

    async fn segments_of(&self, contact: &RemoteId) -> Result<Vec<RemoteList>> {
        self.inner.segments_of(contact).await
    }

    async fn forbid_mail(&self, contact: &RemoteId, entry: &DoNotContact) -> Result<()> {
        let (what, parts) = (What::to(OperationKind::ForbidMail, CONTACT), vec![part(Some(contact), Vec::new())]);
        self.noted(what, parts, self.inner.forbid_mail(contact, entry), nothing_more).await
    }

    async fn allow_mail(&self, contact: &RemoteId) -> Result<()> {
        let (what, parts) = (What::to(OperationKind::AllowMail, CONTACT), vec![part(Some(contact), Vec::new())]);
        self.noted(what, parts, self.inner.allow_mail(contact), nothing_more).await
    }

    async fn export(&self, contact: &RemoteId) -> Result<Value> {
        self.inner.export(contact).await
    }

    async fn fields(&self) -> Result<FieldCatalog> {
        self.inner.fields().await
    }

    async fn stages(&self) -> Result<Vec<(String, String)>> {
        self.inner.stages().await
    }

    async fn ping(&self) -> Result<PlatformInfo> {
        self.inner.ping().await
    }
}

#[async_trait]
impl<P: BulkPlatform + ?Sized> BulkPlatform for Recorded<P> {
    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn makes_by_name(&self) -> &'static [&'static str] {
        self.inner.makes_by_name()
    }

    async fn find_many(&self, emails: &[Email]) -> Result<Vec<RemoteContact>> {
        self.inner.find_many(emails).await
    }

    async fn create_many(&self, writes: &[ContactWrite]) -> Result<Outcomes> {
        let parts = writes.iter().map(|write| part(None, names(write))).collect();
        self.noted(What::to(OperationKind::Create, CONTACT), parts, self.inner.create_many(writes), settle_each).await
    }

    async fn update_many(&self, writes: &[(RemoteId, ContactWrite)]) -> Result<Outcomes> {
        let forbids = writes.iter().all(|(_, write)| kind_of_change(write) == OperationKind::ForbidMail);
        let kind = if forbids { OperationKind::ForbidMail } else { OperationKind::Update };
        let parts = writes.iter().map(|(id, write)| part(Some(id), names(write))).collect();
        self.noted(What::to(kind, CONTACT), parts, self.inner.update_many(writes), settle_each).await
    }

    async fn rewrite_many(&self, rewrites: &[Rewrite]) -> Result<Outcomes> {
        let names =
            |rewrite: &Rewrite| names(&rewrite.write).into_iter().chain(rewrite.clear.iter().cloned()).collect();
        let parts = rewrites.iter().map(|rewrite| part(Some(&rewrite.id), names(rewrite))).collect();
        let call = self.inner.rewrite_many(rewrites);
        self.noted(What::to(OperationKind::Rewrite, CONTACT), parts, call, settle_each).await
    }

    async fn delete_many(&self, ids: &[RemoteId]) -> Result<()> {
        let parts = ids.iter().map(|id| part(Some(id), Vec::new())).collect();
        self.noted(What::to(OperationKind::Delete, CONTACT), parts, self.inner.delete_many(ids), nothing_more).await
    }

    async fn segments(&self) -> Result<Vec<RemoteList>> {
        self.inner.segments().await
    }

    /// A segment's name may come from a record: only its number is noted.
    async fn create_segment(&self, name: &str) -> Result<RemoteList> {
        let settle = |made: &RemoteList, call: &mut WriteCall| {
            call.parts.iter_mut().for_each(|part| part.remote_id = Some(RemoteId(made.id.clone())));
        };
        let (what, parts) = (What::to(OperationKind::MakeList, SEGMENT), vec![part(None, Vec::new())]);
        self.noted(what, parts, self.inner.create_segment(name), settle).await
    }

    async fn add_to_segment(&self, segment: &str, contacts: &[RemoteId]) -> Result<Vec<bool>> {
        let settle = |known: &Vec<bool>, call: &mut WriteCall| {
            let unknown = call.parts.iter_mut().zip(known).filter(|(_, known)| !**known);
            unknown.for_each(|(part, _)| not_there(part));
        };
        let list = format!("{SEGMENT} {segment}");
        let what = What { list: Some(&list), ..What::to(OperationKind::AddToList, CONTACT) };
        let parts = contacts.iter().map(|id| part(Some(id), Vec::new())).collect();
        self.noted(what, parts, self.inner.add_to_segment(segment, contacts), settle).await
    }

    async fn campaigns(&self) -> Result<Vec<RemoteList>> {
        self.inner.campaigns().await
    }

    async fn read_many(&self, ids: &[RemoteId]) -> Result<Vec<ChangedContact>> {
        self.inner.read_many(ids).await
    }

    async fn addresses(&self, after: Option<&RemoteId>, limit: usize) -> Result<Vec<(RemoteId, Option<String>)>> {
        self.inner.addresses(after, limit).await
    }

    async fn changed(&self, cursor: &ChangeCursor, limit: usize) -> Result<ChangedPage> {
        self.inner.changed(cursor, limit).await
    }
}

#[async_trait]
impl<P: PlatformEvents + ?Sized> PlatformEvents for Recorded<P> {
    /// Only what was made or mended is a write; a webhook that was right is not noted, one whose look failed is.
    async fn guard_hook(&self, url: &str, secret: &str) -> Result<GuardedHook> {
        let settle = |guarded: &GuardedHook, call: &mut WriteCall| match guarded.check {
            HookCheck::Right => call.parts.clear(),
            HookCheck::Repaired | HookCheck::Made => {
                call.parts.iter_mut().for_each(|part| part.remote_id = Some(RemoteId(guarded.id.clone())));
            }
        };
        let (what, parts) = (What::to(OperationKind::SetHook, HOOK), vec![part(None, Vec::new())]);
        self.noted(what, parts, self.inner.guard_hook(url, secret), settle).await
    }

    async fn try_hook(&self, id: &str) -> HookDelivery {
        let settle = |delivery: &HookDelivery, call: &mut WriteCall| match delivery {
            HookDelivery::Unseen { .. } => {
                call.parts.iter_mut().for_each(|part| part.status = OperationStatus::Unknown)
            }
            HookDelivery::Arrives | HookDelivery::Fails { .. } | HookDelivery::NothingSent => {}
        };
        let (what, parts) =
            (What::to(OperationKind::TryHook, HOOK), vec![part(Some(&RemoteId(id.to_owned())), Vec::new())]);
        let tried = async { Ok(self.inner.try_hook(id).await) };
        let tried = self.noted(what, parts, tried, settle).await;
        tried.unwrap_or_else(|failure| HookDelivery::Unseen { reason: failure.message })
    }

    async fn newest_delivery(&self, id: &str) -> HookDelivery {
        self.inner.newest_delivery(id).await
    }

    async fn page(&self, feed: Feed, cursor: &FeedCursor) -> Result<FeedPage> {
        self.inner.page(feed, cursor).await
    }
}

/// Names of an object's fields that a write carries.
fn object_names(write: &ObjectWrite) -> Vec<String> {
    write.fields.keys().chain(&write.clear).cloned().collect()
}

fn settle_objects(outcomes: &ObjectOutcomes, call: &mut WriteCall) {
    for (part, outcome) in call.parts.iter_mut().zip(outcomes) {
        match outcome {
            Ok(written) => part.remote_id = Some(written.id.clone()),
            Err(failure) => part.fail(failure),
        }
    }
}

/// The object's name before an id; that of contacts when none is.
fn object_of(id: &RemoteId) -> &str {
    id.0.split_once('/').map_or(CONTACT, |(object, _)| object)
}

#[async_trait]
impl<P: PlatformObjects + ?Sized> PlatformObjects for Recorded<P> {
    fn known_by(&self, object: &str) -> Option<&'static str> {
        self.inner.known_by(object)
    }

    async fn object_fields(&self, object: &str) -> Result<FieldCatalog> {
        self.inner.object_fields(object).await
    }

    async fn find_objects(&self, object: &str, names: &[String]) -> Result<LookedUp> {
        self.inner.find_objects(object, names).await
    }

    async fn list_objects(&self, object: &str, after: usize) -> Result<ObjectPage> {
        self.inner.list_objects(object, after).await
    }

    async fn read_objects(&self, ids: &[RemoteId]) -> Result<ObjectOutcomes> {
        self.inner.read_objects(ids).await
    }

    async fn create_objects(&self, object: &str, writes: &[ObjectWrite]) -> Result<ObjectOutcomes> {
        let parts = writes.iter().map(|write| part(None, object_names(write))).collect();
        let call = self.inner.create_objects(object, writes);
        self.noted(What::to(OperationKind::Create, object), parts, call, settle_objects).await
    }

    async fn update_objects(&self, writes: &[(RemoteId, ObjectWrite)]) -> Result<ObjectOutcomes> {
        let object = writes.first().map_or(CONTACT, |(id, _)| object_of(id));
        let parts = writes.iter().map(|(id, write)| part(Some(id), object_names(write))).collect();
        let call = self.inner.update_objects(writes);
        self.noted(What::to(OperationKind::Update, object), parts, call, settle_objects).await
    }

    async fn delete_object(&self, id: &RemoteId) -> Result<bool> {
        let settle = |was_there: &bool, call: &mut WriteCall| {
            if !was_there {
                call.parts.iter_mut().for_each(not_there);
            }
        };
        let (what, parts) = (What::to(OperationKind::Delete, object_of(id)), vec![part(Some(id), Vec::new())]);
        self.noted(what, parts, self.inner.delete_object(id), settle).await
    }

    /// Noted as a list is: `company 7`.
    async fn set_related(&self, contact: &RemoteId, to: &RemoteId, related: bool) -> Result<()> {
        let kind = if related { OperationKind::AddToList } else { OperationKind::RemoveFromList };
        let list = to.0.replace('/', " ");
        let what = What { list: Some(&list), ..What::to(kind, CONTACT) };
        let call = self.inner.set_related(contact, to, related);
        self.noted(what, vec![part(Some(contact), Vec::new())], call, nothing_more).await
    }
}
