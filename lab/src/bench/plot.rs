//! Curves as SVG.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result, anyhow};
use plotters::prelude::{
    BLACK, ChartBuilder, Color as _, IntoDrawingArea as _, LineSeries, Palette as _, Palette99,
    PathElement, SVGBackend, SeriesLabelPosition, WHITE,
};

use super::report::{Curve, number};
use crate::document;

const SIZE: (u32, u32) = (720, 400);
/// Around the picture, and between it and its labels, in pixels.
const MARGIN: u32 = 12;
const BELOW: u32 = 40;
const LEFT: u32 = 70;

/// Writes a file for each plot that is wanted into `folder`.
pub(super) fn write(curves: &[Curve], folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let mut plots: BTreeMap<&str, Vec<&Curve>> = BTreeMap::new();
    let drawn = curves.iter().filter(|curve| !curve.points.is_empty());
    for curve in drawn.filter(|curve| wanted(&curve.plot)) {
        plots.entry(&curve.plot).or_default().push(curve);
    }
    for (name, curves) in plots {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let file = folder.join(format!("{name}.svg"));
        let picture = svg(&curves).map_err(|error| anyhow!("cannot draw {name}: {error}"))?;
        document::write(&file, &picture)?;
    }
    Ok(())
}

fn svg(curves: &[&Curve]) -> Result<String, Box<dyn std::error::Error>> {
    // Rare cases are of interest: each step to the right is ten times rarer.
    let by_tens = curves[0].x == "percentile";
    let x = |x: f64| if by_tens { x.log10() } else { x };
    let x_label = |x: &f64| match by_tens {
        true => format!("{}", 100.0 - 100.0 / 10_f64.powf(*x)),
        false => number(*x),
    };
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let x_max = points().map(|point| x(point.0)).fold(1.0, f64::max);
    let y_max = points().map(|point| point.1).fold(0.0, f64::max);

    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(MARGIN)
        .x_label_area_size(BELOW)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(0.0..x_max, 0.0..y_max * 1.05)?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .x_labels(if by_tens { x_max as usize + 1 } else { 6 })
        .y_labels(6)
        .x_desc(&*curves[0].x)
        .y_desc(&*curves[0].y)
        .x_label_formatter(&x_label)
        .y_label_formatter(&|y| number(*y))
        .draw()?;
    for (index, curve) in curves.iter().enumerate() {
        let style = Palette99::pick(index).stroke_width(2);
        let line = curve.points.iter().map(|point| (x(point.0), point.1));
        chart
            .draw_series(LineSeries::new(line, style))?
            .label(&*curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.2))
        .draw()?;
    drop(chart);
    drop(area);
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::{Curve, svg};

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
        let svg = svg(&[&one, &other]).unwrap();
        // Each is drawn, and shown in the legend.
        assert_eq!(svg.matches("stroke-width=\"2\"").count(), 4);
        assert!(svg.contains("a &lt; b"));
    }
}
