//! Arguments shared by commands that draw on a terminal, and print elsewhere.

use clap::Args;

use super::{ColorChoice, count};

/// What is printed instead of the live view, and how often.
#[derive(Args, Clone, Copy, Debug)]
pub struct PrintArguments {
    /// Print one plain table (with --json: one document) and exit
    #[arg(long, conflicts_with = "count")]
    pub once: bool,
    /// Print JSON lines, one document per interval
    #[arg(long, conflicts_with = "plain")]
    pub json: bool,
    /// Print plain tables instead of the live view
    #[arg(short = 'b', long)]
    pub plain: bool,
    /// Exit after N tables or documents; implies --plain unless --json is given
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub count: Option<u64>,
    /// When to use colours; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

impl PrintArguments {
    /// Whether something is printed even on a terminal.
    pub const fn prints(&self) -> bool {
        self.once || self.json || self.plain || self.count.is_some()
    }

    /// How many tables or documents at most.
    pub const fn most(&self) -> Option<u64> {
        if self.once { Some(1) } else { self.count }
    }
}

impl Default for PrintArguments {
    /// The same as an empty command line.
    fn default() -> Self {
        Self { once: false, json: false, plain: false, count: None, color: ColorChoice::Auto }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_is_one() {
        let typed = |once, count| PrintArguments { once, count, ..PrintArguments::default() };
        assert_eq!(
            [typed(true, None), typed(false, Some(4)), typed(false, None)].map(|it| it.most()),
            [Some(1), Some(4), None]
        );
    }

    #[test]
    fn a_count_prints() {
        let counted = PrintArguments { count: Some(4), ..PrintArguments::default() };
        assert!(counted.prints() && !PrintArguments::default().prints());
    }
}
