//! Does the rate hold when the table has grown?

use anyhow::Result;

use super::RUN_WITHIN;
use crate::{
    bench::{
        invocation::Bench,
        report::Target,
        site::Site,
        trial::{self, Plan},
    },
    median::median,
};

const MODE: &str = "growth";

/// Rows that the tables hold before the runs.
const ROWS: [u64; 3] = [0, 1_000_000, 10_000_000];
const SMOKE_ROWS: [u64; 3] = [0, 1_000, 10_000];

/// One size of the table.
struct Size {
    rows: u64,
    site: Site,
    rates: Vec<f64>,
}

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let count = bench.count(100_000);
    let mut sizes = Vec::new();
    for rows in if bench.args.smoke { SMOKE_ROWS } else { ROWS } {
        bench.phase(&format!("writing {rows} rows"), 0);
        let mut site = bench.site().await?;
        if rows > 0 {
            site.prefill(rows).await?;
        }
        let rates = Vec::new();
        sizes.push(Size { rows, site, rates });
    }
    for run in bench.runs() {
        for size in &mut sizes {
            bench.phase(&format!("hookline on {} rows", size.rows), count);
            if size.rows == 0 && run > 1 {
                // Empty is what the others never are again.
                std::mem::replace(&mut size.site, bench.site().await?)
                    .clear()
                    .await?;
            }
            let plan = Plan::closed(bench, count, RUN_WITHIN);
            let trial = trial::run(bench, &mut size.site, plan).await?;
            bench.say(&format!(
                "growth {run}: {:.0}/s on {} rows",
                trial.rate, size.rows
            ));
            size.rates.push(trial.rate);
        }
    }
    let points: Vec<(f64, f64)> = sizes
        .iter()
        .map(|size| (size.rows as f64, median(&size.rates)))
        .collect();
    for Size { rows, site, rates } in sizes {
        site.clear().await?;
        bench.report.figure(
            MODE,
            format!("on {rows} rows: PROCESSED"),
            "webhooks/s",
            rates,
        );
    }
    if let [(_, empty), .., (rows, full)] = points[..] {
        let what = format!("on {rows} rows : on none");
        bench
            .report
            .verdict(MODE, what, full / empty, Target::AtLeast(0.85));
    }
    bench
        .report
        .curve("growth", "rows before", "webhooks/s", "PROCESSED", points);
    Ok(())
}
