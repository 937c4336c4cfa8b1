//! The schedule's three triggers, over what the day so far has left behind.

use pipeline::constants;

use super::{
    harness::{Bench, Worker},
    texts::{Kind, Source},
};
use crate::{Error, cpu_profile::Cpu, schedule::Schedule};

pub(super) fn measure(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    let jobs: Vec<String> = (0..usize::try_from(constants::SWEEP_ITEMS)?)
        .map(|number| bench.upload(&[source.document(number, 150)]))
        .collect::<Result<_, _>>()?;
    let unit = format!("{} lost messages", constants::SWEEP_ITEMS);
    bench.row("cron, every 5 minutes", &unit, |bench, _| {
        bench.product.command("lose")?;
        run(bench, Schedule::Frequent)
    })?;
    jobs.iter().try_for_each(|job| bench.cancel(job))?;
    // From here on every run evicts: what was planted has more vectors than all of them remove.
    let unit = "what is left of the day, and as many vectors evicted as a run removes";
    bench.row("cron, hourly", unit, |bench, _| run(bench, Schedule::Hourly))?;
    bench.row("cron, nightly", unit, |bench, _| run(bench, Schedule::Daily))
}

fn run(bench: &mut Bench, schedule: Schedule) -> Result<Cpu, Error> {
    Ok(bench.cpu(Worker::Consumers, ("cron", 1), |product| product.run_cron(schedule))?.1)
}
