//! `friend usage`: what today's allowances have left.

use serde_json::Value;

use crate::{
    clock,
    context::Context,
    failure::Failure,
    output::{self, BOLD, DIM, WARNING, styled},
};

const BAR: usize = 24;

/// Shows a bar for each allowance.
///
/// # Errors
/// It is refused.
pub fn usage(context: &Context) -> Result<(), Failure> {
    let usage = context.client.get("/api/usage")?;
    context.output.data(&usage, || show(&usage));
    Ok(())
}

fn show(usage: &Value) {
    let resources = usage["resources"].as_array().cloned().unwrap_or_default();
    let names = resources.iter().filter_map(|resource| resource["name"].as_str()).map(str::len).max().unwrap_or(0);
    for resource in &resources {
        let share = resource["share"].as_f64().unwrap_or(0.0);
        let name = output::text(&resource["name"]);
        let ends = resource["runs_out_at"].as_str();
        let ends = ends.map(|at| format!("  runs out about {}", clock::text_of(at))).unwrap_or_default();
        let numbers = format!("{} of {}", short(&resource["used"]), short(&resource["allowance"]));
        let percent = format!("{:>4.0} %", share * 100.0);
        output::line(&format!(
            "{name:names$}  {} {percent}  {numbers}{}",
            output::bar(share, BAR),
            styled(WARNING, &ends)
        ));
    }
    let ingest = &usage["ingest"];
    let indexing = format!("indexing: {} of {} neurons", short(&ingest["neurons"]), short(&ingest["allowance"]));
    output::line(&styled(BOLD, &indexing));
    for degraded in usage["degraded"].as_array().into_iter().flatten() {
        output::line(&styled(WARNING, &output::text(degraded)));
    }
    let until = clock::text_of(usage["until"].as_str().unwrap_or_default());
    output::line(&styled(DIM, &format!("all is new at {until}")));
}

/// A number with as many digits as tell something.
fn short(number: &Value) -> String {
    let number = number.as_f64().unwrap_or(0.0);
    match number {
        number if number >= 1e9 => format!("{:.1} G", number / 1e9),
        number if number >= 1e6 => format!("{:.1} M", number / 1e6),
        number if number >= 1e4 => format!("{:.1} k", number / 1e3),
        number if number.fract() == 0.0 => format!("{number:.0}"),
        number => format!("{number:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_short() {
        let said = [json!(0), json!(7_000), json!(12_345), json!(5_000_000), json!(5.654), json!(1e10)]
            .map(|number| short(&number));
        assert_eq!(said, ["0", "7000", "12.3 k", "5.0 M", "5.7", "10.0 G"]);
    }
}
