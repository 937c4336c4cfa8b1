//! How often a caller may ask: bursts by the rate-limit binding, a day's quota and a user's share by the ledger.
//!
//! 1. Whom this isolate knows to be banned is refused without a look at anything.
//! 2. Addresses (of IPv6 their networks of 64 bits), then API keys, have a burst of requests in ten seconds.
//! 3. A key has a quota of requests a day, as cron last counted them, and its user a share of what the day has.
//! 4. Who goes on after many refusals is banned: one write of KV (`cache:rate:{caller}`) for the whole ban. Other
//!    isolates ask KV about a caller from the first refusal on: whoever keeps to the limits costs no read.
//!
//! Headers as in draft-ietf-httpapi-ratelimit-headers:
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderName, Request, header};
use pipeline::{
    budget::day::Budget,
    constants,
    platform::{
        isolate::left_of_ban,
        object_keys,
        ports::{Burst, Clock, Isolate, KeyValue, RateLimiter},
    },
    problem::{Code, Problem},
    time::{DAY, Span, Timestamp},
};

use crate::http::reply::Reply;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// A request too many.
#[derive(Debug)]
pub struct Limited {
    /// How long until it may be tried again.
    pub retry_after: Span,
    /// Which policy it broke.
    policy: &'static str,
    /// For its sender.
    detail: String,
}

impl Limited {
    /// As a problem.
    pub fn problem(&self) -> Problem {
        Problem::new(Code::RateLimited, self.detail.clone())
    }

    /// Its headers on the answer that carries the problem.
    pub fn mark(&self, reply: Reply) -> Reply {
        let seconds = self.retry_after.as_seconds();
        let left = format!("\"{}\";r=0;t={seconds}", self.policy);
        reply.with(header::RETRY_AFTER, &seconds.to_string()).with(LIMIT, &left)
    }
}

/// Bits of an IPv6 address that say whose it is: the rest its owner chooses freely, a new one for each request.
const NETWORK_BITS: u32 = 64;

/// Where a request comes from, as Cloudflare names it: an IPv4 address, or the network of an IPv6 address.
pub fn address<B>(request: &Request<B>) -> String {
    let named = request.headers().get("cf-connecting-ip").and_then(|value| value.to_str().ok());
    named.and_then(network).unwrap_or_else(|| "unknown".to_owned())
}

/// The network by which an address is limited; `None` for what is no address.
fn network(address: &str) -> Option<String> {
    Some(match address.trim().parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << (Ipv6Addr::BITS - NETWORK_BITS));
            format!("{}/{NETWORK_BITS}", Ipv6Addr::from_bits(network))
        }
    })
}

/// Admits a caller, or says for how long not.
pub async fn admit<P>(ports: &P, burst: Burst, caller: &str) -> Result<(), Limited>
where
    P: KeyValue + RateLimiter + Isolate + Clock,
{
    let now = ports.now();
    if let Some(left) = ports.with_memory(|memory| memory.banned_for(caller, now)) {
        return Err(banned(left));
    }
    if ports.admit(burst, caller).await {
        let is_suspected = ports.with_memory(|memory| memory.is_suspected(caller, now));
        let left = if is_suspected { find_ban(ports, caller).await } else { None };
        return left.map_or(Ok(()), |left| Err(banned(left)));
    }
    ports.with_memory(|memory| memory.note_refused(caller, now));
    if !ports.admit(Burst::Refused, caller).await && find_ban(ports, caller).await.is_none() {
        ban(ports, caller).await;
    }
    let (quota, of) = match burst {
        Burst::Key => (constants::BURST_PER_KEY, "an API key"),
        Burst::Address | Burst::Refused => (constants::BURST_PER_ADDRESS, "an address"),
    };
    let period = constants::BURST_PERIOD;
    let seconds = period.as_seconds();
    let detail = format!("more than {quota} requests of {of} in {seconds} s; try again in {seconds} s");
    Err(Limited { retry_after: period, policy: "burst", detail })
}

fn banned(left: Span) -> Limited {
    let seconds = left.as_seconds();
    let detail = format!("too many requests, and many after they were refused; try again in {seconds} s");
    Limited { retry_after: left, policy: "ban", detail }
}

/// Holds a key to its quota of the day.
pub fn hold_to_quota(budget: &Budget, used: u64, now: Timestamp) -> Result<(), Limited> {
    let quota = budget.allowances.requests_per_key;
    if used < quota {
        return Ok(());
    }
    let detail = format!("this API key has made its {quota} requests of the day; the next day begins at 00:00 UTC");
    Err(Limited { retry_after: left_of_day(now), policy: "day", detail })
}

/// Holds a user to their share of the day, which is new at midnight.
pub fn hold_to_share(budget: &Budget, now: Timestamp) -> Result<(), Limited> {
    let Some(resource) = budget.refuses_user() else { return Ok(()) };
    Err(Limited { retry_after: left_of_day(now), policy: "share", detail: budget.spent_share_message(resource) })
}

/// What every answer to a key says of its limits.
pub fn announce(reply: Reply, budget: &Budget, used: u64, now: Timestamp) -> Reply {
    let quota = budget.allowances.requests_per_key;
    let (burst, period) = (constants::BURST_PER_KEY, constants::BURST_PERIOD.as_seconds());
    let policy = format!("\"burst\";q={burst};w={period}, \"day\";q={quota};w={}", DAY.as_seconds());
    let reply = reply.with(POLICY, &policy);
    if reply.headers.contains_key(LIMIT) {
        return reply;
    }
    let left = left_of_day(now).as_seconds();
    reply.with(LIMIT, &format!("\"day\";r={};t={left}", quota.saturating_sub(used)))
}

fn left_of_day(now: Timestamp) -> Span {
    now.next_day().since(now)
}

/// How long a caller is banned, as KV knows it and this isolate does from here on. A KV that does not answer holds
/// nobody.
async fn find_ban<P: KeyValue + Isolate + Clock>(ports: &P, caller: &str) -> Option<Span> {
    let value = ports.get_value(&object_keys::penalty(caller)).await.ok()??;
    let until = Timestamp::from_milliseconds(std::str::from_utf8(&value).ok()?.parse().ok()?);
    let left = left_of_ban(until, ports.now())?;
    ports.with_memory(|memory| memory.note_ban(caller, until));
    Some(left)
}

/// A write that fails bans from this isolate alone.
async fn ban<P: KeyValue + Isolate + Clock>(ports: &P, caller: &str) {
    let until = ports.now().plus(constants::BAN);
    ports.with_memory(|memory| memory.note_ban(caller, until));
    let value = until.milliseconds().to_string().into_bytes();
    let _ = ports.put_value(&object_keys::penalty(caller), value, constants::BAN).await;
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use pipeline::budget::{allowances::Allowances, day::Day};

    use super::*;

    #[test]
    fn an_address_is_limited_with_its_network() {
        for (address, by) in [
            ("203.0.113.7", Some("203.0.113.7")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2::/64")),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", Some("2001:db8:1:2::/64")),
            ("2001:0DB8:0001:0002::1", Some("2001:db8:1:2::/64")),
            ("2001:db8:1:3::1", Some("2001:db8:1:3::/64")),
            ("::1", Some("::/64")),
            // The same IPv4 address, however it is written.
            ("::ffff:203.0.113.7", Some("203.0.113.7")),
            ("::ffff:cb00:7107", Some("203.0.113.7")),
            (" 203.0.113.7 ", Some("203.0.113.7")),
            ("fe80::1%eth0", None),
            ("203.0.113.7, 198.51.100.1", None),
            ("nowhere", None),
            ("", None),
        ] {
            assert_eq!(network(address).as_deref(), by, "{address}");
        }
    }

    #[test]
    fn what_a_key_has_left_of_the_day() {
        let now = Timestamp::parse("2026-11-23T23:00:00Z").unwrap();
        let allowances = Allowances { requests_per_key: 10, ..Allowances::default() };
        let budget = Budget::new(allowances, &Day::default());
        assert!(hold_to_quota(&budget, 9, now).is_ok());
        let limited = hold_to_quota(&budget, 10, now).unwrap_err();
        let reply = announce(limited.mark(Reply::from(limited.problem())), &budget, 10, now);
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(reply.headers["retry-after"], "3600");
        assert_eq!(reply.headers["ratelimit"], "\"day\";r=0;t=3600");
        assert_eq!(reply.headers["ratelimit-policy"], "\"burst\";q=100;w=10, \"day\";q=10;w=86400");
    }
}
