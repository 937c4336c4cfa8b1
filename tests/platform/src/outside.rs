//! The deployment and the world outside of it, in memory.

use pipeline::{
    failure::Failure,
    platform::{
        isolate::IsolateMemory,
        ports::{Burst, Deployment, Isolate, Outside, RateLimiter, Webhook},
    },
};

use crate::{
    in_memory::{Delivered, InMemory},
    service::Service,
};

impl InMemory {
    /// Sets the deployment's `LIMITS`.
    pub fn set_limits(&self, limits: &str) {
        *self.limits.borrow_mut() = Some(limits.as_bytes().to_vec());
    }

    /// Sets the deployment's `DRAFTS_ONLY`.
    pub fn set_drafts_only(&self) {
        self.drafts_only.set(true);
    }

    /// Sets the deployment's `PLAN`, from the next invocation on.
    pub fn set_plan(&self, plan: &str) {
        plan.clone_into(&mut self.plan.borrow_mut());
    }

    /// Says where alerts go.
    pub fn set_webhook(&self, webhook: Webhook) {
        *self.webhook.borrow_mut() = Some(webhook);
    }

    /// Everything posted to the outside so far.
    pub fn posted(&self) -> Vec<Delivered> {
        self.posted.borrow().clone()
    }

    /// Lets the next so many deliveries fail.
    pub fn fail_outside(&self, deliveries: usize) {
        self.failing_outside.set(deliveries);
    }

    /// Makes these bursts be over their limit.
    pub fn refuse_bursts(&self, bursts: &[Burst]) {
        *self.refused_bursts.borrow_mut() = bursts.to_vec();
    }

    /// Another isolate goes on, which remembers nothing.
    pub fn replace_isolate(&self) {
        self.isolate.take();
    }
}

impl Isolate for InMemory {
    fn with_memory<T>(&self, work: impl FnOnce(&mut IsolateMemory) -> T) -> T {
        work(&mut self.isolate.borrow_mut())
    }
}

impl Deployment for InMemory {
    fn plan_name(&self) -> String {
        self.plan.borrow().clone()
    }

    fn limits(&self) -> Option<Vec<u8>> {
        self.limits.borrow().clone()
    }

    fn drafts_only(&self) -> bool {
        self.drafts_only.get()
    }

    fn webhook(&self) -> Option<Webhook> {
        self.webhook.borrow().clone()
    }
}

impl Outside for InMemory {
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: String) -> Result<u16, Failure> {
        self.call(Service::Outside, || {
            let failing = self.failing_outside.get();
            if failing > 0 {
                self.failing_outside.set(failing - 1);
                return Ok(503);
            }
            self.posted.borrow_mut().push(Delivered { url: url.to_owned(), headers: headers.to_vec(), body });
            Ok(200)
        })
        .await
    }
}

impl RateLimiter for InMemory {
    async fn admit(&self, burst: Burst, _caller: &str) -> bool {
        !self.refused_bursts.borrow().contains(&burst)
    }
}
