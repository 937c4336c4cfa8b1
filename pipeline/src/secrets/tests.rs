mod properties;

use proptest::prelude::*;

use super::{
    rules::{Before, Form, Part, RULES, is_of},
    *,
};

const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const HEX: &str = "0123456789abcdef";
const CAPITAL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE32: &str = "abcdefghijklmnopqrstuvwxyz234567";
const DIGITS: &str = "0123456789";

/// Characters that look random, and are always the same: no file holds a secret.
fn drawn(alphabet: &str, count: usize) -> String {
    let alphabet = alphabet.as_bytes();
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ (count as u64) << 20 ^ (alphabet.len() as u64);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()])
    };
    (0..count).map(|_| next()).collect()
}

fn rule(text: &str) -> Option<&'static str> {
    find(text).map(|secret| secret.rule)
}

/// What these classes of characters are.
fn alphabet(classes: u8) -> String {
    (0..128).filter(|byte| is_of(*byte, classes)).map(char::from).filter(|c| !".=~".contains(*c)).collect()
}

/// A token of this form, its last part as long as is said.
fn token(begins: &str, before: Before, parts: &[Part], last: impl Fn(usize, usize) -> usize) -> String {
    let mut token = match before {
        Before::Of(classes, least, _) => drawn(&alphabet(classes), least),
        Before::Anything | Before::NoWord => String::new(),
    };
    token.push_str(begins);
    for (place, part) in parts.iter().enumerate() {
        match *part {
            Part::Is(text) => token.push_str(text),
            Part::Of(classes, least, most) => {
                let is_last = parts[place + 1..].iter().all(|part| matches!(part, Part::Is(_)));
                token.push_str(&drawn(&alphabet(classes), if is_last { last(least, most) } else { least }));
            }
        }
    }
    token
}

#[test]
fn each_form_of_the_table_is_found_whole_and_not_where_a_character_is_missing_or_too_many() {
    let mut tried = 0;
    for Rule { name, begins, form } in RULES {
        let Form::Token { before, parts, holds: "" } = *form else { continue };
        tried += 1;
        let whole = token(begins, before, parts, |least, most| least.max(10).min(most));
        let found = find(&whole).map(|secret| (secret.rule, secret.text));
        assert_eq!(found, Some((*name, whole.as_str())), "{begins}");
        let short = token(begins, before, parts, |least, _| least - 1);
        assert_ne!(rule(&short), Some(*name), "{short}");
        let long = token(begins, before, parts, |_, most| most + 1);
        assert_ne!(rule(&long), Some(*name), "{begins}: {} bytes", long.len());
        let sample = token(begins, before, parts, |least, _| least).replace(|c: char| c.is_ascii_alphanumeric(), "x");
        assert_eq!(rule(&sample), None, "{sample}");
    }
    assert!(tried > 90, "{tried} rules");
}

/// Secrets of the services that the rules must know, put together here.
fn known() -> Vec<(&'static str, String)> {
    let (alnum, hex) = (|count| drawn(ALNUM, count), |count| drawn(HEX, count));
    let jwt = |part: &str| data_encoding::BASE64URL_NOPAD.encode(part.as_bytes());
    let [header, payload] = [r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"sub":"u-71","iat":1764198123}"#].map(jwt);
    let cf = format!("cf_live_{}_{}", drawn(BASE32, 16), drawn(BASE32, 38));
    vec![
        ("aws-access-token", format!("AKIA{}", drawn(CAPITAL, 16))),
        ("aws-access-token", format!("ASIA{}", drawn(CAPITAL, 16))),
        ("github-pat", format!("ghp_{}", alnum(36))),
        ("github-oauth", format!("gho_{}", alnum(36))),
        ("github-app-token", format!("ghu_{}", alnum(36))),
        ("github-app-token", format!("ghs_{}", alnum(36))),
        ("github-refresh-token", format!("ghr_{}", alnum(36))),
        ("github-fine-grained-pat", format!("github_pat_{}_{}", alnum(22), alnum(59))),
        ("gitlab-pat", format!("glpat-{}", alnum(20))),
        ("slack-bot-token", format!("xoxb-{}-{}-{}", drawn(DIGITS, 12), drawn(DIGITS, 13), alnum(24))),
        ("slack-webhook-url", format!("hooks.slack.com/services/T{}/B{}/{}", alnum(9), alnum(9), alnum(24))),
        ("stripe-access-token", format!("sk_live_{}", alnum(24))),
        ("openai-api-key", format!("sk-proj-{}T3BlbkFJ{}", alnum(74), alnum(74))),
        ("openai-api-key", format!("sk-{}T3BlbkFJ{}", alnum(20), alnum(20))),
        ("anthropic-api-key", format!("sk-ant-api03-{}AA", alnum(93))),
        ("gcp-api-key", format!("AIza{}", alnum(35))),
        ("npm-access-token", format!("npm_{}", alnum(36))),
        ("pypi-upload-token", format!("pypi-AgEIcHlwaS5vcmc{}", alnum(80))),
        ("sendgrid-api-token", format!("SG.{}.{}", alnum(22), alnum(43))),
        ("twilio-api-key", format!("SK{}", hex(32))),
        ("telegram-bot-api-token", format!("{}:AA{}", drawn(DIGITS, 10), alnum(33))),
        ("discord-api-token", format!("MTI{}.{}.{}", alnum(23), alnum(6), alnum(38))),
        ("digitalocean-pat", format!("dop_v1_{}", hex(64))),
        ("huggingface-access-token", format!("hf_{}", drawn(&ALNUM[..52], 34))),
        ("jwt", format!("{header}.{payload}.{}", alnum(43))),
        ("claudes-friend-api-key", cf),
    ]
}

#[test]
fn the_keys_of_well_known_services_are_found_wherever_they_stand() {
    for (name, secret) in known() {
        for text in [
            secret.clone(),
            format!("{secret}\n"),
            format!("first\r\n{secret}\r\nlast"),
            format!("key={secret}&more=1"),
            format!("ANYTHING: {secret}"),
            format!("{{\"a\": \"{secret}\"}}"),
            format!("{{\\\"a\\\": \\\"{secret}\\\"}}"),
            format!("one\\n{secret}\\ntwo"),
            format!("api_token = '{secret}'"),
            format!("Sent with {secret}."),
            format!("🔑{secret}🔑"),
        ] {
            let found = find(&text).unwrap_or_else(|| panic!("{name} is not found in {text}"));
            assert_eq!((found.rule, found.text), (name, secret.as_str()), "{text}");
            let withheld = withhold(&text);
            assert!(withheld.contains(&format!("[withheld: {name}]")) && !withheld.contains(&secret), "{withheld}");
        }
    }
}

#[test]
fn a_key_that_is_cut_in_two_or_stands_inside_of_a_word_is_none() {
    for (name, secret) in known() {
        if !["jwt", "sendgrid-api-token", "discord-api-token"].contains(&name) {
            let (begin, end) = secret.split_at(secret.len() / 2);
            assert_eq!(rule(&format!("{begin}\n{end}")), None, "{name}");
        }
        let samples = [format!("{}…", &secret[..12]), format!("{}EXAMPLE", &secret[..secret.len() - 7])];
        for sample in samples.iter().filter(|_| name != "discord-api-token") {
            assert_ne!(rule(sample), Some(name), "{sample}");
        }
    }
    assert_eq!(rule(&format!("x{}", known()[0].1)), None);
}

/// A key in PEM, of this label.
fn pem(label: &str, end: &str) -> String {
    let lines: Vec<String> = (60..=64).map(|length| drawn(ALNUM, length)).collect();
    format!("-----BEGIN {label}-----{end}{}{end}-----END {label}-----", lines.join(end))
}

#[test]
fn a_private_key_is_withheld_from_its_first_to_its_last_line() {
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
        for end in ["\n", "\r\n", "\\n", "\n    "] {
            let text = format!("before\n{}\nafter", pem(label, end));
            assert_eq!(withhold(&text), "before\n[withheld: private-key]\nafter", "{label} {end:?}");
        }
    }
    let headers = pem("RSA PRIVATE KEY", "\n").replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1);
    assert_eq!(withhold(&headers), "[withheld: private-key]");
    let cut = pem("PRIVATE KEY", "\n");
    let cut = cut.split("-----END").next().unwrap();
    assert_eq!(withhold(cut), "[withheld: private-key]", "though its end is missing");
    for harmless in [
        pem("PUBLIC KEY", "\n"),
        pem("CERTIFICATE", "\n"),
        "if text.starts_with(\"-----BEGIN PRIVATE KEY-----\") { return read_key(text, \"-----END PRIVATE KEY-----\") }"
            .into(),
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----".into(),
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", "A".repeat(64)),
    ] {
        assert_eq!(rule(&harmless), None, "{harmless}");
    }
}

#[test]
fn what_is_assigned_to_a_name_that_says_so_is_found_if_it_looks_random() {
    let value = drawn(ALNUM, 24);
    for text in [
        format!("password = \"{value}\""),
        format!("DB_PASSWORD={value}"),
        format!("export API_KEY='{value}'\n"),
        format!("\"client_secret\": \"{value}\","),
        format!("\\\"token\\\":\\\"{value}\\\""),
        format!("clientSecret: `{value}`"),
        format!("config[\"api-key\"] = b\"{value}\""),
        format!("const ACCESS_KEY: &str = \"{value}\";"),
        format!("static const char password[] = \"{value}\";"),
        format!("let token = process.env.TOKEN || \"{value}\""),
        format!("os.getenv(\"AUTH_TOKEN\", \"{value}\")"),
        format!("SECRET_KEY_BASE: {value}"),
        format!("password1: {value}"),
        format!("<password>{value}</password>"),
        format!("deploy --auth-token {value} --now"),
        format!("https://host/path?access_token={value}&page=2"),
        format!("**Password:** {value}"),
        format!("the API key is {value}."),
        format!("//registry.npmjs.org/:_authToken={value}"),
        format!("if token == '{value}' {{"),
        format!("secret := \"{value}\""),
    ] {
        let found = find(&text).unwrap_or_else(|| panic!("not found: {text}"));
        assert_eq!((found.rule, found.text), ("generic-api-key", value.as_str()), "{text}");
    }
    let marks = format!("{}#q7{}!Z", drawn(ALNUM, 4), drawn(ALNUM, 3));
    assert_eq!(rule(&format!("password: '{marks}'")), Some("generic-api-key"), "{marks}");
}

#[test]
fn source_code_and_samples_are_not_found() {
    let (value, hex) = (drawn(ALNUM, 24), drawn(HEX, 40));
    let image = drawn(&format!("{ALNUM}+/"), 60_000);
    for text in [
        "password: String",
        "password = \"hunter2\"",
        "token = next_token()",
        "let token = self.tokens.next2().unwrap();",
        "api_key = os.environ[\"API_KEY\"]",
        "API_KEY=${API_KEY}",
        "password: {{ .Values.password1 }}",
        "secret_key = \"your-secret-key-goes-here-2026\"",
        "token: \"a1b2c3d4e5f6g7h8i9j0\"",
        "token = \"abcdefghijkl0123456789\"",
        "password = \"correct-horse-battery-staple-42\"",
        "password: 'P4ssw0rd-2026-Xq'",
        "const TOKEN_BYTES: usize = 32;",
        "token_type = \"urn:ietf:params:oauth:token-type:jwt2\"",
        "secret: SecretString::from(read_secret_from_file(2))",
        "fn password(&self) -> Option<&Password> { self.password2.as_ref() }",
        "Authorization: Bearer $TOKEN",
        "Authorization: Bearer <your token here>",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Basic authentication and bearer tokens are explained below",
        "postgres://user:pass@db.internal/app",
        "postgres://app:$PASSWORD@db.internal/app",
        "http://user:pass%5B%7F@foo/",
        "http://ada:123,foo:bar@foo/",
        "private_key: PKCS7PrivateKeyTypes",
        "auth_token: sk-9876543210abcdef",
        "access_token = \"eyJhbGciOiJIUzI1NiIs...\"",
        "ghp_PersonalAccessToken01245678900000000",
        "key = \"-----BEGIN RSA PRIVATE KEY-----\n\\\n-----END RSA PRIVATE KEY-----\"; \
         aNameThatIsLongerThanALineOfAKey2IsHere3AndGoesOn",
        "https://ada:secret@github.com/owner/name",
        "docker run -u 1000:1000 image",
        "sort -u :x1y2z3w4v5",
    ] {
        assert_eq!(rule(text), None, "{text}");
    }
    for text in [
        format!("token = \"{}\"", "9b2e0a6e-6f8a-4b6f-9a53-2f4a7a0c3d11"),
        format!("commit {hex}"),
        format!("checksum = \"{}\"", drawn(HEX, 64)),
        format!("\"integrity\": \"sha512-{}==\"", drawn(ALNUM, 86)),
        format!("\"next_page_token\": \"{value}\""),
        format!("password_hash = \"{hex}\""),
        format!("token(&{value})"),
        format!("secret = {value}::new()"),
        format!("key = \"{value}\""),
        format!("tokenizer = \"{value}\""),
        format!("![](data:image/png;base64,{image})"),
        format!("password=\n{value}"),
        format!("postgres://app:{value}@localhost/app"),
        format!("https://{value}@host/path"),
        ["AKIAIOSFODNN7", "EXAMPLE"].concat(),
        format!("cf_test_{}_{}", drawn(BASE32, 16), drawn(BASE32, 38)),
    ] {
        assert_eq!(rule(&text), None, "{text}");
    }
}

#[test]
fn passwords_are_found_where_a_protocol_has_its_place_for_them() {
    let password = drawn(ALNUM, 14);
    let both = data_encoding::BASE64.encode(format!("ada:{password}").as_bytes());
    let token = drawn(ALNUM, 40);
    for (name, secret, text) in [
        ("url-password", &password, format!("postgres://app:{password}@db.internal:5432/app")),
        ("url-password", &password, format!("redis://:{password}@10.0.0.7")),
        ("curl-auth-user", &password, format!("curl -u ada:{password} https://host.internal")),
        ("curl-auth-user", &password, format!("curl --user 'ada:{password}' https://host.internal")),
        ("authorization-basic", &both, format!("Authorization: Basic {both}")),
        ("authorization-bearer", &token, format!("authorization: bearer {token}")),
    ] {
        let found = find(&text).unwrap_or_else(|| panic!("not found: {text}"));
        assert_eq!((found.rule, found.text), (name, secret.as_str()), "{text}");
    }
}

#[test]
fn a_line_that_says_so_is_left_alone_and_no_other() {
    let secret = &known()[2].1;
    assert!(find_unmarked(&format!("key = \"{secret}\" # gitleaks:allow\n")).is_none());
    let text = format!("key = \"{secret}\" # gitleaks:allow\nkey = \"{secret}\"\n");
    let found = find_unmarked(&text).unwrap();
    assert_eq!((found.rule, found.line), ("github-pat", 2));
    // Whoever is to be kept from it could write the mark.
    assert_eq!((rule(&text), find(&text).unwrap().line), (Some("github-pat"), 1));
    assert!(!withhold(&text).contains(secret.as_str()));
}

#[test]
fn the_first_is_named_with_its_line_and_never_shown() {
    let [first, second] = [&known()[4].1, &known()[8].1];
    let text = format!("\n\r\n  {first}\n{second}");
    let found = find(&text).unwrap();
    assert_eq!((found.rule, found.text, found.line), ("github-app-token", first.as_str(), 3));
    assert_eq!(found.described(), "line 3 holds what looks like a secret (github-app-token)");
    assert_eq!(withhold(&text), "\n\r\n  [withheld: github-app-token]\n[withheld: gitlab-pat]");
}

#[test]
fn what_a_secret_leaves_behind_is_looked_at_again() {
    let (aws, github) = (&known()[0].1, &known()[2].1);
    let withheld = withhold(&format!("{aws}{github}")).into_owned();
    assert_eq!(withheld, "[withheld: aws-access-token][withheld: github-pat]");
}

/// Texts of what rules look for, whole and in pieces, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let fixed = [
        "password",
        "\"api_key\"",
        "Secret",
        "token",
        " = ",
        ": ",
        "=",
        "\"",
        "'",
        "\\",
        "\n",
        "\\n",
        " ",
        "://",
        "user:",
        "@host",
        "Bearer ",
        "Basic ",
        " -u ",
        "--token ",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "ghp_",
        "AKIA",
        "sk-ant-",
        "T3BlbkFJ",
        "eyJ",
        ".ey",
        ".",
        "cf_live_",
        "_",
        "-",
        "[withheld: github-pat]",
        "]",
        "gitleaks:allow",
        ":A",
        "Q~",
        ".atlasv1.",
        "hooks.slack.com/services/",
        "SG.",
        "é",
        "🔑",
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        3 => "[A-Za-z0-9]{8,48}",
        1 => "[A-Z2-7]{16}",
        1 => "[0-9a-f]{32,64}",
        1 => "[A-Za-z0-9+/]{64}",
        1 => "[ -~]{0,20}",
        1 => ".{0,6}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}
