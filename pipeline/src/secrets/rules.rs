//! The rules as a table, and how their beginnings are found.

/// How a secret is known.
pub struct Rule {
    /// What it is called: as gitleaks calls it, where it knows it.
    pub name: &'static str,
    /// What it begins with, or what stands before it.
    pub begins: &'static str,
    /// What must follow.
    pub form: Form,
}

/// What must follow the beginning of a rule.
#[derive(Clone, Copy)]
pub enum Form {
    /// It begins a secret of this form.
    Token { before: Before, parts: &'static [Part], holds: &'static str },
    /// It ends a name of what is secret; one of these words must stand before it, if there are any.
    Named(&'static [&'static str]),
    /// It begins a block of PEM.
    PrivateKey,
    /// It begins the authority of a URL.
    Url,
    /// It is an option of programs that send a user's name and password.
    UserOption,
    /// It is the scheme of an `Authorization` header with a token behind it.
    Bearer,
    /// It is the scheme of an `Authorization` header with name and password behind it.
    Basic,
}

/// What may stand before the beginning of a token.
#[derive(Clone, Copy)]
pub enum Before {
    /// Anything.
    Anything,
    /// No letter, digit, `_` or `-`.
    NoWord,
    /// So many of these, which are part of it, and no more.
    Of(u8, usize, usize),
}

/// A part of a token.
#[derive(Clone, Copy)]
pub enum Part {
    /// This.
    Is(&'static str),
    /// From so many to so many of these.
    Of(u8, usize, usize),
}

use Part::{Is, Of};

const A_TO_F: u8 = 1;
const G_TO_Z: u8 = 2;
const UPPER: u8 = 4;
const DIGIT: u8 = 8;
const UNDERSCORE: u8 = 16;
const DASH: u8 = 32;
const PLUS_OR_SLASH: u8 = 64;
const DOT: u8 = 128;

const HEX: u8 = A_TO_F | DIGIT;
const LOWER: u8 = A_TO_F | G_TO_Z | DIGIT;
const CAPITAL: u8 = UPPER | DIGIT;
/// Letters and digits.
pub const ALNUM: u8 = LOWER | UPPER;
const WORD: u8 = ALNUM | UNDERSCORE;
/// What base64 for URLs is made of.
pub const SAFE: u8 = WORD | DASH;
/// What base64 is made of, but for its end.
pub const BASE64: u8 = ALNUM | PLUS_OR_SLASH;
/// `.`, `=` and `~` as well.
pub const ANY: u8 = SAFE | PLUS_OR_SLASH | DOT;

/// Which of those classes each byte is of.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'f' => A_TO_F,
            b'g'..=b'z' => G_TO_Z,
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => DIGIT,
            b'_' => UNDERSCORE,
            b'-' => DASH,
            b'+' | b'/' => PLUS_OR_SLASH,
            b'.' | b'=' | b'~' => DOT,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// True if a byte is of one of these classes.
pub fn is_of(byte: u8, classes: u8) -> bool {
    CLASSES[usize::from(byte)] & classes != 0
}

/// A token that begins a word.
const fn token(name: &'static str, begins: &'static str, parts: &'static [Part]) -> Rule {
    Rule { name, begins, form: Form::Token { before: Before::NoWord, parts, holds: "" } }
}

/// A token that is known wherever it begins: its form holds nothing that another of it could begin with.
const fn anywhere(name: &'static str, begins: &'static str, parts: &'static [Part]) -> Rule {
    Rule { name, begins, form: Form::Token { before: Before::Anything, parts, holds: "" } }
}

/// A token that holds this somewhere.
const fn holding(name: &'static str, begins: &'static str, parts: &'static [Part], holds: &'static str) -> Rule {
    Rule { name, begins, form: Form::Token { before: Before::NoWord, parts, holds } }
}

/// A token that is known by its middle.
const fn around(name: &'static str, before: (u8, usize, usize), middle: &'static str, parts: &'static [Part]) -> Rule {
    let before = Before::Of(before.0, before.1, before.2);
    Rule { name, begins: middle, form: Form::Token { before, parts, holds: "" } }
}

const fn named(begins: &'static str) -> Rule {
    Rule { name: "generic-api-key", begins, form: Form::Named(&[]) }
}

/// Keys that open something: others are in every program.
const KEYS: [&str; 14] = [
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "encryption",
    "signing",
    "master",
    "account",
    "app",
    "application",
    "service",
    "deploy",
    "storage",
];

/// All of them.
pub const RULES: &[Rule] = &[
    token("1password-secret-key", "A3-", &[Of(CAPITAL | DASH, 36, 37)]),
    token("1password-service-account-token", "ops_eyJ", &[Of(BASE64, 250, 4_000)]),
    token("adobe-client-secret", "p8e-", &[Of(ALNUM, 32, 32)]),
    token("age-secret-key", "AGE-SECRET-KEY-1", &[Of(CAPITAL, 58, 58)]),
    token("airtable-personnal-access-token", "pat", &[Of(ALNUM, 14, 14), Is("."), Of(HEX, 64, 64)]),
    token("alibaba-access-key-id", "LTAI", &[Of(ALNUM, 20, 20)]),
    token("anthropic-api-key", "sk-ant-", &[Of(SAFE, 80, 200)]),
    token("artifactory-api-key", "AKCp", &[Of(ALNUM, 69, 69)]),
    token("artifactory-reference-token", "cmVmd", &[Of(ALNUM, 59, 59)]),
    token("atlassian-api-token", "ATATT3", &[Of(SAFE | DOT, 186, 186)]),
    token("aws-access-token", "AKIA", &[Of(CAPITAL, 16, 16)]),
    token("aws-access-token", "ASIA", &[Of(CAPITAL, 16, 16)]),
    token("aws-access-token", "ABIA", &[Of(CAPITAL, 16, 16)]),
    token("aws-access-token", "ACCA", &[Of(CAPITAL, 16, 16)]),
    token("aws-amazon-bedrock-api-key-long-lived", "ABSK", &[Of(BASE64, 109, 269)]),
    token(
        "aws-amazon-bedrock-api-key-short-lived",
        "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t",
        &[Of(BASE64, 20, 4_000)],
    ),
    around("azure-ad-client-secret", (WORD | DOT, 4, 4), "Q~", &[Of(SAFE | DOT, 31, 34)]),
    // Ours. Those of the environment `test` are samples by their name: only tests of this product issue such.
    token("claudes-friend-api-key", "cf_", &[Of(LOWER, 1, 20), Is("_"), Of(LOWER, 16, 16), Is("_"), Of(LOWER, 38, 38)]),
    token("clojars-api-token", "CLOJARS_", &[Of(ALNUM, 60, 60)]),
    token("cloudflare-origin-ca-key", "v1.0-", &[Of(HEX, 24, 24), Is("-"), Of(HEX, 146, 146)]),
    token("databricks-api-token", "dapi", &[Of(HEX, 32, 32)]),
    token("digitalocean-access-token", "doo_v1_", &[Of(HEX, 64, 64)]),
    token("digitalocean-pat", "dop_v1_", &[Of(HEX, 64, 64)]),
    token("digitalocean-refresh-token", "dor_v1_", &[Of(HEX, 64, 64)]),
    token("discord-api-token", "MT", &[Of(SAFE, 22, 26), Is("."), Of(SAFE, 6, 6), Is("."), Of(SAFE, 27, 38)]),
    anywhere("discord-webhook", "/api/webhooks/", &[Of(DIGIT, 17, 20), Is("/"), Of(SAFE, 60, 80)]),
    token("doppler-api-token", "dp.pt.", &[Of(ALNUM, 43, 43)]),
    token("dynatrace-api-token", "dt0c01.", &[Of(ALNUM, 24, 24), Is("."), Of(ALNUM, 64, 64)]),
    token("easypost-api-token", "EZAK", &[Of(ALNUM, 54, 54)]),
    token("easypost-test-api-token", "EZTK", &[Of(ALNUM, 54, 54)]),
    token("flutterwave-secret-key", "FLWSECK_TEST-", &[Of(ALNUM, 32, 32), Is("-X")]),
    token("flyio-access-token", "fo1_", &[Of(SAFE, 43, 43)]),
    token("flyio-access-token", "fm1r_", &[Of(BASE64, 100, 2_000)]),
    token("flyio-access-token", "fm2_", &[Of(BASE64, 100, 2_000)]),
    token("frameio-api-token", "fio-u-", &[Of(SAFE, 64, 64)]),
    token("gcp-api-key", "AIza", &[Of(SAFE, 35, 35)]),
    anywhere("github-app-token", "ghu_", &[Of(ALNUM, 36, 255)]),
    anywhere("github-app-token", "ghs_", &[Of(ALNUM, 36, 255)]),
    token("github-fine-grained-pat", "github_pat_", &[Of(WORD, 82, 255)]),
    anywhere("github-oauth", "gho_", &[Of(ALNUM, 36, 255)]),
    anywhere("github-pat", "ghp_", &[Of(ALNUM, 36, 255)]),
    anywhere("github-refresh-token", "ghr_", &[Of(ALNUM, 36, 255)]),
    token("gitlab-cicd-job-token", "glcbt-", &[Of(ALNUM, 1, 5), Is("_"), Of(SAFE, 20, 64)]),
    token("gitlab-deploy-token", "gldt-", &[Of(SAFE, 20, 64)]),
    token("gitlab-feature-flag-client-token", "glffct-", &[Of(SAFE, 20, 64)]),
    token("gitlab-feed-token", "glft-", &[Of(SAFE, 20, 64)]),
    token("gitlab-incoming-mail-token", "glimt-", &[Of(SAFE, 25, 64)]),
    token("gitlab-kubernetes-agent-token", "glagent-", &[Of(SAFE, 50, 100)]),
    token("gitlab-oauth-app-secret", "gloas-", &[Of(SAFE, 64, 64)]),
    // Routable ones have a dot in them.
    token("gitlab-pat", "glpat-", &[Of(SAFE | DOT, 20, 320)]),
    token("gitlab-ptt", "glptt-", &[Of(HEX, 40, 40)]),
    token("gitlab-rrt", "GR1348941", &[Of(SAFE, 20, 20)]),
    token("gitlab-runner-authentication-token", "glrt-", &[Of(SAFE | DOT, 20, 320)]),
    token("gitlab-scim-token", "glsoat-", &[Of(SAFE, 20, 64)]),
    token("grafana-cloud-api-token", "glc_", &[Of(BASE64, 32, 400)]),
    token("grafana-service-account-token", "glsa_", &[Of(ALNUM, 32, 32), Is("_"), Of(ALNUM, 8, 8)]),
    around("hashicorp-tf-api-token", (ALNUM, 14, 14), ".atlasv1.", &[Of(SAFE | DOT, 60, 70)]),
    token("heroku-api-key-v2", "HRKU-AA", &[Of(SAFE, 58, 58)]),
    token("huggingface-access-token", "hf_", &[Of(ALNUM, 34, 40)]),
    token("huggingface-organization-api-token", "api_org_", &[Of(ALNUM, 34, 34)]),
    token("infracost-api-token", "ico-", &[Of(ALNUM, 32, 32)]),
    token(
        "jwt",
        "eyJ",
        &[Of(SAFE, 16, 2_000), Is(".ey"), Of(SAFE | PLUS_OR_SLASH, 17, 8_000), Is("."), Of(SAFE, 10, 2_000)],
    ),
    token("linear-api-key", "lin_api_", &[Of(ALNUM, 40, 40)]),
    anywhere(
        "microsoft-teams-webhook",
        "webhook.office.com/webhookb2/",
        &[Of(HEX | DASH, 36, 36), Is("@"), Of(HEX | DASH, 36, 36), Is("/IncomingWebhook/"), Of(LOWER, 32, 32)],
    ),
    token("new-relic-user-api-key", "NRAK-", &[Of(ALNUM, 27, 27)]),
    token("notion-api-token", "ntn_", &[Of(DIGIT, 11, 11), Of(ALNUM, 35, 35)]),
    token("npm-access-token", "npm_", &[Of(ALNUM, 36, 36)]),
    holding("openai-api-key", "sk-", &[Of(SAFE, 40, 220)], "T3BlbkFJ"),
    token("openshift-user-token", "sha256~", &[Of(SAFE, 43, 43)]),
    token("perplexity-api-key", "pplx-", &[Of(ALNUM, 48, 48)]),
    token("planetscale-api-token", "pscale_tkn_", &[Of(SAFE | DOT, 32, 64)]),
    token("planetscale-oauth-token", "pscale_oauth_", &[Of(SAFE | DOT, 32, 64)]),
    token("planetscale-password", "pscale_pw_", &[Of(SAFE | DOT, 32, 64)]),
    token("postman-api-token", "PMAK-", &[Of(HEX, 24, 24), Is("-"), Of(HEX, 34, 34)]),
    token("prefect-api-token", "pnu_", &[Of(ALNUM, 36, 36)]),
    Rule { name: "private-key", begins: "BEGIN", form: Form::PrivateKey },
    token("pulumi-api-token", "pul-", &[Of(HEX, 40, 40)]),
    token("pypi-upload-token", "pypi-AgEIcHlwaS5vcmc", &[Of(SAFE, 50, 1_000)]), // gitleaks:allow
    token("readme-api-token", "rdme_", &[Of(LOWER, 70, 70)]),
    token("rubygems-api-token", "rubygems_", &[Of(HEX, 48, 48)]),
    token("scalingo-api-token", "tk-us-", &[Of(SAFE, 48, 48)]),
    token("sendgrid-api-token", "SG.", &[Of(SAFE, 22, 22), Is("."), Of(SAFE, 43, 43)]),
    token("sendinblue-api-token", "xkeysib-", &[Of(HEX, 64, 64), Is("-"), Of(ALNUM, 16, 16)]),
    token("sentry-org-token", "sntrys_eyJpYXQiO", &[Of(BASE64 | DOT, 20, 400), Is("_"), Of(BASE64, 43, 43)]),
    token("sentry-user-token", "sntryu_", &[Of(HEX, 64, 64)]),
    token("shippo-api-token", "shippo_live_", &[Of(HEX, 40, 40)]),
    token("shippo-api-token", "shippo_test_", &[Of(HEX, 40, 40)]),
    anywhere("shopify-access-token", "shpat_", &[Of(HEX, 32, 32)]),
    anywhere("shopify-custom-access-token", "shpca_", &[Of(HEX, 32, 32)]),
    anywhere("shopify-private-app-access-token", "shppa_", &[Of(HEX, 32, 32)]),
    anywhere("shopify-shared-secret", "shpss_", &[Of(HEX, 32, 32)]),
    token(
        "slack-app-token",
        "xapp-",
        &[Of(DIGIT, 1, 1), Is("-"), Of(CAPITAL, 1, 30), Is("-"), Of(DIGIT, 1, 30), Is("-"), Of(LOWER, 16, 128)],
    ),
    token("slack-bot-token", "xoxb-", &[Of(DIGIT, 8, 14), Is("-"), Of(ALNUM | DASH, 18, 80)]),
    token("slack-config-refresh-token", "xoxe-", &[Of(ALNUM | DASH, 28, 200)]),
    token("slack-legacy-token", "xoxo-", &[Of(DIGIT, 1, 20), Is("-"), Of(ALNUM | DASH, 10, 200)]),
    token("slack-legacy-token", "xoxs-", &[Of(DIGIT, 1, 20), Is("-"), Of(ALNUM | DASH, 10, 200)]),
    token("slack-legacy-workspace-token", "xoxa-", &[Of(ALNUM | DASH, 10, 100)]),
    token("slack-legacy-workspace-token", "xoxr-", &[Of(ALNUM | DASH, 10, 100)]),
    token("slack-user-token", "xoxp-", &[Of(DIGIT, 1, 13), Is("-"), Of(ALNUM | DASH, 28, 200)]),
    anywhere("slack-webhook-url", "hooks.slack.com/services/", &[Of(BASE64, 43, 56)]),
    anywhere("slack-webhook-url", "hooks.slack.com/workflows/", &[Of(BASE64, 43, 56)]),
    anywhere("slack-webhook-url", "hooks.slack.com/triggers/", &[Of(BASE64, 43, 56)]),
    token("sourcegraph-access-token", "sgp_", &[Of(LOWER | UNDERSCORE, 40, 57)]),
    token("square-access-token", "sq0atp-", &[Of(SAFE, 22, 60)]),
    token("stripe-access-token", "sk_live_", &[Of(ALNUM, 10, 120)]),
    token("stripe-access-token", "sk_test_", &[Of(ALNUM, 10, 120)]),
    token("stripe-access-token", "rk_live_", &[Of(ALNUM, 10, 120)]),
    token("stripe-access-token", "rk_test_", &[Of(ALNUM, 10, 120)]),
    around("telegram-bot-api-token", (DIGIT, 5, 16), ":A", &[Of(SAFE, 34, 34)]),
    token("twilio-api-key", "SK", &[Of(HEX, 32, 32)]),
    token("vault-batch-token", "hvb.", &[Of(SAFE, 138, 300)]),
    token("vault-service-token", "hvs.", &[Of(SAFE, 90, 120)]),
    // Names and places.
    named("password"),
    named("passwd"),
    named("passwort"),
    named("passphrase"),
    named("pwd"),
    named("secret"),
    named("token"),
    named("credential"),
    named("credentials"),
    named("creds"),
    named("_auth"),
    named("\"auth"),
    Rule { name: "generic-api-key", begins: "key", form: Form::Named(&KEYS) },
    Rule { name: "url-password", begins: "://", form: Form::Url },
    Rule { name: "curl-auth-user", begins: " -u ", form: Form::UserOption },
    Rule { name: "curl-auth-user", begins: "--user ", form: Form::UserOption },
    Rule { name: "authorization-bearer", begins: "bearer ", form: Form::Bearer },
    Rule { name: "authorization-basic", begins: "basic ", form: Form::Basic },
];

impl Rule {
    /// True if its beginning stands here. Tokens are as they are spelt, names are not.
    pub fn begins_at(&self, bytes: &[u8], start: usize) -> bool {
        let Some(here) = bytes.get(start..start + self.begins.len()) else { return false };
        match self.form {
            Form::Token { .. } => here == self.begins.as_bytes(),
            _ => here.eq_ignore_ascii_case(self.begins.as_bytes()),
        }
    }
}

/// Bits of a byte that count in the bitmap: letters are alike in both cases.
const COUNTED: u8 = 31;
/// So many pairs of such bytes.
const PAIRS: usize = 1 << 10;

/// The first two bytes of a rule, as the bitmap counts them.
const fn pair(first: u8, second: u8) -> usize {
    ((first & COUNTED) as usize) << 5 | (second & COUNTED) as usize
}

/// What stands third where a rule begins with these two: a bit for each byte, as the bitmap counts it.
#[inline]
pub fn third(first: u8, second: u8) -> u32 {
    THIRDS[pair(first, second)]
}

/// True if this byte is among those.
#[inline]
pub const fn is_among(thirds: u32, byte: u8) -> bool {
    thirds >> (byte & COUNTED) & 1 != 0
}

/// For each two bytes that rules begin with, what stands third.
static THIRDS: [u32; PAIRS] = {
    let mut map = [0; PAIRS];
    let mut place = 0;
    while place < RULES.len() {
        let begins = RULES[place].begins.as_bytes();
        let mut third = 0;
        while third < 128 {
            let is_third = if begins.len() > 2 { begins[2] == third } else { may_follow(&RULES[place].form, third) };
            if is_third {
                map[pair(begins[0], begins[1])] |= 1 << (third & COUNTED);
            }
            third += 1;
        }
        place += 1;
    }
    map
};

/// True for what can be the first byte behind a beginning.
const fn may_follow(form: &Form, byte: u8) -> bool {
    match form {
        Form::Token { parts, .. } => match parts[0] {
            Is(text) => text.as_bytes()[0] == byte,
            Of(classes, ..) => CLASSES[byte as usize] & classes != 0,
        },
        _ => true,
    }
}

/// The rules in the order of their first bytes.
static ORDER: [u8; RULES.len()] = order().0;
/// Where in that order those begin whose first bytes have these bits.
static STARTS: [u8; COUNTED as usize + 2] = order().1;

#[expect(clippy::cast_possible_truncation, reason = "the assertion holds it below 256")]
const fn order() -> ([u8; RULES.len()], [u8; COUNTED as usize + 2]) {
    assert!(RULES.len() < 256, "a byte counts them");
    let (mut order, mut starts) = ([0; RULES.len()], [0; COUNTED as usize + 2]);
    let (mut filled, mut first) = (0, 0);
    while first <= COUNTED {
        starts[first as usize] = filled as u8;
        let mut place = 0;
        while place < RULES.len() {
            if RULES[place].begins.as_bytes()[0] & COUNTED == first {
                order[filled] = place as u8;
                filled += 1;
            }
            place += 1;
        }
        first += 1;
    }
    starts[first as usize] = filled as u8;
    (order, starts)
}

/// The rules that may begin with this byte.
pub fn beginning_with(byte: u8) -> impl Iterator<Item = &'static Rule> {
    let first = usize::from(byte & COUNTED);
    let places = usize::from(STARTS[first])..usize::from(STARTS[first + 1]);
    ORDER.get(places).unwrap_or_default().iter().filter_map(|place| RULES.get(usize::from(*place)))
}
