//! Names in R2 and KV. Every name that holds a user's data holds the user.

use crate::ids::{ClaimToken, ConversationId, ItemId, JobId, UserId};

/// Names the source bytes of a pack.
pub fn pack(user: &UserId, item: ItemId) -> String {
    format!("u/{user}/packs/{item}")
}

/// Where uploads lie as they came. A prefix of its own, as [`VECTORS_PREFIX`].
pub const UPLOADS_PREFIX: &str = "uploads/";

/// Names a streamed upload on its way into packs, by the job it becomes.
pub fn upload(user: &UserId, job: &JobId) -> String {
    format!("{UPLOADS_PREFIX}u/{user}/{job}")
}

/// Returns the job that an [`upload`] key belongs to.
pub fn upload_job(key: &str) -> Option<JobId> {
    JobId::parse(key.strip_prefix(UPLOADS_PREFIX)?.rsplit('/').next()?)
}

/// Where vectors wait between embed and upsert. A prefix of its own, so that what a crash leaves
/// behind can be listed and collected cheaply.
pub const VECTORS_PREFIX: &str = "vectors/";

/// Names one slice of a batch's vectors on their way into the index, by the claim that made it: a
/// worker that lost its claim cannot overwrite what another made since.
pub fn vectors(user: &UserId, item: ItemId, claim: &ClaimToken) -> String {
    format!("{VECTORS_PREFIX}u/{user}/{item}/{claim}")
}

/// Returns the batch a [`vectors`] key belongs to.
pub fn vectors_item(key: &str) -> Option<ItemId> {
    key.strip_prefix(VECTORS_PREFIX)?.rsplit('/').nth(1)?.parse().ok().map(ItemId)
}

/// Names the cached embedding of a query; `hash` covers the model and the text.
pub fn cached_embedding(hash: &str) -> String {
    format!("cache:embed:{hash}")
}

/// Names the cached ranking of a search; `hash` covers the user, the query and the state of the index.
pub fn cached_search(hash: &str) -> String {
    format!("cache:search:{hash}")
}

/// The table of routes and models, if the built-in one does not do.
pub const CONFIGURED_MODELS: &str = "config:models";

/// Allowances, if the Free plan's are not the ones to hold.
pub const CONFIGURED_LIMITS: &str = "config:limits";

/// Names the penalty of a caller who is not answered for a while: an API key's id or an address.
pub fn penalty(caller: &str) -> String {
    format!("cache:rate:{caller}")
}

/// Returns true for what every request may ask about: configuration, and whether its caller is banned. An
/// isolate may answer it from memory for as long as KV answers from its own cache, a minute.
pub fn is_asked_always(key: &str) -> bool {
    key.starts_with("config:") || key.starts_with("cache:rate:")
}

/// Names an archived conversation. The claim makes the name unique: what one worker leaves behind can be
/// removed while another writes.
pub fn archived_conversation(user: &UserId, date: &str, conversation: &ConversationId, claim: &ClaimToken) -> String {
    format!("u/{user}/archives/conversations/{date}/{conversation}-{claim}.json.gz")
}

/// Names a finished month's usage: `2026-10`.
pub fn archived_usage(month: &str) -> String {
    format!("archives/usage/{}.json.gz", month.replace('-', "/"))
}

/// Names an answer that can be given again; `hash` covers the user, the question and all it was answered from.
pub fn cached_response(hash: &str) -> String {
    format!("cache:response:{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vectors_key_names_its_item() {
        let user = UserId::parse("usr_00000000000000000000000000").unwrap();
        let claim = ClaimToken::parse("clm_00000000000000000000000000").unwrap();
        assert_eq!(vectors_item(&vectors(&user, ItemId(12), &claim)), Some(ItemId(12)));
        assert_eq!(vectors_item("u/usr_x/packs/12"), None);
    }
}
