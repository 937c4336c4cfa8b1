//! [`Deployment`] over the Worker's variables and secrets.

use pipeline::platform::ports::{Deployment, Webhook};

use crate::workers::{Workers, plan_name};

impl Deployment for Workers {
    fn plan_name(&self) -> String {
        plan_name(&self.env)
    }

    fn limits(&self) -> Option<Vec<u8>> {
        let limits = self.env.var("LIMITS").ok()?.to_string();
        (!limits.is_empty()).then(|| limits.into_bytes())
    }

    fn drafts_only(&self) -> bool {
        self.env.var("DRAFTS_ONLY").is_ok_and(|only| only.to_string() == "true")
    }

    fn webhook(&self) -> Option<Webhook> {
        let secret = |name: &str| self.env.secret(name).map(|value| value.to_string()).ok();
        let (url, secret) = (secret("WEBHOOK_URL")?, secret("WEBHOOK_SECRET")?);
        (!url.is_empty() && !secret.is_empty()).then_some(Webhook { url, secret })
    }
}
