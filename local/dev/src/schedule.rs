//! Cron on one machine, where nothing fires it but this.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub use producers::schedule::Schedule;

use crate::{
    Error,
    configuration::{BINDINGS, CONSUMERS},
};

/// Turns of the frequent schedule between two of the hourly and two of the daily one, as deployed.
const TURNS_PER_HOUR: u64 = 12;
const TURNS_PER_DAY: u64 = 24 * TURNS_PER_HOUR;

/// The schedules that are due at a turn.
fn due(turn: u64) -> impl Iterator<Item = Schedule> {
    let every = |turns| turn.is_multiple_of(turns);
    let schedules = [
        (true, Schedule::Frequent),
        (every(TURNS_PER_HOUR), Schedule::Hourly),
        (every(TURNS_PER_DAY), Schedule::Daily),
    ];
    schedules.into_iter().filter(|(due, _)| *due).map(|(_, schedule)| schedule)
}

/// Cron does not fire by itself in the simulator: this thread fires it.
#[derive(Debug)]
pub(crate) struct Cron {
    paused: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Cron {
    pub(crate) fn start(port: u16, every: Duration) -> Self {
        let paused = Arc::new(AtomicBool::new(false));
        let ended = Arc::new(AtomicBool::new(false));
        let (seen_paused, seen_ended) = (Arc::clone(&paused), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            let mut last = Instant::now();
            let mut turn = 1;
            while !seen_ended.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50));
                if last.elapsed() < every || seen_paused.load(Ordering::Relaxed) {
                    continue;
                }
                // Workers that are starting or gone run no cron; the next turn comes.
                for schedule in due(turn) {
                    let _ = trigger(port, schedule);
                }
                turn += 1;
                last = Instant::now();
            }
        });
        Self { paused, ended, thread: Some(thread) }
    }

    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn resume(&self) {
        self.paused.store(false, Ordering::Relaxed);
    }
}

impl Drop for Cron {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs a schedule of the schedule.
pub(crate) fn trigger(port: u16, schedule: Schedule) -> Result<(), Error> {
    let cron = Schedule::CRONS.iter().find(|(known, _)| *known == schedule).map_or("*/5 * * * *", |(_, cron)| cron);
    trigger_cron(port, CONSUMERS, cron)
}

/// Makes the stand-ins send one more message for every unfinished item.
pub(crate) fn trigger_duplicates(port: u16) -> Result<(), Error> {
    trigger_cron(port, BINDINGS, "*/5 * * * *")
}

/// Gives the stand-ins one of the commands of `local/bindings/index.js`.
pub(crate) fn trigger_command(port: u16, command: &str) -> Result<(), Error> {
    trigger_cron(port, BINDINGS, command)
}

fn trigger_cron(port: u16, worker: &str, cron: &str) -> Result<(), Error> {
    let url = format!("http://localhost:{port}/cdn-cgi/local/explorer/api/local/scheduled?worker={worker}");
    let request = serde_json::json!({ "cron": cron });
    ureq::post(&url).config().timeout_global(Some(Duration::from_secs(30))).build().send_json(request)?;
    Ok(())
}
