//! Answers that can be given again: to the same user, the same question, in the same state of things.

use pipeline::{
    chat::{
        catalogue::Catalogue,
        turn::{Ask, TurnAnswer},
    },
    failure::Failure,
    fingerprint,
    platform::{object_keys, ports::KeyValue, statement::json},
    tenant::Tenant,
};

/// The name of an answer. It holds all the answer depends on: who asks, the words, how it is to be
/// answered, the models, and the version of what the user's searches find, memories included.
pub fn key(tenant: &Tenant, message: &str, ask: &Ask, catalogue: &Catalogue) -> Result<String, Failure> {
    let words: Vec<&str> = message.split_whitespace().collect();
    // A program means each character that it sends.
    let normalised = if ask.client.is_some() { message.to_owned() } else { words.join(" ").to_lowercase() };
    Ok(fingerprint::of(&[
        tenant.user.as_str().as_bytes(),
        normalised.as_bytes(),
        json(ask)?.as_bytes(),
        catalogue.fingerprint().as_bytes(),
        &tenant.index_version.to_le_bytes(),
        tenant.profile.as_deref().unwrap_or_default().as_bytes(),
    ]))
}

/// The answer under a name; a KV that fails has none.
pub async fn read<P: KeyValue>(ports: &P, key: &str) -> Option<TurnAnswer> {
    serde_json::from_slice(&ports.get_value(&object_keys::cached_response(key)).await.ok()??).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use pipeline::{
        chat::client::{ClientAsk, Sampling},
        ids::UserId,
        time::Timestamp,
    };

    use super::*;

    #[test]
    fn everything_the_answer_depends_on_changes_the_name() {
        let tenant = |byte, index_version| Tenant {
            user: UserId::new(Timestamp::from_milliseconds(0), [byte; 10]),
            number: 1,
            index_version,
            document_count: 0,
            profile: None,
            shared_namespace: None,
            published_at: Timestamp::from_milliseconds(0),
            chunk_words: false,
            memory_words: false,
        };
        let name =
            |tenant: &Tenant, message: &str, ask: &Ask| key(tenant, message, ask, &Catalogue::default()).unwrap();
        let ask = Ask::default();
        let first = name(&tenant(1, 1), "What is it?", &ask);
        assert_eq!(first, name(&tenant(1, 1), " what  is\nIT? ", &ask));
        assert_ne!(first, name(&tenant(2, 1), "What is it?", &ask));
        assert_ne!(first, name(&tenant(1, 2), "What is it?", &ask));
        assert_ne!(first, name(&tenant(1, 1), "What is it", &ask));
        assert_ne!(first, name(&tenant(1, 1), "What is it?", &Ask { max_tokens: Some(5), ..Ask::default() }));
        let client = |sampling| Ask { client: Some(ClientAsk { sampling, ..ClientAsk::default() }), ..Ask::default() };
        let cold = client(Sampling { temperature: Some(0.0), ..Sampling::default() });
        let hot = client(Sampling { temperature: Some(1.0), ..Sampling::default() });
        let seeded = client(Sampling { seed: Some(1), ..Sampling::default() });
        let stopped = ClientAsk { stop: vec!["\n".to_owned()], ..ClientAsk::default() };
        let stopped = Ask { client: Some(stopped), ..Ask::default() };
        let names = [&ask, &cold, &hot, &seeded, &stopped].map(|ask| name(&tenant(1, 1), "What is it?", ask));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert_ne!(names[1], name(&tenant(1, 1), "what is it?", &cold), "a program means each character");
    }
}
