//! The local D1 with every migration: run by wrangler once for a set of migrations, and copied from then on.
//!
//! wrangler starts a workerd for each migration, half a second of a processor each: a product that begins with an
//! empty state, as each test does, would spend more on them than on its work.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use data_encoding::HEXLOWER;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use crate::Error;

/// Where Miniflare keeps databases, in the folder that wrangler persists to.
const DATABASES: &str = "v3/d1";
/// The same, of those that Workers bind.
pub(crate) const OBJECTS: &str = "v3/d1/miniflare-D1DatabaseObject";
/// What wrangler reads migrations from.
const MIGRATIONS: &str = "migrations";

/// Gives the databases in the folder `persisted` every migration of the repository `root` that they have not seen.
/// `wrangler` makes wrangler's command; `configuration` is the gateway's.
///
/// # Errors
///
/// Where a migration fails, in wrangler's words, and where files cannot be read or written.
pub(crate) fn apply(
    root: &Path,
    persisted: &Path,
    configuration: &Path,
    wrangler: impl Fn() -> Command,
) -> Result<(), Error> {
    let migrations = files(&root.join(MIGRATIONS))?;
    let run = |persisted: &Path| run(wrangler(), configuration, persisted);
    if persisted.join(OBJECTS).exists() {
        return if has_seen(&persisted.join(OBJECTS), &migrations)? { Ok(()) } else { run(persisted) };
    }
    let unfinished = persisted.join("unfinished");
    copy(&template(root, &migrations, configuration, run)?, &unfinished)?;
    let databases = persisted.join(DATABASES);
    fs::create_dir_all(databases.parent().unwrap_or(persisted))?;
    Ok(fs::rename(unfinished, databases)?)
}

/// The migrations' files, in their order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Error>>()?;
    files.sort();
    Ok(files)
}

/// True when wrangler has noted each of these in the database of that folder.
fn has_seen(objects: &Path, migrations: &[PathBuf]) -> Result<bool, Error> {
    let Ok(database) = sqlite_file(objects) else { return Ok(false) };
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // A database that was never migrated has no such table.
    let Ok(mut statement) = connection.prepare("SELECT 1 FROM d1_migrations WHERE name = ?") else { return Ok(false) };
    for migration in migrations {
        let name = migration.file_name().unwrap_or_default().to_string_lossy();
        if !statement.exists([name])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A folder of databases that have seen these migrations; made where there is none.
fn template(
    root: &Path,
    migrations: &[PathBuf],
    configuration: &Path,
    run: impl Fn(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let templates = root.join("target/databases");
    let made = templates.join(digest(migrations, configuration)?);
    fs::create_dir_all(&templates)?;
    let lock = File::create(templates.join("lock"))?;
    lock.lock()?;
    if !made.exists() {
        let unfinished = templates.join("unfinished");
        let _ = fs::remove_dir_all(&unfinished);
        run(&unfinished)?;
        fs::rename(unfinished.join(DATABASES), &made)?;
    }
    Ok(made)
}

/// What a database is made from: the migrations, and the id that names its file.
fn digest(migrations: &[PathBuf], configuration: &Path) -> Result<String, Error> {
    let table: toml::Table = fs::read_to_string(configuration)?.parse()?;
    let database = table.get("d1_databases").ok_or("a configuration without a database")?.to_string();
    let mut hash = Sha256::new_with_prefix(database);
    for migration in migrations {
        hash.update(migration.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update(fs::read(migration)?);
    }
    Ok(HEXLOWER.encode(&hash.finalize()))
}

/// Copies a folder of databases without what `SQLite` makes anew from the rest.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn run(mut wrangler: Command, configuration: &Path, persisted: &Path) -> Result<(), Error> {
    let output = wrangler
        .args(["d1", "migrations", "apply", "DB", "--local", "--config"])
        .arg(configuration)
        .arg("--persist-to")
        .arg(persisted)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let (printed, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("migrations failed: {printed}{complained}").into())
}

/// The one database in a simulator's folder.
pub(crate) fn sqlite_file(folder: &Path) -> Result<PathBuf, Error> {
    let is_database = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "sqlite")
            && path.file_stem().is_some_and(|stem| stem != "metadata")
    };
    let found = fs::read_dir(folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path())).find(is_database);
    found.ok_or_else(|| format!("no database in {}", folder.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test's own, and a `wrangler` that writes down how often it was run.
    fn place(name: &str, script: &str) -> (PathBuf, PathBuf, impl Fn() -> Command) {
        let root = std::env::temp_dir().join(format!("migrations-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join(MIGRATIONS)).unwrap();
        fs::write(root.join("migrations/0001_first.sql"), "CREATE TABLE first (id INTEGER)").unwrap();
        let configuration = root.join("wrangler.toml");
        fs::write(&configuration, "[[d1_databases]]\ndatabase_id = \"a\"").unwrap();
        let program = root.join("wrangler.sh");
        fs::write(
            &program,
            format!("echo run >>{}\nfolder=\"${{@: -1}}/{OBJECTS}\"\n{script}", root.join("runs").display()),
        )
        .unwrap();
        let wrangler = move || {
            let mut command = Command::new("bash");
            command.arg(&program);
            command
        };
        (root, configuration, wrangler)
    }

    fn runs(root: &Path) -> usize {
        fs::read_to_string(root.join("runs")).unwrap_or_default().lines().count()
    }

    #[test]
    fn an_empty_state_gets_a_copy_of_what_was_migrated_once() {
        let (root, configuration, wrangler) = place("copy", "mkdir -p \"$folder\"; touch \"$folder/x.sqlite\"");
        for state in ["one", "two"] {
            apply(&root, &root.join(state), &configuration, &wrangler).unwrap();
            assert!(sqlite_file(&root.join(state).join(OBJECTS)).unwrap().ends_with("x.sqlite"));
        }
        assert_eq!(runs(&root), 1);
        fs::write(root.join("migrations/0002_second.sql"), "CREATE TABLE second (id INTEGER)").unwrap();
        apply(&root, &root.join("three"), &configuration, &wrangler).unwrap();
        assert_eq!(runs(&root), 2, "other migrations make another database");
    }

    #[test]
    fn a_state_is_migrated_by_wrangler_until_it_has_seen_everything() {
        let (root, configuration, wrangler) = place("seen", "");
        let state = root.join("state");
        fs::create_dir_all(state.join(OBJECTS)).unwrap();
        let database = Connection::open(state.join(OBJECTS).join("x.sqlite")).unwrap();
        apply(&root, &state, &configuration, &wrangler).unwrap();
        assert_eq!(runs(&root), 1, "it has seen none");
        database
            .execute_batch("CREATE TABLE d1_migrations (name); INSERT INTO d1_migrations VALUES ('0001_first.sql')")
            .unwrap();
        apply(&root, &state, &configuration, &wrangler).unwrap();
        assert_eq!(runs(&root), 1, "it has seen all");
        fs::write(root.join("migrations/0002_second.sql"), "CREATE TABLE second (id INTEGER)").unwrap();
        apply(&root, &state, &configuration, &wrangler).unwrap();
        assert_eq!(runs(&root), 2, "one is new");
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_to_copy() {
        let (root, configuration, wrangler) = place("fails", "mkdir -p \"$folder\"; echo no such table; exit 1");
        for times in 1..=2 {
            let error = apply(&root, &root.join("state"), &configuration, &wrangler).unwrap_err();
            assert!(error.to_string().contains("no such table"), "{error}");
            assert_eq!(runs(&root), times);
        }
    }
}
