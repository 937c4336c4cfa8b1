//! Signatures of Standard Webhooks, and when a delivery is tried again.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use pipeline::{
    failure::Failure,
    time::{Span, Timestamp},
};
use sha2::Sha256;

/// The time from a failed attempt to the next: the schedule the specification recommends. After the last
/// the delivery is given up.
pub const RETRIES: [Span; 9] = [
    Span::seconds(5),
    Span::minutes(5),
    Span::minutes(30),
    Span::hours(2),
    Span::hours(5),
    Span::hours(10),
    Span::hours(14),
    Span::hours(20),
    Span::hours(24),
];

/// The headers of a delivery. `secret` is `whsec_` and base64.
pub fn headers(secret: &str, id: &str, now: Timestamp, body: &str) -> Result<Vec<(&'static str, String)>, Failure> {
    let seconds = now.seconds();
    Ok(vec![
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature(secret, id, seconds, body)?),
    ])
}

fn signature(secret: &str, id: &str, seconds: i64, body: &str) -> Result<String, Failure> {
    let malformed = || Failure::bug("the webhook's secret is not `whsec_` and base64");
    let key = secret.strip_prefix("whsec_").and_then(|key| BASE64.decode(key.as_bytes()).ok()).ok_or_else(malformed)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| malformed())?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Ok(format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_specifications_example() {
        let secret = concat!("whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(signature("secret", "id", 0, body).is_err());
    }
}
