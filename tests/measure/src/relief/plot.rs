//! The picture of two runs, one beside the other: what balloons left the guests, how long
//! the one that needs its memory waited, and what came back for it from swap. On a light
//! ground of its own, so that it reads on a dark page as well.

use std::ops::Range;

use anyhow::{Result, anyhow};
use memtrace_lab_host::roles::WEB;
use memtrace_lab_host::series::{OfOne, Point};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::run::Run;
use super::verdict::{LabLevel, web};
use crate::palette::{BLUE, FAINT, FONT, GREEN, GROUND, INK, ORANGE, PINK, SKY};

const SIZE: (u32, u32) = (1000, 800);
const COLOURS: [RGBColor; 4] = [BLUE, GREEN, PINK, SKY];
/// Of the one that suffers.
const WEBS: RGBColor = ORANGE;

/// A line: its name, where it has one, and what it is at each second.
struct Line {
    name: Option<String>,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// A chart of a run.
struct Chart {
    title: String,
    unit: &'static str,
    lines: Vec<Line>,
}

/// The picture, as SVG.
///
/// # Errors
/// When it can't be drawn.
pub fn draw(level: LabLevel, observe: &Run, enforce: &Run) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&GROUND).map_err(told)?;
        let areas = root.split_evenly((3, 2));
        for (column, run) in [observe, enforce].into_iter().enumerate() {
            for (row, chart) in charts(level, run).into_iter().enumerate() {
                let Some(area) = areas.get(row * 2 + column) else { continue };
                let others = [observe, enforce].map(|run| charts(level, run));
                let top = others.iter().filter_map(|charts| Some(charts.get(row)?.top()));
                let high = top.fold(1.0, f64::max) * 1.12;
                chart.draw(area, &phases(run), (length(observe, enforce), high))?;
            }
        }
        root.present().map_err(told)?;
    }
    Ok(svg)
}

fn charts(level: LabLevel, run: &Run) -> [Chart; 3] {
    let how = if run.mode == super::run::Mode::Observe { "observe" } else { "--enforce" };
    let names = run.points.first().map(|point| point.guests.iter().map(|guest| &guest.name));
    let size = |name: &String| {
        let of = |point: &Point| {
            point.guests.iter().find(|guest| guest.name == *name).and_then(|guest| guest.size)
        };
        run.points.iter().filter_map(|point| Some((at(run, point), of(point)?))).collect()
    };
    let mut colours = COLOURS.into_iter().cycle();
    let sizes = names.into_iter().flatten().map(|name| Line {
        name: Some(name.clone()),
        colour: if name == WEB { WEBS } else { colours.next().unwrap_or(INK) },
        points: size(name),
    });
    let rate = |pick: fn(&OfOne) -> Option<f64>, times: f64| {
        let line = Line { name: None, colour: WEBS, points: rates(run, pick, times) };
        vec![line]
    };
    [
        Chart { title: format!("{how}: size of each guest"), unit: "MiB", lines: sizes.collect() },
        Chart {
            title: format!("{how}: {WEB} waits for memory"),
            unit: "% of time",
            lines: rate(level.waited(), 100.0),
        },
        Chart {
            title: format!("{how}: {WEB} gets back from swap"),
            unit: "MiB/s",
            lines: rate(|web| web.swapped_in, 1.0),
        },
    ]
}

impl Chart {
    fn top(&self) -> f64 {
        let values = self.lines.iter().flat_map(|line| &line.points).map(|point| point.1);
        values.fold(0.0, f64::max)
    }

    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        phases: &[(String, f64)],
        (seconds, high): (Range<f64>, f64),
    ) -> Result<()> {
        let label = (FONT, 13).into_font().color(&INK);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FONT, 16).into_font().color(&INK))
            .margin(8)
            .x_label_area_size(34)
            .y_label_area_size(56)
            .build_cartesian_2d(seconds, 0.0..high)
            .map_err(told)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .label_style(label.clone())
            .y_desc(self.unit)
            .x_desc("seconds of the night and the day")
            .y_labels(5)
            .x_label_formatter(&|second| format!("{second:.0}"))
            .y_label_formatter(&|value| {
                if high < 5.0 { format!("{value:.1}") } else { format!("{value:.0}") }
            })
            .draw()
            .map_err(told)?;
        for (name, second) in phases {
            let edge = [(*second, 0.0), (*second, high)];
            chart.draw_series(LineSeries::new(edge, INK.mix(0.35))).map_err(told)?;
            let text = Text::new(name.clone(), (*second + 1.0, high * 0.98), label.clone());
            chart.draw_series([text]).map_err(told)?;
        }
        for Line { name, colour, points } in &self.lines {
            let style = colour.stroke_width(2);
            let series = LineSeries::new(points.iter().copied(), style);
            let drawn = chart.draw_series(series).map_err(told)?;
            if let Some(name) = name {
                drawn
                    .label(name)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
            }
        }
        if self.lines.iter().any(|line| line.name.is_some()) {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::LowerLeft)
                .background_style(GROUND.mix(0.85))
                .label_font(label)
                .draw()
                .map_err(told)?;
        }
        Ok(())
    }
}

/// Seconds since the night began.
fn at(run: &Run, point: &Point) -> f64 {
    point.at - night(run)
}

fn night(run: &Run) -> f64 {
    run.points.iter().find(|point| point.phase == "night").map_or(0.0, |point| point.at)
}

/// What the longer of the two shows.
fn length(one: &Run, other: &Run) -> Range<f64> {
    let ends = [one, other].map(|run| run.points.last().map_or(0.0, |last| at(run, last)));
    -5.0..ends.into_iter().fold(1.0, f64::max)
}

/// What begins when.
fn phases(run: &Run) -> Vec<(String, f64)> {
    let mut phases: Vec<(String, f64)> = Vec::new();
    for point in run.points.iter().filter(|point| point.phase != "before") {
        if phases.last().is_none_or(|(name, _)| *name != point.phase) {
            phases.push((point.phase.clone(), at(run, point)));
        }
    }
    phases
}

/// By how much a total of the web guest grows in a second, `times` so much.
fn rates(run: &Run, pick: fn(&OfOne) -> Option<f64>, times: f64) -> Vec<(f64, f64)> {
    let between = |pair: &[Point]| {
        let [before, now] = pair else { return None };
        let grown = pick(web(now)?)? - pick(web(before)?)?;
        let seconds = now.at - before.at;
        (seconds > 0.0).then(|| (at(run, now), (grown / seconds * times).max(0.0)))
    };
    run.points.windows(2).filter_map(between).filter(|(second, _)| *second >= -5.0).collect()
}

/// plotters' errors borrow what they are about.
fn told(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("draw: {error}")
}

#[cfg(test)]
mod tests {
    use super::super::run::Mode;
    use super::*;

    fn run(mode: Mode) -> Run {
        let mut run = Run::new(mode);
        for second in 0..40_u32 {
            let so_far = f64::from(second);
            let guest = OfOne {
                name: WEB.to_owned(),
                size: Some(1024.0 - so_far),
                stalled: Some(so_far / 2.0),
                swapped_in: Some(so_far * 3.0),
                ..OfOne::default()
            };
            let phase = if second < 10 { "before" } else { "night" };
            run.points.push(Point {
                at: so_far,
                phase: phase.to_owned(),
                guests: vec![guest],
                ..Point::default()
            });
        }
        run
    }

    #[test]
    fn totals_become_what_a_second_adds() {
        let rates = rates(&run(Mode::Observe), |web| web.stalled, 100.0);
        assert_eq!(rates.first(), Some(&(-5.0, 50.0)), "five seconds before the night");
        assert_eq!(rates.last(), Some(&(29.0, 50.0)));
    }

    #[test]
    fn a_picture_has_six_charts_and_its_phases() {
        let svg =
            draw(LabLevel::Two, &run(Mode::Observe), &run(Mode::Enforce)).expect("it can be drawn");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert_eq!(svg.matches("waits for memory").count(), 2);
        assert_eq!(svg.matches("\nnight\n").count(), 6, "{svg:.500}");
    }
}
