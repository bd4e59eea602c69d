//! Pressure stall information (PSI): /proc/pressure/memory and memory.pressure.
//! Format: Documentation/accounting/psi.rst.

mod trigger;

use std::io;
use std::path::Path;

use super::Keeper;
use memtrace_core::sample::{Psi, PsiLine};
pub use trigger::Trigger;

/// # Errors
/// When the file can't be read (`EOPNOTSUPP`: PSI is switched off), or isn't of that form.
pub fn read(path: &Path) -> io::Result<Psi> {
    kept(&Keeper::default(), path)
}

/// The same by a file that stays open.
///
/// # Errors
/// As [`read`].
pub fn kept(keeper: &Keeper, path: &Path) -> io::Result<Psi> {
    let psi = keeper.read(path, super::read::SMALL, parse)?;
    psi.ok_or_else(|| io::Error::other("no `some` line"))
}

/// `None` without a `some` line.
pub fn parse(text: &str) -> Option<Psi> {
    let find = |kind: &str| {
        text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' ')).and_then(line)
    };
    Some(Psi { some: find("some")?, full: find("full") })
}

fn line(fields: &str) -> Option<PsiLine> {
    let field = |key: &str| {
        fields.split_ascii_whitespace().find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
    };
    let average = |key| field(key)?.parse::<f64>().ok().filter(|value| value.is_finite());
    Some(PsiLine {
        avg10: average("avg10")?,
        avg60: average("avg60")?,
        avg300: average("avg300")?,
        total_us: field("total")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read() {
        let psi = parse(
            "some avg10=1.25 avg60=0.50 avg300=0.12 total=123456\n\
             full avg10=0.75 avg60=0.25 avg300=0.06 total=65432\n",
        )
        .unwrap();
        assert_eq!(psi.some, PsiLine { avg10: 1.25, avg60: 0.5, avg300: 0.12, total_us: 123_456 });
        assert_eq!(psi.full.unwrap().total_us, 65_432);
    }

    #[test]
    fn full_may_be_missing() {
        let psi = parse("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n").unwrap();
        assert_eq!(psi.full, None);
    }

    #[test]
    fn garbage_is_unknown() {
        for text in ["", "some", "some avg10=x avg60=0 avg300=0 total=0", "full avg10=0.0"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse("some avg10=NaN avg60=0 avg300=0 total=0"), None);
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "(some |full )?(avg10=|total=|.){0,9}") {
            parse(&text);
        }
    }
}
