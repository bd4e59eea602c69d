//! Where a pair of runs takes place. Pure.

use memtrace_lab::local::plan::Manager;

use super::run::Run;
use super::scenes::SCENES;
use super::verdict::LabLevel;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Level 2: a host of its own, by its kernel.
    Kernel(String),
    /// Level 1: this machine.
    Host(Manager),
    /// A further scene on this machine.
    Scene(&'static str),
}

impl Place {
    /// From the command line.
    ///
    /// # Errors
    /// When it can be neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "host" => Ok(Self::Host(Manager::Plain)),
            "libvirt" => Ok(Self::Host(Manager::Libvirt)),
            _ if text.starts_with(|first: char| first.is_ascii_digit()) => {
                Ok(Self::Kernel(text.to_owned()))
            }
            _ => {
                SCENES.into_iter().find(|scene| *scene == text).map(Self::Scene).ok_or_else(|| {
                    let scenes = SCENES.join(", ");
                    format!("wants a kernel's version, `host`, `libvirt` or a scene: {scenes}")
                })
            }
        }
    }

    /// As on the command line, for files.
    pub fn name(&self) -> &str {
        match self {
            Self::Kernel(kernel) => kernel,
            Self::Host(Manager::Plain) => "host",
            Self::Host(Manager::Libvirt) => "libvirt",
            Self::Scene(name) => name,
        }
    }

    pub fn level(&self) -> LabLevel {
        match self {
            Self::Kernel(_) => LabLevel::Two,
            Self::Host(_) | Self::Scene(_) => LabLevel::One,
        }
    }

    /// For people: who was run there, on what, and when.
    pub fn title(&self, run: &Run) -> String {
        let kernel = run.kernel.as_deref().unwrap_or("unknown kernel");
        let title = match self {
            Self::Kernel(_) => kernel.to_owned(),
            Self::Host(Manager::Plain) => format!("Plain qemu guests on {kernel}"),
            Self::Host(Manager::Libvirt) => format!("libvirt domains on {kernel}"),
            Self::Scene(name) => format!("{name} on {kernel}"),
        };
        run.date.as_ref().map_or(title.clone(), |date| format!("{title}, {date}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::Mode;
    use super::*;

    #[test]
    fn a_place_is_a_kernel_or_this_machine_and_nothing_else() {
        for name in ["6.12", "host", "libvirt", "turns", "cache"] {
            assert_eq!(
                Place::parse(name).map(|place| place.name().to_owned()),
                Ok(name.to_owned())
            );
        }
        assert!(Place::parse("hots").is_err() && Place::parse("../x").is_err());
    }

    #[test]
    fn a_title_says_on_what_and_when_as_far_as_that_is_known() {
        let mut run = Run::new(Mode::Observe);
        assert_eq!(Place::Kernel("6.12".to_owned()).title(&run), "unknown kernel");
        run.kernel = Some("6.1.2".to_owned());
        run.date = Some("2026-11-23".to_owned());
        let title = Place::Host(Manager::Libvirt).title(&run);
        assert_eq!(title, "libvirt domains on 6.1.2, 2026-11-23");
    }
}
