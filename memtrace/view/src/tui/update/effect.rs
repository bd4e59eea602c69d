//! What an update asks the terminal to do.

use std::time::Duration;

use memtrace_core::replay::order::Order;
use memtrace_core::sample::VmId;

/// An effect to carry out.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Quit,
    /// Restore the terminal and stop the process until SIGCONT.
    Suspend,
    /// Redraw the whole screen, which another program has written to.
    Repaint,
    SetInterval(Duration),
    /// Read the threads of this VM, or of none.
    SetDetail(Option<VmId>),
    /// Of the recording.
    Replay(Order),
}
