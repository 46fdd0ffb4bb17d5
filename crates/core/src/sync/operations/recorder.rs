//! Collects what is written to platforms while a request, a job or a run is under way, and has it kept at the end of it.
//!
//! What a write is made for (the correlation id, the run, the records) is known far from the port that the write passes. It
//! goes along with the future that does the work, as a span of the log does: set for each poll of it, and so for nothing
//! else that the thread does in between.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::domain::identity::RecordKey;
use crate::domain::operation::WriteCall;
use crate::domain::scope::Scope;
use crate::domain::situation::Situation;
use crate::ports::operations::{OperationLog, Pack};
use crate::ports::place::TimePlace;
use crate::ports::{Clock, Entropy};

/// When so many things were written on, they are kept, though the work goes on: memory is bounded, too.
const MANY: usize = 2_000;

/// Has calls kept in the log. Clones share it.
#[derive(Clone)]
pub struct Recorder {
    /// Where they are kept.
    pub log: Arc<dyn OperationLog>,
    /// Tells when.
    pub clock: Arc<dyn Clock>,
    /// Names packs.
    pub entropy: Arc<dyn Entropy>,
}

/// What is done just now.
#[derive(Clone)]
struct Work {
    recorder: Recorder,
    correlation_id: Arc<str>,
    run: Option<Arc<str>>,
    records: Arc<[About]>,
    noted: Arc<Mutex<Vec<(Scope, WriteCall)>>>,
}

/// A record that work is done for, and in which situation it is.
#[derive(Clone)]
pub(crate) struct About {
    record: RecordKey,
    situation: Arc<Mutex<Situation>>,
}

impl About {
    pub(crate) fn new(record: &RecordKey, situation: Situation) -> Self {
        Self { record: record.clone(), situation: Arc::new(Mutex::new(situation)) }
    }

    /// The situation turned out to be this one: what is written from now on is written in it.
    pub(crate) fn turned_out(&self, situation: Situation) {
        *self.situation.lock().unwrap_or_else(PoisonError::into_inner) = situation;
    }

    fn situation(&self) -> Situation {
        *self.situation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static UNDER_WAY: RefCell<Option<Work>> = const { RefCell::new(None) };
}

impl Recorder {
    /// Does work whose writes are noted under this correlation id, and as those of `run`; keeps what was noted at the end: one
    /// write call, none when nothing was written. Keeping it never fails the work.
    pub async fn during<T>(&self, correlation_id: &str, run: Option<&str>, work: BoxFuture<'_, T>) -> T {
        let under_way = Work {
            recorder: self.clone(),
            correlation_id: correlation_id.into(),
            run: run.map(Into::into),
            records: Arc::default(),
            noted: Arc::default(),
        };
        let done = Within { work: under_way.clone(), future: work }.await;
        under_way.keep().await;
        done
    }

    /// The moment of the call.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn keep(&self, noted: Vec<(Scope, WriteCall)>) {
        let mut left = noted;
        while let Some(scope) = left.first().map(|(scope, _)| scope.clone()) {
            let (own, others) = left.into_iter().partition(|(other, _)| *other == scope);
            left = others;
            let calls: Vec<WriteCall> = Vec::into_iter(own).map(|(_, call)| call).collect();
            let count = calls.len();
            let pack = Pack { place: TimePlace { at: self.now(), name: self.entropy.id() }, calls };
            if let Err(failure) = self.log.keep(&scope, &pack).await {
                tracing::warn!(kind = ?failure.kind, calls = count, "calls are missing in the operation log: {failure}");
            }
        }
    }
}

impl Work {
    fn note(&self, scope: Scope, call: WriteCall) -> usize {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push((scope, call));
        noted.iter().map(|(_, call)| call.parts.len()).sum()
    }

    async fn keep(&self) {
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        self.recorder.keep(noted).await;
    }
}

/// Does a part of the work that concerns these records: what a call writes on belongs to them in their order, or all of it to
/// the one.
pub(crate) async fn about<T>(records: Vec<About>, work: BoxFuture<'_, T>) -> T {
    match under_way() {
        None => work.await,
        Some(outer) => Within { work: Work { records: records.into(), ..outer }, future: work }.await,
    }
}

/// Keeps what the work has noted so far, should it die later.
pub(crate) async fn flush() {
    if let Some(work) = under_way() {
        work.keep().await;
    }
}

fn under_way() -> Option<Work> {
    UNDER_WAY.with_borrow(Clone::clone)
}

/// A call that is under way. One that is given up before its answer came is noted, too: nobody knows what became of it.
pub(super) struct Flight {
    recorder: Recorder,
    scope: Scope,
    work: Option<Work>,
    call: Option<WriteCall>,
}

impl Flight {
    /// Begins a call. Its parts are as they are if no answer ever comes.
    pub(super) fn begin(recorder: &Recorder, scope: &Scope, mut call: WriteCall) -> Self {
        let work = under_way();
        if let Some(work) = &work {
            call.correlation_id = Some(work.correlation_id.to_string());
            call.run = work.run.as_deref().map(str::to_owned);
            let parts = call.parts.len();
            for (index, part) in call.parts.iter_mut().enumerate() {
                let own = if work.records.len() == 1 { 0 } else { index };
                let fits = work.records.len() == 1 || work.records.len() == parts;
                let about = work.records.get(own).filter(|_| fits);
                part.record = about.map(|about| about.record.clone());
                part.situation = about.map(About::situation);
            }
        }
        Self { recorder: recorder.clone(), scope: scope.clone(), work, call: Some(call) }
    }

    /// Notes how the call ended; `settle` says it of the parts. Without work under way it is kept at once.
    pub(super) async fn end(mut self, settle: impl FnOnce(&mut WriteCall)) {
        let Some(mut call) = self.call.take() else { return };
        settle(&mut call);
        if call.parts.is_empty() {
            return;
        }
        call.duration_ms = since(call.at, self.recorder.now());
        match &self.work {
            None => self.recorder.keep(vec![(self.scope.clone(), call)]).await,
            Some(work) => {
                if work.note(self.scope.clone(), call) >= MANY {
                    work.keep().await;
                }
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let (Some(mut call), Some(work)) = (self.call.take(), &self.work) else { return };
        call.duration_ms = since(call.at, self.recorder.now());
        work.note(self.scope.clone(), call);
    }
}

fn since(begun: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(begun).as_millis()).unwrap_or_default()
}

/// A future with the work that it is a part of. It is boxed: types that hold each other get too deep for the compiler.
struct Within<'a, T> {
    work: Work,
    future: BoxFuture<'a, T>,
}

impl<T> Future for Within<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let _restored = Entered(UNDER_WAY.replace(Some(self.work.clone())));
        self.future.as_mut().poll(context)
    }
}

/// What the thread was at before; it is again when this is dropped, also by a panic.
struct Entered(Option<Work>);

impl Drop for Entered {
    fn drop(&mut self) {
        UNDER_WAY.set(self.0.take());
    }
}
