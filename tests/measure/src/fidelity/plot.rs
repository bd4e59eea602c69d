//! The picture of one measure: each host under each rule, as simulated and as real guests had it.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::comparison::Measure;
use super::rank::Compared;
use crate::palette::{BLUE, FAINT, FONT, GREEN, GROUND, INK, ORANGE, PINK};

const SIZE: (u32, u32) = (560, 520);
const COLOURS: [RGBColor; 4] = [ORANGE, BLUE, GREEN, PINK];

/// The picture, as SVG. Both axes are logarithmic above what is as good as nothing.
///
/// # Errors
/// When it can't be drawn.
pub(super) fn draw(measure: &Measure, rows: &[Compared]) -> Result<String> {
    let place = |value: f64| (1.0 + value.max(0.0) / measure.small).log10();
    let values = rows.iter().flat_map(|row| [row.simulated, row.real]);
    let most = values.map(place).fold(1.0, f64::max) * 1.05;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&GROUND).map_err(told)?;
        let unit = if measure.unit.is_empty() { "" } else { ", " };
        let name = format!("{}{unit}{}", measure.name, measure.unit);
        let mut chart = ChartBuilder::on(&root)
            .caption(name, (FONT, 18).into_font().color(&INK))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..most, 0.0..most)
            .map_err(told)?;
        let label = |place: &f64| format!("{:.0}", (10_f64.powf(*place) - 1.0) * measure.small);
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .label_style((FONT, 13).into_font().color(&INK))
            .x_desc("simulated")
            .y_desc("real guests")
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&label)
            .y_label_formatter(&label)
            .draw()
            .map_err(told)?;
        let same = [(0.0, 0.0), (most, most)];
        chart.draw_series(LineSeries::new(same, INK.mix(0.35))).map_err(told)?;
        let mut rules: Vec<&str> = rows.iter().map(|row| row.rule.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        for (rule, colour) in rules.into_iter().zip(COLOURS.into_iter().cycle()) {
            let dots = rows.iter().filter(|row| row.rule == rule).map(|row| {
                let dot = (place(row.simulated), place(row.real));
                Circle::new(dot, 5, colour.mix(0.7).filled())
            });
            chart
                .draw_series(dots)
                .map_err(told)?
                .label(rule)
                .legend(move |(x, y)| Circle::new((x + 8, y), 5, colour.mix(0.7).filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(GROUND.mix(0.8))
            .border_style(FAINT)
            .label_font((FONT, 13).into_font().color(&INK))
            .draw()
            .map_err(told)?;
        root.present().map_err(told)?;
    }
    Ok(svg)
}

fn told<E: std::fmt::Display>(error: E) -> anyhow::Error {
    anyhow!("draw the picture: {error}")
}

#[cfg(test)]
mod tests {
    use super::super::comparison::MEASURES;
    use super::*;

    #[test]
    fn each_rule_has_its_dots() {
        let row = |rule: &str, simulated, real| Compared {
            host: "h".to_owned(),
            rule: rule.to_owned(),
            simulated,
            real,
        };
        let rows = [row("pi", 0.0, 1.0), row("memtrace", 1000.0, 10.0)];
        let svg = draw(&MEASURES[0], &rows).unwrap();
        assert!(svg.contains("memtrace") && svg.matches("<circle").count() == 4, "{svg}");
        assert!(draw(&MEASURES[1], &[]).is_ok());
    }
}
