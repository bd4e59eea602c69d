//! Terminal styles for emphasis. Without colours: terminal modifiers, and marks in the text.

use ratatui::style::{Color, Modifier, Style};

use crate::emphasis::Tone;

/// The style of an emphasis.
pub fn style(tone: Tone, color: bool) -> Style {
    let style = Style::new();
    match (tone, color) {
        (Tone::Plain, _) => style,
        (Tone::Dim, _) => style.add_modifier(Modifier::DIM),
        (Tone::Strong, _) | (Tone::Warm, false) => style.add_modifier(Modifier::BOLD),
        (Tone::Hot, false) => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        (Tone::Warm, true) => style.fg(Color::Yellow),
        (Tone::Hot, true) => style.fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

/// The style of a selected row.
pub fn selection() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// The style of table headings.
pub fn head() -> Style {
    Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
}
