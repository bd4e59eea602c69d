//! The commands, as text. Pure.

/// What the host may ask for. Sizes are in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Hold(usize),
    Cycle(usize),
    Idle,
    Resume,
    Free,
    Status,
    Off,
}

impl Command {
    /// Reads a line; the error is the reply.
    ///
    /// # Errors
    /// When it is no command.
    pub fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let size = |text: &str| text.parse().map_err(|_| format!("no size in MiB: {text:.20}"));
        match words.as_slice() {
            ["hold", mib] => Ok(Self::Hold(size(mib)?)),
            ["cycle", mib] => Ok(Self::Cycle(size(mib)?)),
            ["idle"] => Ok(Self::Idle),
            ["resume"] => Ok(Self::Resume),
            ["free"] => Ok(Self::Free),
            ["status"] => Ok(Self::Status),
            ["off"] => Ok(Self::Off),
            _ => Err(format!("no such command: {line:.40}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        assert_eq!(Command::parse("hold 12"), Ok(Command::Hold(12)));
        assert_eq!(Command::parse(" cycle  300 "), Ok(Command::Cycle(300)));
        assert_eq!(Command::parse("resume"), Ok(Command::Resume));
        assert_eq!(Command::parse("status"), Ok(Command::Status));
    }

    #[test]
    fn anything_else_is_refused_with_a_reply() {
        for line in ["", "hold", "hold -1", "hold 1 2", "cycle x", "reboot", "héld 1"] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }
}
