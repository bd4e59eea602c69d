//! Colours and font of all pictures: on a light ground of their own, so that they read on a dark
//! page as well.

use plotters::prelude::RGBColor;

pub(crate) const GROUND: RGBColor = RGBColor(252, 252, 250);
pub(crate) const INK: RGBColor = RGBColor(40, 40, 40);
pub(crate) const FAINT: RGBColor = RGBColor(215, 215, 210);
/// Told apart by those who don't see colours as others do (Okabe and Ito's).
pub(crate) const ORANGE: RGBColor = RGBColor(213, 94, 0);
pub(crate) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(crate) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(crate) const PINK: RGBColor = RGBColor(204, 121, 167);
pub(crate) const SKY: RGBColor = RGBColor(86, 180, 233);
pub(crate) const FONT: &str = "sans-serif";
