//! The map of the API: every route, its methods and its handler.

use std::sync::OnceLock;

use http::Method;
use matchit::Router;
use pipeline::failure::Failure;

use crate::{
    api::{
        chat, conversations, dead_letters, documents, index, jobs, keys, me, memories, openai, search, sessions, usage,
    },
    http::{
        call::{Call, Platform, Settings},
        reply::{Answer, Refusal},
    },
};

/// A route of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/health`
    Health,
    /// `/openapi.json`
    OpenApi,
    /// `/api/index`
    Index,
    /// `/api/jobs`
    Jobs,
    /// `/api/jobs/{id}`
    Job,
    /// `/api/jobs/{id}/events`
    JobEvents,
    /// `/api/jobs/{id}/cancel`
    JobCancel,
    /// `/api/jobs/{id}/retry`
    JobRetry,
    /// `/api/documents`
    Documents,
    /// `/api/documents/{id}`
    Document,
    /// `/api/documents/{id}/original`
    DocumentOriginal,
    /// `/api/search`
    Search,
    /// `/api/keys`
    Keys,
    /// `/api/keys/{id}`
    Key,
    /// `/api/usage`
    Usage,
    /// `/api/dead-letters`
    DeadLetters,
    /// `/api/dead-letters/{id}/replay`
    DeadLetterReplay,
    /// `/api/chat`
    Chat,
    /// `/api/conversations`
    Conversations,
    /// `/api/conversations/{id}`
    Conversation,
    /// `/api/memory`
    Memories,
    /// `/api/memory/{id}`
    Memory,
    /// `/api/memory/{id}/confirm`
    MemoryConfirm,
    /// `/api/me`
    Me,
    /// `/api/session`
    Sessions,
    /// `/api/session/{id}`
    Session,
    /// `/api/session/{id}/tickets`
    SessionTickets,
    /// `/api/session/{id}/ws`
    SessionJoin,
    /// `/v1/chat/completions`
    Completions,
    /// `/v1/models`
    Models,
}

/// Path, route, and the methods it answers to.
pub const ROUTES: [(&str, Route, &[Method]); 30] = [
    ("/health", Route::Health, &[Method::GET]),
    ("/openapi.json", Route::OpenApi, &[Method::GET]),
    ("/api/index", Route::Index, &[Method::POST]),
    ("/api/jobs", Route::Jobs, &[Method::GET]),
    ("/api/jobs/{id}", Route::Job, &[Method::GET]),
    ("/api/jobs/{id}/events", Route::JobEvents, &[Method::GET]),
    ("/api/jobs/{id}/cancel", Route::JobCancel, &[Method::POST]),
    ("/api/jobs/{id}/retry", Route::JobRetry, &[Method::POST]),
    ("/api/documents", Route::Documents, &[Method::GET]),
    ("/api/documents/{id}", Route::Document, &[Method::GET, Method::DELETE]),
    ("/api/documents/{id}/original", Route::DocumentOriginal, &[Method::GET]),
    ("/api/search", Route::Search, &[Method::POST]),
    ("/api/keys", Route::Keys, &[Method::GET, Method::POST]),
    ("/api/keys/{id}", Route::Key, &[Method::DELETE]),
    ("/api/usage", Route::Usage, &[Method::GET]),
    ("/api/dead-letters", Route::DeadLetters, &[Method::GET]),
    ("/api/dead-letters/{id}/replay", Route::DeadLetterReplay, &[Method::POST]),
    ("/api/chat", Route::Chat, &[Method::POST]),
    ("/api/conversations", Route::Conversations, &[Method::GET]),
    ("/api/conversations/{id}", Route::Conversation, &[Method::GET, Method::DELETE]),
    ("/api/memory", Route::Memories, &[Method::GET, Method::POST]),
    ("/api/memory/{id}", Route::Memory, &[Method::GET, Method::DELETE]),
    ("/api/memory/{id}/confirm", Route::MemoryConfirm, &[Method::POST]),
    ("/api/me", Route::Me, &[Method::GET, Method::PUT]),
    ("/api/session", Route::Sessions, &[Method::GET, Method::POST]),
    ("/api/session/{id}", Route::Session, &[Method::GET, Method::DELETE]),
    ("/api/session/{id}/tickets", Route::SessionTickets, &[Method::POST]),
    ("/api/session/{id}/ws", Route::SessionJoin, &[Method::GET]),
    ("/v1/chat/completions", Route::Completions, &[Method::POST]),
    ("/v1/models", Route::Models, &[Method::GET]),
];

/// Lets the route of a call answer it.
pub async fn dispatch<P: Platform>(ports: &P, settings: &Settings, route: Route, call: &Call<'_>) -> Answer {
    let deletes = *call.request.method() == Method::DELETE;
    let posts = *call.request.method() == Method::POST;
    match route {
        Route::Index => index::index(ports, call).await,
        Route::Jobs => jobs::list(ports, call).await,
        Route::Job => jobs::get(ports, call).await,
        Route::JobEvents => jobs::events(ports, call).await,
        Route::JobCancel => jobs::cancel(ports, call).await,
        Route::JobRetry => jobs::retry(ports, call).await,
        Route::Documents => documents::list(ports, call).await,
        Route::Document if deletes => documents::delete(ports, call).await,
        Route::Document => documents::get(ports, call).await,
        Route::DocumentOriginal => documents::original(ports, call).await,
        Route::Search => search::search(ports, call).await,
        Route::Keys if posts => keys::create(ports, settings, call).await,
        Route::Keys => keys::list(ports, call).await,
        Route::Key => keys::revoke(ports, call).await,
        Route::Usage => usage::usage(ports, call).await,
        Route::DeadLetters => dead_letters::list(ports, call).await,
        Route::DeadLetterReplay => dead_letters::replay(ports, call).await,
        Route::Chat => chat::chat(ports, call).await,
        Route::Conversations => conversations::list(ports, call).await,
        Route::Conversation if deletes => conversations::delete(ports, call).await,
        Route::Conversation => conversations::get(ports, call).await,
        Route::Memories if posts => memories::remember(ports, call).await,
        Route::Memories => memories::list(ports, call).await,
        Route::Memory => memories::one(ports, call).await,
        Route::MemoryConfirm => memories::confirm(ports, call).await,
        Route::Me => me::me(ports, call).await,
        Route::Sessions if posts => sessions::create(ports, call).await,
        Route::Sessions => sessions::list(ports, call).await,
        Route::Session if deletes => sessions::close(ports, call).await,
        Route::Session => sessions::get(ports, call).await,
        Route::SessionTickets => sessions::invite(ports, call).await,
        Route::Completions => openai::complete(ports, call).await,
        Route::Models => Ok(openai::models(ports)),
        // Answered before anybody is asked for a key.
        Route::Health | Route::OpenApi | Route::SessionJoin => {
            Err(Refusal::Failure(Failure::bug("a public route asked for a key")))
        }
    }
}

/// Finds the place of a path in [`ROUTES`].
pub fn router() -> &'static Router<usize> {
    static ROUTER: OnceLock<Router<usize>> = OnceLock::new();
    ROUTER.get_or_init(|| {
        let mut router = Router::new();
        for (place, (path, _, _)) in ROUTES.iter().enumerate() {
            // The table has no conflicting paths; a test inserts them all.
            let _ = router.insert(*path, place);
        }
        router
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_path() {
        for (place, (path, _, _)) in ROUTES.iter().enumerate() {
            let concrete = path.replace("{id}", "job_1");
            assert_eq!(*router().at(&concrete).unwrap().value, place, "{path}");
        }
        assert!(router().at("/api/nothing").is_err());
    }
}
