//! What this kernel and these permissions don't allow, and why.

use ratatui::text::Line;

use super::{Subject, field};

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for status in &subject.snapshot.signals {
        let Some(reason) = status.quality.reason() else { continue };
        let (title, word) = (status.signal.title(), status.quality.word());
        lines.extend(field::sentence(subject, &format!("{title}: {word}: {reason}")));
    }
    if lines.is_empty() {
        lines = field::sentence(subject, "none: all are exact");
    }
    lines
}
