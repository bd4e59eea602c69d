//! The commands, as text. Pure.

/// What the host may ask for. Sizes are in MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Hold(usize),
    Cycle(usize),
    Idle,
    Resume,
    Free,
    Status,
    Off,
    /// A line of the load's plan.
    Plan(String),
    Settle,
    Go,
    Report,
    Notes,
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
            ["plan", rest @ ..] => Ok(Self::Plan(rest.join(" "))),
            ["settle"] => Ok(Self::Settle),
            ["go"] => Ok(Self::Go),
            ["report"] => Ok(Self::Report),
            ["notes"] => Ok(Self::Notes),
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
        assert_eq!(Command::parse("plan dead 5"), Ok(Command::Plan("dead 5".to_owned())));
        assert_eq!(Command::parse("report"), Ok(Command::Report));
    }

    #[test]
    fn anything_else_is_refused_with_a_reply() {
        for line in ["", "hold", "hold -1", "hold 1 2", "cycle x", "reboot", "héld 1"] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }
}
