//! Calls of the platform: what production refuses is refused, what is out does not answer, and a test decides
//! the fate of the rest.

use std::{collections::BTreeMap, future::poll_fn, task::Poll};

use pipeline::{failure::Failure, platform::asked::Asked, time::Span};

use crate::{fate::Fate, in_memory::InMemory, service::Service};

impl InMemory {
    /// Lets a service be out from now on for so long, for every invocation.
    pub fn put_out(&self, service: Service, span: Span) {
        self.out.set(Some((service, self.now.get().plus(span))));
    }

    /// True while this service does not answer.
    pub fn is_out(&self, service: Service) -> bool {
        self.out.get().is_some_and(|(out, until)| out == service && self.now.get() < until)
    }

    /// What invocations asked that production would have refused, since the last look.
    pub fn take_refused(&self) -> Vec<String> {
        self.refused.take()
    }

    /// Notes what an invocation of this kind has asked by its end.
    pub fn note_asked(&self, kind: &str) {
        let asked = self.asked.get();
        let mut most = self.most_asked.borrow_mut();
        let known = most.entry(kind.to_owned()).or_default();
        known.d1_queries = known.d1_queries.max(asked.d1_queries);
        known.subrequests = known.subrequests.max(asked.subrequests);
        known.outside = known.outside.max(asked.outside);
    }

    /// The most that one invocation of each kind asked.
    pub fn most_asked(&self) -> BTreeMap<String, Asked> {
        self.most_asked.borrow().clone()
    }

    /// Counts what this invocation asks. Beyond what production allows one the call fails, and is noted: a test
    /// that goes so far has found something. A step that a test calls by itself is no invocation.
    pub(crate) fn ask(&self, count: impl FnOnce(&mut Asked) -> Result<(), Failure>) -> Result<(), Failure> {
        if self.invocation.borrow().is_empty() || self.is_gone() {
            return Ok(());
        }
        let mut asked = self.asked.get();
        let admitted = count(&mut asked);
        self.asked.set(asked);
        if let Err(failure) = &admitted {
            self.refused.borrow_mut().push(format!("{}: {}", self.invocation.borrow(), failure.why));
        }
        admitted
    }

    /// A request to a service; D1 counts its statements by itself.
    pub(crate) async fn call<T>(
        &self,
        service: Service,
        effect: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match service {
            Service::Database | Service::Runtime => {}
            Service::Outside => self.ask(Asked::count_outside)?,
            _ => self.ask(Asked::count_subrequest)?,
        }
        self.attempt(service, effect).await
    }

    /// Draws a call's fate. A worker that is gone does nothing any more.
    pub(crate) async fn attempt<T>(
        &self,
        service: Service,
        effect: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let failure = |why: &str| Err(Failure::transient(format!("{}: {why}", service.name())));
        if self.is_gone() {
            return failure("the worker is gone");
        }
        let fate = (self.fates.borrow_mut())();
        // A worker may pause before it asks, or die of what it asks, whatever answers.
        if self.is_out(service) {
            return failure(service.when_out());
        }
        match fate {
            Fate::Works => effect(),
            Fate::Pauses => {
                yield_now().await;
                if self.is_out(service) { failure(service.when_out()) } else { effect() }
            }
            Fate::Fails => failure("injected failure"),
            Fate::AnswerLost => effect().and(failure("injected loss of the answer")),
            Fate::Crashes => {
                self.crashed.set(true);
                failure("injected crash")
            }
            Fate::CrashesAfter => {
                let done = effect();
                self.crashed.set(true);
                done.and(failure("injected crash"))
            }
        }
    }
}

/// Lets others have a turn.
async fn yield_now() {
    let mut waited = false;
    poll_fn(|_| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        Poll::Pending
    })
    .await;
}
