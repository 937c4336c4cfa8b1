//! `GET /problems/{code}`: what a kind of problem means and what to do, where its `type` leads.

use std::future::{Ready, ready};

use http::{HeaderName, StatusCode, header};
use pipeline::problem::{Code, Problem};

use crate::http::{
    call::PublicCall,
    reply::{Answer, Reply},
};

/// Nothing is loaded and nothing runs.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Answers the route.
pub fn explain<P>(_: &P, call: &PublicCall<'_>) -> Ready<Answer> {
    ready(Code::named(call.id).map(page).ok_or_else(|| not_found().into()))
}

fn not_found() -> Problem {
    let names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    Problem::new(Code::NotFound, format!("there is no such problem; there are {}", names.join(", ")))
}

fn page(code: Code) -> Reply {
    let (title, name, status) = (code.title(), code.name(), code.status());
    let (meaning, what_to_do) = explanation(code);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<h1>{title}</h1>\n\
         <p><code>{name}</code>, HTTP status {status}.</p>\n<p>{meaning}</p>\n<p>{what_to_do}</p>\n\
         <p>Each answer's <code>detail</code> says what was wrong that time, and <code>errors</code> where. \
         <a href=\"/docs\">The whole API</a>.</p>\n</html>\n"
    );
    Reply::bytes(StatusCode::OK, "text/html; charset=utf-8", html.into_bytes())
        .with(header::CONTENT_SECURITY_POLICY, POLICY)
        .with(HeaderName::from_static("x-content-type-options"), "nosniff")
        .with(header::CACHE_CONTROL, "public, max-age=3600")
}

/// What a kind of problem means, and what to do about it. One that is new does not compile without.
#[expect(clippy::too_many_lines, reason = "a page for each kind")]
const fn explanation(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Malformed => (
            "The body is not what its Content-Type says: JSON that ends early or goes on after its end, a form \
             without its boundaries, bytes that are not UTF-8, an archive that cannot be inflated. So is a query \
             string that cannot be read.",
            "Read the place that the detail names, and send the request again as it should be. Sent as it is, it is \
             refused again.",
        ),
        Code::Invalid => (
            "The request was read, and a field, parameter or header of it has a value that it cannot have, is missing, \
             or has a name that nobody knows.",
            "Each of the errors points to a field by JSON Pointer, or names a parameter or header, and says what is \
             allowed there. Change that and send the request again.",
        ),
        Code::Unauthorized => (
            "The request came without an API key, or with one that is mistyped, unknown or revoked. Of a live \
             session: the ticket was used before, or its half minute is over.",
            "Send Authorization: Bearer and the key. A key is shown once, when it is issued; with another key of the \
             same user POST /api/keys issues a new one, without any the administrator of the deployment does.",
        ),
        Code::Forbidden => (
            "Whoever asks is known and may not do this: a page of an origin that the deployment does not allow, a user \
             who names another one, a viewer of a session who writes in it.",
            "Whoever runs the deployment can add a page's origin to ALLOWED_ORIGINS; a program that is no page sends \
             no Origin and is not asked. Leave out another user's id. A session's owner can invite as an editor.",
        ),
        Code::NotFound => (
            "There is nothing at this path or under this id. What belongs to another user is answered like what does \
             not exist.",
            "Compare the id with the list that the detail names. What was deleted, or went by its owner's retention, \
             does not come back.",
        ),
        Code::MethodNotAllowed => ("The path exists and answers to other methods.", "The Allow header lists them."),
        Code::Gone => (
            "It was there, and has expired: what became of an upload's documents, and what failed in a job, is kept \
             for seven days after the job has ended.",
            "Nothing brings it back. GET /api/documents lists what is indexed; upload, ask or delete again instead.",
        ),
        Code::Conflict => (
            "Something else is in the way: a request with the same Idempotency-Key that is not answered yet, a job \
             that was cancelled or of which nothing failed, so that nothing can be tried again, a memory that was \
             corrected before, the last key of a user, a session that is closed or full.",
            "The detail says what is in the way. What is under way is worth sending again in a moment; what has ended \
             is not.",
        ),
        Code::LengthRequired => (
            "A body of more than 256 KB is stored as it comes, which takes its length beforehand; this one came \
             without a Content-Length.",
            "Send it from a file, so that your client knows its length, or in smaller parts. tar -c … | curl has none: \
             write the archive to a file first.",
        ),
        Code::TooLarge => (
            "Something is over a limit of size, in bytes or in number: the body, a document, a text, a key, or how \
             many documents, tags, ids or memories there are. Limits of text are counted in bytes of UTF-8, of which \
             many letters take two to four. A number that is outside of its range is invalid instead.",
            "The detail says how large it was and what the limit is. Send less at once, or split it.",
        ),
        Code::UnsupportedType => (
            "The body's Content-Type or Content-Encoding is none that is read, or a document is no text: PDF, images, \
             UTF-16 and other binary content are not indexed.",
            "Send application/json, application/x-ndjson, multipart/form-data, application/x-tar or application/gzip, \
             and convert documents to text in UTF-8 before.",
        ),
        Code::NotUtf8 => (
            "A document was accepted by its name and type, and its bytes turned out to be no UTF-8: another encoding, \
             or no text at all.",
            "Convert it to UTF-8 and upload it again, or leave it out. The other documents of its upload are indexed.",
        ),
        Code::NoText => (
            "A document holds nothing that could be found: an HTML page without text, or nothing but marks.",
            "Leave it out, or upload the text that belongs to it. The other documents of its upload are indexed.",
        ),
        Code::HoldsSecret => (
            "A document, or something to remember, holds what looks like a password, a key or a token, or a document \
             is called like files that do. What is kept here is searched and read by models, so secrets are left out \
             before anything is stored. The detail names the rule, as gitleaks calls it, and the line, and never the \
             secret itself.",
            "Take it out, and out of what it was taken from: a key that was in a text is better replaced. If it is \
             none, write gitleaks:allow on its line, or upload with ?allow_secrets=true, which insists on all \
             documents of that upload. What is remembered says where a secret is kept, not what it is.",
        ),
        Code::KeyReused => (
            "This Idempotency-Key came with another body before. To answer as then would be wrong for this body, and \
             to do it would be wrong for the key.",
            "Make a new key for each request that is not a repetition, such as a random one.",
        ),
        Code::Duplicate => (
            "The same document stands twice in one request: it has the same external_id, or the same name where there \
             is none.",
            "The first of them is indexed. Give the others an external_id of their own, or a path in place of a bare \
             file name.",
        ),
        Code::RateLimited => (
            "Too many requests in ten seconds from this key or address, more than a key has in a day, or a user has \
             had their share of what the day has for all.",
            "Wait as long as Retry-After says; RateLimit says of which limit nothing is left. GET /api/usage is \
             answered all the same, and so are deletes and cancels. Whoever goes on is banned for a while.",
        ),
        Code::Unavailable => (
            "A part of the service is not answering, or something that the day has is spent. Nothing of this request \
             was accepted, unless the detail says so.",
            "Send it again later: in seconds where a part is not answering, after 00:00 UTC where the day is spent. \
             GET /api/usage says which it is.",
        ),
        Code::Internal => (
            "Something went wrong on our side.",
            "Send it again; if it happens again, report the request_id to whoever runs the deployment: their log \
             names it.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::reply::Body;

    #[test]
    fn every_kind_of_problem_has_a_page_where_its_type_leads() {
        for code in Code::ALL {
            assert_eq!(Problem::new(code, "").kind, format!("/problems/{}", code.name()));
            let reply = page(code);
            let Body::Bytes(bytes) = reply.body else { panic!("a page is no stream") };
            let html = String::from_utf8(bytes).unwrap();
            assert!(html.contains(code.title()) && html.contains(code.name()), "{html}");
            let (meaning, what_to_do) = explanation(code);
            for paragraph in [meaning, what_to_do] {
                assert!(paragraph.ends_with('.') && !paragraph.contains(['<', '&']), "{paragraph}");
            }
        }
        assert!(not_found().detail.contains("rate_limited"));
    }
}
