//! Terminal styles for emphasis. Without colours: terminal modifiers, and marks in the text.

use ratatui::style::{Color, Modifier, Style};

use crate::emphasis::Emphasis;

/// The style of an emphasis.
pub fn style(emphasis: Emphasis, color: bool) -> Style {
    let style = Style::new();
    match (emphasis, color) {
        (Emphasis::Plain, _) => style,
        (Emphasis::Dim, _) => style.add_modifier(Modifier::DIM),
        (Emphasis::Strong, _) | (Emphasis::Warm, false) => style.add_modifier(Modifier::BOLD),
        (Emphasis::Hot, false) => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        (Emphasis::Warm, true) => style.fg(Color::Yellow),
        (Emphasis::Hot, true) => style.fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

/// The style of a selected row.
pub(crate) fn selection() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// The style of table headings.
pub fn head() -> Style {
    Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
}
