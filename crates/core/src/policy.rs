//! The one table that says what follows from a failure: for a job, for the caller, for a deferred write.
//!
//! Chance and time are arguments: the same input gives the same decision.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::error::{Failure, FailureKind};

/// How long a writer may hold a contact without a sign of life. A writer that died in the middle of a create blocks the
/// contact for this long: by then the platform has finished or dropped the request, so a look-up tells the truth.
pub const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// A write to the platform is only begun while at least this much of the lease is left, so that none outlives it: the
/// longest reads a contact and writes it back, ten seconds each at most.
pub const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(24);

/// How long a caller waits for another writer of the same contact before its own write goes to the queue. Less than callers wait
/// for the platform, so that they are told whom they wait for.
pub const LEASE_PATIENCE: SignedDuration = SignedDuration::from_secs(4);

/// The same for contacts that are written in a batch: a batch call may take a minute.
pub const BULK_LEASE: SignedDuration = SignedDuration::from_secs(120);

/// How long a sync run keeps others away without a sign of life.
pub const RUN_LEASE: SignedDuration = SignedDuration::from_secs(30);

/// How often a sync run gives a sign of life.
pub const RUN_BEAT: Duration = Duration::from_secs(8);

/// How long a job of the queue works at a run before it lets another job go on.
pub const RUN_SLICE: SignedDuration = SignedDuration::from_secs(110);

/// How long a part of work may take that is begun late in such a slice: a batch call that is given up, and the writes of the
/// table around it.
pub const LONGEST_STEP: SignedDuration = SignedDuration::from_secs(75);

/// How many calls of one contact are made at the same time by jobs that are done together.
pub const SIDE_BY_SIDE: usize = 20;

/// The failure of work that was not begun, because what went before it took all the time that there is.
#[must_use]
pub fn out_of_time() -> Failure {
    Failure::new(FailureKind::Timeout, "the work before it took all the time that there was")
}

/// How long after a change of a mapping set every function works by it: each looks at most 30 seconds later.
pub const RULES_SETTLED: SignedDuration = SignedDuration::from_secs(60);

/// How long the changes of a dry run's plan are kept: they hold values of people, and are old by tomorrow.
pub const PLAN_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How often all rows are read to find those that are gone.
pub const RECONCILED_EVERY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many batch calls a run has under way at the same time, unless it is set: at most so many, where the platform answers each
/// of them as fast as one alone. With four, a function that imports many people took more than 64 MiB.
pub const PARALLEL_BATCHES: usize = 3;

/// The most that this may be set to: each call takes some 7 MiB of memory.
pub const MOST_PARALLEL_BATCHES: usize = 16;

/// How many batches may fail one after the other before a run stops for now.
pub const BATCH_FAILURES: u32 = 3;

/// How many calls in a row may end with no contact done with before a run stops for now. A refused call of 200 is halved eight
/// times until the entry to blame is alone, and two hundred contacts are looked up before the first of them is written.
pub const IDLE_CALLS: u32 = 24;

/// How long a value that the platform refused is not sent again, unless its field changes there: its own lists may change with
/// its version.
pub const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// So many contacts a run may always delete or blank: of a handful, a tenth is nothing.
const LOSSES_ALWAYS_ALLOWED: u64 = 10;

/// How many of `known` contacts a run may delete or blank before a person has to say that this is meant: a tenth, and
/// always ten.
#[must_use]
pub const fn losses_allowed(known: u64) -> u64 {
    let tenth = known / 10;
    if tenth < LOSSES_ALWAYS_ALLOWED { LOSSES_ALWAYS_ALLOWED } else { tenth }
}

/// When a contact that a run could not write is tried again, after its `attempt`-th failure (from 1).
#[must_use]
pub fn contact_due(failure: &Failure, attempt: u32, now: Timestamp, chance: f64) -> Timestamp {
    let (first, longest) = match failure.kind {
        // Somebody has to change something first, there or here.
        FailureKind::Invalid
        | FailureKind::NotFound
        | FailureKind::Refused
        | FailureKind::Misconfigured
        | FailureKind::Credentials => (600, 86_400),
        // Only a person undoes it, and each attempt costs a look-up.
        FailureKind::Taken => (3_600, 86_400),
        FailureKind::Conflict
        | FailureKind::RateLimited
        | FailureKind::Unavailable
        | FailureKind::Timeout
        | FailureKind::Garbled
        | FailureKind::Storage => (5, 3_600),
    };
    let doubled = i64::saturating_mul(first, 1 << attempt.saturating_sub(1).min(16)).min(longest);
    let jittered = SignedDuration::from_secs_f64(doubled as f64 * (0.8 + 0.2 * chance));
    after(failure.retry_at.unwrap_or(now).max(now), jittered)
}

/// What becomes of a job that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this delay.
    Retry(Duration),
    /// A person is needed; the advice says what for.
    Park(&'static str),
}

/// The longest a queue can hide a message (SQS: 12 hours).
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// How a kind of failure is retried: first delay, the cap on the delay, attempts, and the advice after the last.
struct Schedule {
    base: Duration,
    cap: Duration,
    attempts: u32,
    advice: &'static str,
}

const fn schedule(base_s: u64, cap_s: u64, attempts: u32, advice: &'static str) -> Schedule {
    Schedule { base: Duration::from_secs(base_s), cap: Duration::from_secs(cap_s), attempts, advice }
}

/// The table. Attempts and caps of transient kinds add up to several days: an outage of a weekend loses nothing. No kind
/// has more than 900 attempts: SQS moves a message to the dead letters after at most 1000 receives, crashed ones counted.
const fn schedule_of(kind: FailureKind) -> Schedule {
    match kind {
        FailureKind::Invalid => schedule(0, 0, 0, "The request itself is wrong: correct the record and send it again."),
        FailureKind::NotFound => schedule(
            0,
            0,
            0,
            "The contact, campaign or segment is not there: create it or correct its id, then replay.",
        ),
        FailureKind::Refused => {
            schedule(0, 0, 0, "The platform refused the data: correct the fields named in the reason, then replay.")
        }
        FailureKind::Conflict => {
            schedule(2, 60, 200, "Another writer holds this contact all the time: see what it is, then replay.")
        }
        FailureKind::Taken => schedule(
            0,
            0,
            0,
            "Several contacts of the platform claim to be this person: merge or correct those named in the reason, then \
             replay. `tandem doctor duplicates` lists all of them.",
        ),
        FailureKind::Credentials => schedule(
            60,
            3600,
            100,
            "The platform does not accept Tandem's credentials: check them and that its API is on, then replay.",
        ),
        FailureKind::RateLimited => {
            schedule(5, 3600, 500, "The platform's budget of calls never came back: raise its rate limit, then replay.")
        }
        FailureKind::Unavailable | FailureKind::Timeout => schedule(
            1,
            900,
            400,
            "The platform did not come back for days: see that it runs and is reachable, then replay.",
        ),
        FailureKind::Garbled => schedule(
            1,
            900,
            100,
            "The platform keeps answering what can't be read: look for a proxy or error page in front of it.",
        ),
        FailureKind::Storage => {
            schedule(1, 300, 900, "Tandem's own table or queue fails: see its alarms, then replay.")
        }
        FailureKind::Misconfigured => schedule(
            60,
            3600,
            100,
            "Tandem is set up wrongly: correct the configuration named in the reason, then replay.",
        ),
    }
}

/// What a person can do about a failure of this kind.
#[must_use]
pub const fn advice(kind: FailureKind) -> &'static str {
    schedule_of(kind).advice
}

/// A queue forgets a message after 14 days, whatever is left of its attempts: a job is parked well before.
const LONGEST_ON_THE_QUEUE: SignedDuration = SignedDuration::from_hours(10 * 24);

/// What becomes of a job that was first queued at `queued_at`, after its `attempt`-th failure (from 1). `chance` is uniform in `[0, 1)`: full jitter spreads
/// retries over the whole back-off, so that a thousand jobs do not come back at once.
#[must_use]
pub fn after_failure(failure: &Failure, attempt: u32, queued_at: Timestamp, now: Timestamp, chance: f64) -> Decision {
    let schedule = schedule_of(failure.kind);
    if attempt > schedule.attempts || now.duration_since(queued_at) > LONGEST_ON_THE_QUEUE {
        return Decision::Park(schedule.advice);
    }
    let doubled = schedule.base.saturating_mul(1 << attempt.saturating_sub(1).min(20));
    let backoff = doubled.min(schedule.cap).mul_f64(chance);
    let told = failure.retry_at.map_or(Duration::ZERO, |moment| until(moment, now));
    Decision::Retry((told + backoff).min(LONGEST))
}

/// Whether another attempt within this minute may go better.
#[must_use]
pub const fn may_pass_soon(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Conflict | FailureKind::Unavailable | FailureKind::Timeout | FailureKind::Garbled => true,
        FailureKind::Invalid
        | FailureKind::NotFound
        | FailureKind::Refused
        | FailureKind::Taken
        | FailureKind::Credentials
        | FailureKind::RateLimited
        | FailureKind::Storage
        | FailureKind::Misconfigured => false,
    }
}

/// Whether the platform understood what it was sent, and does not want it.
#[must_use]
pub const fn is_refusal(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Invalid | FailureKind::Refused | FailureKind::Taken => true,
        FailureKind::NotFound
        | FailureKind::Conflict
        | FailureKind::Credentials
        | FailureKind::RateLimited
        | FailureKind::Unavailable
        | FailureKind::Timeout
        | FailureKind::Garbled
        | FailureKind::Storage
        | FailureKind::Misconfigured => false,
    }
}

/// Whether a write that failed so may be done later instead of being given back to the caller.
#[must_use]
pub const fn may_be_done_later(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Conflict
        | FailureKind::Credentials
        | FailureKind::RateLimited
        | FailureKind::Unavailable
        | FailureKind::Timeout
        | FailureKind::Garbled => true,
        FailureKind::Invalid
        | FailureKind::NotFound
        | FailureKind::Refused
        | FailureKind::Taken
        | FailureKind::Storage
        | FailureKind::Misconfigured => false,
    }
}

/// What a caller is told about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAnswer {
    /// HTTP status.
    pub status: u16,
    /// A stable code for programs.
    pub code: &'static str,
    /// Whole seconds after which the call may be made again.
    pub retry_after: Option<u64>,
}

/// The HTTP class of a failure.
#[must_use]
pub fn public_answer(failure: &Failure, now: Timestamp) -> PublicAnswer {
    let (status, code, default_wait) = match failure.kind {
        FailureKind::Invalid => (422, "invalid_request", None),
        FailureKind::NotFound => (404, "not_found", None),
        FailureKind::Conflict => (409, "conflict", Some(2)),
        FailureKind::Refused | FailureKind::Taken => (422, "refused_by_platform", None),
        FailureKind::Credentials => (502, "platform_credentials", Some(60)),
        FailureKind::RateLimited => (429, "platform_rate_limited", Some(60)),
        FailureKind::Unavailable => (503, "platform_unavailable", Some(10)),
        FailureKind::Timeout => (504, "platform_timeout", Some(10)),
        FailureKind::Garbled => (502, "platform_garbled", Some(10)),
        FailureKind::Storage => (503, "storage_unavailable", Some(5)),
        FailureKind::Misconfigured => (500, "misconfigured", None),
    };
    let told = failure.retry_at.map(|moment| until(moment, now).as_secs().max(1));
    PublicAnswer { status, code, retry_after: told.or(default_wait) }
}

/// The moment `wait` after `now`.
#[must_use]
pub fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn until(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_000_000).unwrap()
    }

    #[test]
    fn a_rate_limited_job_waits_until_the_reset_that_the_platform_named() {
        let reset = Timestamp::from_second(1_000_600).unwrap();
        let failure = Failure::new(FailureKind::RateLimited, "over").not_before(reset);
        assert_eq!(after_failure(&failure, 1, now(), now(), 0.0), Decision::Retry(Duration::from_secs(600)));
        assert_eq!(public_answer(&failure, now()).retry_after, Some(600));
    }

    #[test]
    fn what_can_never_succeed_is_parked_at_once_with_advice() {
        for kind in [FailureKind::Invalid, FailureKind::NotFound, FailureKind::Refused, FailureKind::Taken] {
            assert!(
                matches!(after_failure(&Failure::new(kind, ""), 1, now(), now(), 0.5), Decision::Park(_)),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn an_outage_of_two_days_is_outlived() {
        let failure = Failure::new(FailureKind::Unavailable, "down");
        let mut waited = Duration::ZERO;
        for attempt in 1..=400 {
            match after_failure(&failure, attempt, now(), now(), 0.5) {
                Decision::Retry(delay) => waited += delay,
                Decision::Park(_) => break,
            }
        }
        assert!(waited > Duration::from_secs(2 * 86_400), "{waited:?}");
    }

    #[test]
    fn a_job_is_parked_before_the_queue_gives_it_up() {
        for kind in [FailureKind::Conflict, FailureKind::RateLimited, FailureKind::Unavailable, FailureKind::Storage] {
            assert!(
                matches!(after_failure(&Failure::new(kind, ""), 901, now(), now(), 0.5), Decision::Park(_)),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_job_is_parked_before_the_queue_forgets_it() {
        let failure = Failure::new(FailureKind::RateLimited, "over");
        let eleven_days_ago = now().checked_sub(SignedDuration::from_hours(11 * 24)).unwrap();
        assert!(matches!(after_failure(&failure, 2, eleven_days_ago, now(), 0.5), Decision::Park(_)));
    }

    #[test]
    fn jitter_spreads_retries_over_the_whole_back_off() {
        let failure = Failure::new(FailureKind::Unavailable, "down");
        assert_eq!(after_failure(&failure, 5, now(), now(), 0.0), Decision::Retry(Duration::ZERO));
        assert_eq!(after_failure(&failure, 5, now(), now(), 0.5), Decision::Retry(Duration::from_secs(8)));
    }
}
