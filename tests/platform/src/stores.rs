//! Objects, values and messages in memory.

use data_encoding::HEXLOWER;
use pipeline::{
    constants,
    failure::Failure,
    job::message::{Message, Stage},
    platform::{
        asked::Asked,
        object_keys,
        ports::{Clock as _, KeyValue, Object, ObjectStore, PutIf, Queue, UnreadBody},
    },
    time::{MINUTE, Span},
};
use sha2::Digest as _;

use crate::{in_memory::InMemory, service::Service};

impl ObjectStore for InMemory {
    async fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Option<Object>, Failure> {
        self.count(|usage| usage.r2_class_b += 1);
        self.call(Service::Objects, || {
            let objects = self.objects.borrow();
            let Some((bytes, version)) = objects.get(key) else { return Ok(None) };
            let bytes = match range {
                Some((start, end)) => {
                    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                    bytes[at(start)..at(end)].to_vec()
                }
                None => bytes.clone(),
            };
            Ok(Some(Object { bytes, etag: version.to_string() }))
        })
        .await
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, condition: PutIf) -> Result<bool, Failure> {
        self.count(|usage| usage.r2_class_a += 1);
        self.call(Service::Objects, || {
            let mut objects = self.objects.borrow_mut();
            let holds = match (&condition, objects.get(key)) {
                (PutIf::Always, _) | (PutIf::Absent, None) => true,
                (PutIf::Absent, Some(_)) | (PutIf::Unchanged(_), None) => false,
                (PutIf::Unchanged(etag), Some((_, version))) => *etag == version.to_string(),
            };
            if holds {
                self.versions.set(self.versions.get() + 1);
                objects.insert(key.to_owned(), (bytes, self.versions.get()));
            }
            Ok(holds)
        })
        .await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), Failure> {
        self.call(Service::Objects, || {
            self.objects.borrow_mut().retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<String>, Failure> {
        self.count(|usage| usage.r2_class_a += 1);
        self.call(Service::Objects, || {
            let objects = self.objects.borrow();
            let keys = objects
                .keys()
                .filter(|key| key.starts_with(prefix) && start_after.is_none_or(|start| key.as_str() > start));
            Ok(keys.take(1_000).cloned().collect())
        })
        .await
    }
}

impl UnreadBody for InMemory {
    async fn store_body(&self, key: &str, length: u64) -> Result<String, Failure> {
        let body = self.body.borrow().clone();
        if self.body_breaks_off.get() || body.len() as u64 != length {
            return Err(Failure::transient("the body broke off"));
        }
        let content = HEXLOWER.encode(&sha2::Sha256::digest(&body));
        self.put(key, body, PutIf::Always).await?;
        Ok(content)
    }
}

impl Queue for InMemory {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Failure> {
        self.count(|usage| usage.queue_operations += messages.len() as u64);
        // As in production: a request for each stage and a hundred messages.
        let requests: usize = Stage::ALL
            .iter()
            .map(|stage| messages.iter().filter(|message| message.stage == *stage).count())
            .map(|count| count.div_ceil(constants::MESSAGES_PER_SEND))
            .sum();
        for _ in 1..requests {
            self.ask(Asked::count_subrequest)?;
        }
        self.call(Service::Queue, || {
            self.queue.borrow_mut().extend(messages);
            Ok(())
        })
        .await
    }
}

impl KeyValue for InMemory {
    async fn get_value(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        // As an isolate does, which asks KV once a minute about what every request asks.
        let fresh = self.seen.borrow().get(key).is_some_and(|at| self.now().since(*at) < MINUTE);
        if !fresh || !object_keys::is_asked_always(key) {
            self.count(|usage| usage.kv_reads += 1);
            self.ask(Asked::count_subrequest)?;
            self.seen.borrow_mut().insert(key.to_owned(), self.now());
        }
        self.attempt(Service::Values, || Ok(self.values.borrow().get(key).cloned())).await
    }

    async fn put_value(&self, key: &str, value: Vec<u8>, _kept: Span) -> Result<(), Failure> {
        self.count(|usage| usage.kv_writes += 1);
        self.call(Service::Values, || {
            self.values.borrow_mut().insert(key.to_owned(), value);
            Ok(())
        })
        .await
    }
}
