//! Curves as SVG: plain lines with axes, readable on light and dark pages.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use super::report::{Curve, number};
use crate::document;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 50.0;
/// Height of a line of the legend.
const LINE: f64 = 18.0;
/// Lines across the picture.
const STEPS: u32 = 5;
const COLOURS: [&str; 6] = [
    "#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2",
];

/// Writes one file for each plot into `folder`.
pub(super) fn write(curves: &[Curve], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut plots: BTreeMap<&str, Vec<&Curve>> = BTreeMap::new();
    for curve in curves.iter().filter(|curve| !curve.points.is_empty()) {
        plots.entry(&curve.plot).or_default().push(curve);
    }
    for (name, curves) in plots {
        let file = folder.join(format!("{name}.svg"));
        document::write(&file, &svg(&curves))?;
    }
    Ok(())
}

/// How values become places.
struct Axes {
    x_max: f64,
    y_max: f64,
    /// Rare cases are of interest: each step to the right is ten times rarer.
    by_tens: bool,
}

impl Axes {
    fn of(curves: &[&Curve]) -> Self {
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let by_tens = curves.iter().any(|curve| curve.x == "percentile");
        Self {
            x_max: points()
                .map(|point| point.0)
                .fold(if by_tens { 10.0 } else { 1.0 }, f64::max),
            y_max: round_up(points().map(|point| point.1).fold(0.0, f64::max)),
            by_tens,
        }
    }

    fn x(&self, value: f64) -> f64 {
        let part = match self.by_tens {
            true => value.max(1.0).log10() / self.x_max.log10(),
            false => value / self.x_max,
        };
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value / self.y_max * (HEIGHT - TOP - BOTTOM)
    }

    /// Where the x axis has a number, and which.
    fn x_labels(&self) -> Vec<(f64, String)> {
        if self.by_tens {
            let tens = (0..).map(|power| 10_f64.powi(power));
            let shown = tens.take_while(|one_in| *one_in <= self.x_max);
            return shown
                .map(|one_in| (one_in, format!("{}", 100.0 - 100.0 / one_in)))
                .collect();
        }
        let steps = (0..=STEPS).map(|step| self.x_max * f64::from(step) / f64::from(STEPS));
        steps.map(|value| (value, number(value))).collect()
    }
}

fn svg(curves: &[&Curve]) -> String {
    let axes = Axes::of(curves);
    let height = HEIGHT + LINE * curves.len() as f64;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" fill="#6b7280">
<rect width="100%" height="100%" fill="#ffffff"/>
"##
    );
    // Writing to a string cannot fail.
    let mut put = |line: String| {
        let _ = writeln!(svg, "{line}");
    };
    for step in 0..=STEPS {
        let value = axes.y_max * f64::from(step) / f64::from(STEPS);
        let (y, end, label) = (axes.y(value), WIDTH - RIGHT, number(value));
        put(format!(
            r##"<path d="M{LEFT} {y:.1}H{end}" stroke="#e5e7eb"/>"##
        ));
        put(format!(
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
            LEFT - 8.0,
            y + 4.0
        ));
    }
    for (value, label) in axes.x_labels() {
        let (x, y) = (axes.x(value), HEIGHT - BOTTOM + 18.0);
        put(format!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle">{label}</text>"#
        ));
    }
    if let Some(curve) = curves.first() {
        let (x, y) = (WIDTH / 2.0, HEIGHT - BOTTOM + 38.0);
        put(format!(
            r#"<text x="{x}" y="{y}" text-anchor="middle">{}</text>"#,
            curve.x
        ));
        put(format!(r#"<text x="4" y="12">{}</text>"#, curve.y));
    }
    for ((index, curve), colour) in curves.iter().enumerate().zip(COLOURS.iter().cycle()) {
        let points = curve
            .points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", axes.x(*x), axes.y(*y)));
        let points: Vec<String> = points.collect();
        put(format!(
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            points.join(" ")
        ));
        let y = HEIGHT + LINE * index as f64;
        put(format!(
            r#"<path d="M{LEFT} {y:.1}h20" stroke="{colour}" stroke-width="2"/>"#
        ));
        let name = curve.name.replace('&', "&amp;").replace('<', "&lt;");
        put(format!(
            r#"<text x="{:.1}" y="{:.1}">{name}</text>"#,
            LEFT + 28.0,
            y + 4.0
        ));
    }
    svg + "</svg>\n"
}

/// The next number that ends an axis well: 1, 2 or 5 and zeros.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{Curve, round_up, svg};

    #[test]
    fn an_axis_ends_at_a_round_number() {
        assert_eq!(
            [0.7, 3.0, 5.0, 612.0].map(round_up),
            [1.0, 5.0, 5.0, 1000.0]
        );
    }

    #[test]
    fn every_curve_is_in_the_picture() {
        let curve = |name: &str| Curve {
            plot: "rate".into(),
            x: "second".into(),
            y: "webhooks/s".into(),
            name: name.into(),
            points: vec![(0.0, 1.0), (1.0, 2.0)],
        };
        let (one, other) = (curve("a < b"), curve("c"));
        let svg = svg(&[&one, &other]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("a &lt; b"));
    }
}
