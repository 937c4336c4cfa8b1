//! Alerts: what is due goes to the webhook, signed, until it was taken.
//!
//! At least once: a delivery whose answer was lost is repeated under the same `webhook-id`.

use pipeline::{
    failure::Failure,
    platform::{
        ports::{Clock, Database, Deployment, Outside, Webhook},
        statement::json,
        transaction::Write,
    },
    store::usage::alerts::{self, DueAlert, NewAlert},
    time::Timestamp,
};
use serde::Serialize;

use super::webhook;

/// Deliveries of one run; each is a request to the outside, of which an invocation has 50, and a query.
const DELIVERIES: i64 = 5;

/// What an alert says; the shape Standard Webhooks recommends.
#[derive(Debug, Serialize)]
struct Alert<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: T,
}

/// An alert that is to be raised.
///
/// # Errors
/// A bug if `data` cannot be JSON.
pub fn alert(id: String, kind: &'static str, data: impl Serialize, now: Timestamp) -> Result<NewAlert, Failure> {
    Ok(NewAlert { id, body: json(&Alert { kind, timestamp: now, data })? })
}

/// The write that raises alerts; one that was raised under its id before stays as it was. Without a webhook
/// they are kept for who asks.
///
/// # Errors
/// A bug if they cannot be JSON.
pub fn raise<P: Deployment>(ports: &P, raised: &[NewAlert], now: Timestamp) -> Result<Write, Failure> {
    alerts::raise(raised, ports.webhook().map(|_| now), now)
}

/// Delivers what is due. Returns how many were taken.
///
/// # Errors
/// What the database fails with; a bug if the webhook's secret is not one.
pub async fn deliver<P: Database + Deployment + Outside + Clock>(ports: &P) -> Result<usize, Failure> {
    let Some(hook) = ports.webhook() else { return Ok(0) };
    let now = ports.now();
    let mut taken = 0;
    for alert in alerts::due(now, DELIVERIES).all(ports).await? {
        let failed = attempt(ports, &hook, &alert, now).await?;
        taken += usize::from(failed.is_none());
        note(&alert, failed.as_deref(), now).run(ports).await?;
    }
    Ok(taken)
}

/// One delivery; why it failed, if it did.
async fn attempt<P: Outside>(
    ports: &P,
    hook: &Webhook,
    alert: &DueAlert,
    now: Timestamp,
) -> Result<Option<String>, Failure> {
    let headers = webhook::headers(&hook.secret, &alert.id, now, &alert.body)?;
    Ok(match ports.post(&hook.url, &headers, alert.body.clone()).await {
        Ok(200..=299) => None,
        Ok(status) => Some(format!("the webhook answered {status}")),
        Err(failure) => Some(failure.why),
    })
}

fn note(alert: &DueAlert, failed: Option<&str>, now: Timestamp) -> Write {
    let Some(why) = failed else { return alerts::note_delivered(&alert.id, now) };
    let next_at = webhook::RETRIES.get(alert.attempts).map(|after| now.plus(*after));
    alerts::note_failed(&alert.id, why, next_at)
}

#[cfg(test)]
mod tests {
    use pipeline::time::{DAY, HOUR};
    use test_platform::{InMemory, ready};

    use super::*;

    fn with_webhook() -> InMemory {
        let memory = InMemory::new(1);
        memory.set_webhook(Webhook {
            url: "https://example.com/hook".to_owned(),
            secret: concat!("whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").to_owned(),
        });
        memory
    }

    fn raised(memory: &InMemory) {
        let alert = alert("one".to_owned(), "budget.threshold_passed", "data", memory.now()).unwrap();
        ready(raise(memory, &[alert], memory.now()).unwrap().run(memory)).unwrap();
    }

    #[test]
    fn an_alert_is_delivered_signed_and_once() {
        let memory = with_webhook();
        raised(&memory);
        raised(&memory);
        assert_eq!(ready(deliver(&memory)).unwrap(), 1);
        assert_eq!(ready(deliver(&memory)).unwrap(), 0);
        let posted = memory.posted();
        assert_eq!(posted.len(), 1);
        assert!(posted[0].headers.contains(&("webhook-id", "one".to_owned())));
        assert!(posted[0].headers.iter().any(|(name, value)| *name == "webhook-signature" && value.starts_with("v1,")));
    }

    #[test]
    fn a_delivery_that_fails_is_repeated_when_it_is_due_and_given_up_in_the_end() {
        let memory = with_webhook();
        raised(&memory);
        memory.fail_outside(usize::MAX);
        assert_eq!(ready(deliver(&memory)).unwrap(), 0);
        assert_eq!(memory.look("SELECT attempts FROM alerts")[0]["attempts"], 1);
        ready(deliver(&memory)).unwrap();
        assert_eq!(memory.look("SELECT attempts FROM alerts")[0]["attempts"], 1, "it is not due");
        for _ in 0..20 {
            memory.advance(DAY);
            ready(deliver(&memory)).unwrap();
        }
        let attempts = memory.look("SELECT attempts, next_at FROM alerts");
        assert_eq!((&attempts[0]["attempts"], attempts[0]["next_at"].is_null()), (&10.into(), true));
    }

    #[test]
    fn without_a_webhook_an_alert_is_kept_for_who_asks() {
        let memory = InMemory::new(1);
        raised(&memory);
        assert_eq!(ready(deliver(&memory)).unwrap(), 0);
        memory.advance(HOUR);
        let kept = ready(alerts::since(memory.now().start_of_day()).all(&memory)).unwrap();
        assert!(kept[0].body.contains("budget.threshold_passed"));
    }
}
