//! Headers of answers: what the description says of them, and pages of other origins may read.

/// Every header that an answer may carry: its name, whether it is a number, and what it says.
pub(super) const HEADERS: [(&str, bool, &str); 18] = [
    ("X-Request-Id", false, "The request's id, to quote in a report. The Worker's log names it as well."),
    ("RateLimit-Policy", false, "The limits of the key, `q` requests in `w` seconds: of bursts and of the day."),
    ("RateLimit", false, "What is left of the limit that is nearest: `r` requests, for `t` seconds."),
    ("X-Budget", false, "While the day is nearly spent: what is given up, as the README's table says."),
    ("Retry-After", true, "After how many seconds asking again is worth it."),
    ("WWW-Authenticate", false, "`Bearer`: an API key is wanted."),
    ("Location", false, "Where what was made, or the job that makes it, is read."),
    ("Preference-Applied", false, "The preference that was heeded, such as `wait=30`."),
    ("Idempotency-Replayed", false, "`true`, where the answer is that of an earlier request with this key."),
    ("ETag", false, "Distinguishes this state from the next; for `If-None-Match`."),
    ("Cache-Control", false, "How long the answer may be kept; `no-cache`: ask again, with `If-None-Match`."),
    ("X-Degraded", false, "Why the answer is less than was asked for, such as one by keyword alone."),
    ("X-Verdict", false, "What speaks for the answer: `supported`, `partly`, `unsupported`, `unknown` or `nothing`."),
    ("X-Job-Id", false, "The job that answers: `GET /api/jobs/{id}` has it when a connection broke."),
    ("Content-Disposition", false, "`attachment`: what strangers uploaded is never a page of this origin."),
    ("X-Content-Type-Options", false, "`nosniff`."),
    ("X-Should-Retry", false, "`false`, where the SDKs of `/v1` are not to send the request again by themselves."),
    ("Allow", false, "The methods that the path answers to."),
];

/// What pages of other origins may read of an answer beside what browsers let them read anyway.
pub fn exposed() -> String {
    let names: Vec<&str> = HEADERS.iter().map(|(name, ..)| *name).collect();
    names.join(", ")
}
