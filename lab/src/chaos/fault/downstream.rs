//! Faults of downstream.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};

use crate::chaos::{
    downstream::{Downstream, Manners},
    world::World,
};

/// Longer than a consumer remembers what was answered.
const GOOD_TIMES: Duration = Duration::from_secs(12);

/// It behaves badly for a while.
pub(super) async fn is(
    world: &mut World<'_>,
    lasts: Duration,
    bad: fn(Manners) -> Manners,
) -> Result<()> {
    let good = downstream(world)?.manners();
    is_for_good(world, lasts, bad).await?;
    downstream(world)?.set(good);
    Ok(())
}

/// The same, after so long a time without fault that who was always answered well may be slow to see the change.
pub(super) async fn is_after_good_times(
    world: &mut World<'_>,
    lasts: Duration,
    bad: fn(Manners) -> Manners,
) -> Result<()> {
    world.hold(GOOD_TIMES).await?;
    is(world, lasts, bad).await
}

/// It behaves so for the rest of the run: what is refused once is refused for good.
pub(super) async fn is_for_good(
    world: &mut World<'_>,
    lasts: Duration,
    bad: fn(Manners) -> Manners,
) -> Result<()> {
    let downstream = downstream(world)?;
    downstream.set(bad(downstream.manners()));
    world.hold(lasts).await?;
    note_answers(world)
}

/// How many calls were answered with what, so far.
fn note_answers(world: &mut World<'_>) -> Result<()> {
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    for call in downstream(world)?.calls() {
        let status = call.status.map(|status| status.to_string());
        *answers.entry(status.unwrap_or("none".into())).or_default() += 1;
    }
    world.notes.push(format!("calls by answer: {answers:?}"));
    Ok(())
}

fn downstream<'w>(world: &'w World<'_>) -> Result<&'w Downstream> {
    let downstream = world.downstream.as_ref();
    downstream.context("there is no downstream")
}
