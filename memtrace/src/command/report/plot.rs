//! Plots as SVG without text: labels are HTML, so that plots scale to any width. Pure.

use anyhow::{Result, anyhow};
use maud::{Markup, PreEscaped, html};
use plotters::prelude::*;

use super::series::{Bucket, Marks, Series, Timeline};

/// Pixels of a plot of the host, of a VM's lane, and of a distribution.
pub const HOST: (u32, u32) = (960, 160);
pub const LANE: (u32, u32) = (960, 44);
pub const BARS: (u32, u32) = (480, 140);

/// What is drawn in it. The page's style knows each by its colour, and has another for a dark
/// screen (Okabe and Ito's, told apart by those who don't see colours as others do).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Blue,
    Orange,
    Green,
    /// Decisions.
    Purple,
    /// Alerts.
    Red,
    Grid,
}

impl Ink {
    #[cfg(test)]
    const ALL: [Self; 6] =
        [Self::Blue, Self::Orange, Self::Green, Self::Purple, Self::Red, Self::Grid];

    const fn colour(self) -> RGBColor {
        match self {
            Self::Blue => RGBColor(0, 114, 178),
            Self::Orange => RGBColor(230, 159, 0),
            Self::Green => RGBColor(0, 158, 115),
            Self::Purple => RGBColor(160, 80, 140),
            Self::Red => RGBColor(200, 40, 20),
            Self::Grid => RGBColor(217, 217, 212),
        }
    }
}

/// A number over time.
pub struct Curve<'a> {
    pub series: &'a Series,
    pub ink: Ink,
    pub filled: bool,
    /// The value drawn for a bucket.
    pub pick: fn(&Bucket) -> f32,
    /// What the upper edge stands for.
    pub high: f64,
}

/// Points from one gap to the next, from 0 to 1 both ways.
type Piece = Vec<(f64, f64)>;

/// Curves over one time, with marks.
///
/// # Errors
/// When it can't be drawn.
pub fn curves(
    label: &str,
    size: (u32, u32),
    line: Timeline,
    curves: &[Curve<'_>],
    marks: [&Marks; 2],
) -> Result<Markup> {
    let buckets = line.buckets() as f64;
    draw(label, size, |chart| {
        for (marks, ink) in marks.into_iter().zip([Ink::Purple, Ink::Red]) {
            for bucket in marks.marked() {
                let at = ((bucket as f64 + 0.5) / buckets).min(1.0);
                let style = ink.colour().stroke_width(1);
                let edge = [PathElement::new([(at, 0.0), (at, 1.0)], style)];
                chart.draw_series(edge).map_err(told)?;
            }
        }
        for curve in curves {
            let colour = curve.ink.colour();
            for piece in pieces(curve, buckets) {
                if curve.filled {
                    let ends = piece.first().zip(piece.last()).map(|(one, other)| (one.0, other.0));
                    let (from, to) = ends.unwrap_or_default();
                    let area = [(from, 0.0)].into_iter().chain(piece.iter().copied());
                    let area: Piece = area.chain([(to, 0.0)]).collect();
                    let area = [Polygon::new(area, colour.mix(0.3).filled())];
                    chart.draw_series(area).map_err(told)?;
                }
                chart.draw_series(LineSeries::new(piece, &colour)).map_err(told)?;
            }
        }
        Ok(())
    })
}

/// A bar for each share (0 to 1) of the highest, side by side.
///
/// # Errors
/// When it can't be drawn.
pub fn bars(label: &str, shares: &[f64]) -> Result<Markup> {
    let count = shares.len().max(1) as f64;
    draw(label, BARS, |chart| {
        let bars = shares.iter().enumerate().map(|(index, share)| {
            let (from, to) = (index as f64 + 0.08, index as f64 + 0.92);
            let corners = [(from / count, 0.0), (to / count, share.clamp(0.0, 1.0))];
            Rectangle::new(corners, Ink::Blue.colour().filled())
        });
        chart.draw_series(bars).map_err(told)?;
        Ok(())
    })
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// An element as wide as there is room for, with what `fill` draws and a grid of quarters.
fn draw(
    label: &str,
    size: (u32, u32),
    fill: impl FnOnce(&mut Chart<'_, '_>) -> Result<()>,
) -> Result<Markup> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        // Some room, so that a line at the upper edge is whole.
        let mut chart =
            ChartBuilder::on(&root).build_cartesian_2d(0.0..1.0, -0.01..1.03).map_err(told)?;
        for quarter in 0..5_u8 {
            let height = f64::from(quarter) / 4.0;
            let style = Ink::Grid.colour().stroke_width(1);
            let edge = [PathElement::new([(0.0, height), (1.0, height)], style)];
            chart.draw_series(edge).map_err(told)?;
        }
        fill(&mut chart)?;
        root.present().map_err(told)?;
    }
    let inner = svg.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>"));
    let inner = inner.map_or("", |(inner, _)| inner);
    let view = format!("0 0 {} {}", size.0, size.1);
    // plotters draws numbers only, and its output needs no escaping.
    Ok(html! {
        svg viewBox=(view) preserveAspectRatio="none" role="img" aria-label=(label) {
            (PreEscaped(inner))
        }
    })
}

/// A step for each bucket; equal ones are one.
fn pieces(curve: &Curve<'_>, buckets: f64) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut follows = false;
    for (index, bucket) in curve.series.buckets().iter().enumerate() {
        if !bucket.is_known() {
            follows = false;
            continue;
        }
        let (from, to) = (index as f64 / buckets, (index + 1) as f64 / buckets);
        let share = f64::from((curve.pick)(bucket)) / curve.high;
        let height = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        match pieces.last_mut().filter(|_| follows) {
            Some(piece) => match piece.last_mut() {
                Some(last) if last.1 == height => last.0 = to,
                _ => piece.extend([(from, height), (to, height)]),
            },
            None => pieces.push(vec![(from, height), (to, height)]),
        }
        follows = true;
    }
    pieces
}

/// plotters' errors borrow from the plot.
fn told(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("draw: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::units::{Nanos, WallNanos};

    fn at(second: u64) -> WallNanos {
        WallNanos(second * Nanos::SECOND.0)
    }

    fn drawn(known: &[(u64, f64)]) -> (Vec<Piece>, String) {
        let mut line = Timeline::new(at(0));
        line.reach(at(10));
        let (mut series, mut marks) = (Series::default(), Marks::default());
        for (second, value) in known {
            series.add(line, (at(*second), at(second + 1)), Some(*value));
        }
        marks.add(line, at(3));
        let pick = |bucket: &Bucket| bucket.most;
        let curve = Curve { series: &series, ink: Ink::Blue, filled: true, pick, high: 4.0 };
        let pieces = pieces(&curve, 10.0);
        let svg = curves("<b>", LANE, line, &[curve], [&marks, &Marks::default()]);
        (pieces, svg.expect("it can be drawn").into_string())
    }

    #[test]
    fn a_gap_is_no_line_and_equal_steps_are_one() {
        let (pieces, _) = drawn(&[(1, 2.0), (2, 2.0), (3, 9.0), (6, 0.0)]);
        let first = [(0.1, 0.5), (0.3, 0.5), (0.3, 1.0), (0.4, 1.0)];
        assert_eq!(pieces, [first.to_vec(), vec![(0.6, 0.0), (0.7, 0.0)]]);
    }

    #[test]
    fn a_plot_has_its_curves_and_marks_and_a_name_for_those_who_do_not_see_it() {
        let (_, svg) = drawn(&[(1, 2.0), (6, 1.0)]);
        assert!(svg.starts_with("<svg viewBox=\"0 0 960 44\"") && svg.ends_with("</svg>"), "{svg}");
        assert!(svg.contains("aria-label=\"&lt;b&gt;\""), "{svg}");
        assert_eq!(svg.matches("<polygon").count(), 2, "{svg}");
        assert_eq!(svg.matches("#A0508C").count(), 1, "one mark: {svg}");
    }

    #[test]
    fn every_colour_has_another_one_in_the_dark() {
        let style = include_str!("style.css");
        for ink in Ink::ALL {
            let RGBColor(red, green, blue) = ink.colour();
            let colour = format!("=\"#{red:02X}{green:02X}{blue:02X}\"]");
            assert!(style.contains(&colour), "{ink:?}: {colour}");
        }
    }
}
