//! `make deploy` against an account in a folder: `tests/account` answers in wrangler's and curl's place.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use local_dev::{product::root, smoke};

/// An account, and a checkout of what is deployed to it.
struct Account {
    folder: PathBuf,
}

impl Account {
    fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("deploy").join(name);
        let _ = fs::remove_dir_all(&folder);
        for part in ["account", "checkout/local/setup", "checkout/target/debug", "checkout/.tools"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        for file in ["wrangler.toml", "wrangler.consumers.toml"] {
            fs::copy(root().join(file), folder.join("checkout").join(file)).unwrap();
        }
        for file in ["deploy.sh", "account.sh", "smoke.sh"] {
            let place = Path::new("local/setup").join(file);
            fs::copy(root().join(&place), folder.join("checkout").join(&place)).unwrap();
        }
        // Deploying is what is tested here; the journey has a test of its own, on workerd.
        let kit = folder.join("checkout/target/debug/friend-dev");
        fs::write(&kit, "#!/bin/sh\necho \"friend-dev $1 ${URL:-} $*\" >>\"$ACCOUNT/calls\"\n").unwrap();
        Command::new("chmod").arg("+x").arg(kit).status().unwrap();
        Self { folder }
    }

    /// Takes away what only the owner can give, or gives it.
    fn lacks(&self, what: &str, lacking: bool) {
        let path = self.folder.join("account").join(what);
        if lacking { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    fn deploy(&self, environment: &str) -> Output {
        let stand_ins = root().join("tests/account");
        let path = std::env::var("PATH").unwrap();
        Command::new("bash")
            .arg(self.folder.join("checkout/local/setup/deploy.sh"))
            .env("PATH", format!("{}:{path}", stand_ins.display()))
            .env("WRANGLER", stand_ins.join("wrangler"))
            .env("ACCOUNT", self.folder.join("account"))
            .env("ENVIRONMENT", environment)
            .env_remove("ADMIN_TOKEN")
            .env_remove("CLOUDFLARE_ACCOUNT_ID")
            .output()
            .unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("account/calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// What was printed of each deployment, as the trial is told where to read it.
fn printed_of_deployments(account: &Account) -> Vec<String> {
    let calls = account.calls();
    let smoke = calls.iter().find(|call| call.starts_with("friend-dev smoke")).unwrap();
    let words: Vec<&str> = smoke.split(' ').collect();
    let files = words.windows(2).filter(|pair| pair[0] == "--deployed").map(|pair| pair[1]);
    files.map(|file| fs::read_to_string(account.folder.join("checkout").join(file)).unwrap()).collect()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_only_the_owner_can_do_is_said_before_anything_is_created() {
    let account = Account::new("missing");
    account.lacks("no-login", true);
    let refused = account.deploy("");
    assert!(!refused.status.success() && words(&refused).contains("wrangler login"), "{}", words(&refused));
    account.lacks("no-login", false);
    // What says nothing of the name is not taken for its lack.
    account.lacks("no-right", true);
    let refused = account.deploy("");
    assert!(words(&refused).contains("workers.dev name: Authentication error"), "{}", words(&refused));
    account.lacks("no-right", false);
    account.lacks("no-r2", true);
    account.lacks("no-name", true);
    let refused = account.deploy("");
    let said = words(&refused);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("missing: R2.") && said.contains("missing: a workers.dev name"), "both at once: {said}");
    assert!(account.calls().iter().all(|call| !call.contains("create")), "{:?}", account.calls());
}

#[test]
fn an_empty_account_is_filled_once_and_deployed_twice() {
    let account = Account::new("twice");
    let first = account.deploy("");
    assert!(first.status.success(), "{}", words(&first));
    assert!(String::from_utf8_lossy(&first.stdout).contains("Worker Startup Time: 23 ms"), "it is printed, and kept");
    let printed = printed_of_deployments(&account);
    assert_eq!((printed.len(), smoke::judge_deployed(&printed).verdict), (2, smoke::Verdict::Holds), "one a Worker");
    let calls = account.calls();
    let at = |call: &str| calls.iter().position(|made| made.starts_with(call));
    let order = [
        "vectorize create claudes-friend",
        "vectorize list-metadata-index",
        "vectorize create-metadata-index claudes-friend --property-name=type",
        "d1 migrations apply",
        "deploy --config wrangler.consumers.toml",
        "secret put KEY_PEPPER",
        "secret put ADMIN_TOKEN",
        "curl https://claudes-friend.somebody.workers.dev/api/keys",
        "friend-dev smoke https://claudes-friend.somebody.workers.dev",
        // Its user was nobody's.
        "curl https://claudes-friend.somebody.workers.dev/api/keys/smoke?force=true",
    ];
    let places: Vec<Option<usize>> = order.iter().map(|call| at(call)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?} in {calls:#?}");
    let configuration = fs::read_to_string(account.folder.join("checkout/wrangler.consumers.toml")).unwrap();
    assert!(configuration.contains("uuid-of-claudes-friend\"") && configuration.contains("id-of-claudes-friend-cache"));

    let again = account.deploy("");
    let said = words(&again);
    assert!(again.status.success(), "{said}");
    assert!(said.contains("metadata index createdAt: there already") && said.contains("make smoke URL="), "{said}");
    assert_eq!(account.calls().iter().filter(|call| call.starts_with("secret put")).count(), 2, "secrets stay");
}

#[test]
fn an_environment_has_all_of_its_own() {
    let account = Account::new("staging");
    assert!(!account.deploy("nowhere").status.success());
    let done = account.deploy("staging");
    assert!(done.status.success(), "{}", words(&done));
    assert!(account.calls().contains(&"d1 create claudes-friend-staging".to_owned()));
    let configuration = fs::read_to_string(account.folder.join("checkout/wrangler.toml")).unwrap();
    let (live, staging) = configuration.split_once("[env.staging]").unwrap();
    assert!(!live.contains("uuid-of-") && staging.contains("uuid-of-claudes-friend-staging"));
}
