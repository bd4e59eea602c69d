//! What would have to change for another decision, in sentences.

use memtrace_core::format::span;
use memtrace_core::policy::thought::{Change, WhatIf};

use super::{reason, show};

/// A line of it.
pub fn what_if(what_if: &WhatIf) -> String {
    match what_if {
        WhatIf::Worse { state, limit } => {
            format!("under {limit} % available it would be {}", state.word())
        }
        WhatIf::Better { state, limit } => format!(
            "from {limit} % available, and without pressure, it would be less than {}",
            state.word()
        ),
        WhatIf::Gives { changes } => {
            let changes: Vec<String> = changes.iter().map(change).collect();
            format!("it would give memory if {}", changes.join(", and "))
        }
        WhatIf::ReceivesIfFree { wanted } => format!(
            "it would get up to {} if more were free above the reserve and promises",
            show(*wanted)
        ),
        WhatIf::ReceivesUnder { limit, reason: why } => format!(
            "it would get memory at once with under {limit} % available in the guest ({})",
            reason(why)
        ),
        WhatIf::NeverReceives { reason: why } => {
            format!("it would get no memory in any case ({})", reason(why))
        }
        WhatIf::NeedUnknown { reason: why } => {
            format!("whether it needs memory would have to be known ({})", reason(why))
        }
        WhatIf::GetsBack { bytes, quiet } => format!(
            "it would get back {} in steps once the host has been calm for {} without \
             pressure",
            show(*bytes),
            span(*quiet)
        ),
        WhatIf::Other => "not recorded".to_owned(),
    }
}

fn change(change: &Change) -> String {
    match change {
        Change::Inflating => "inflating balloons were switched on".to_owned(),
        Change::Waits => "VMs waited for memory".to_owned(),
        Change::SlowSwap { limit } => {
            format!("a page of the host's swap took longer than {:.1} ms", limit * 1e3)
        }
        Change::Shortage { soft, share } => {
            format!("the host had under {soft} % available, or were about to (now {share:.1} %)")
        }
        Change::Gates { closed } => {
            let closed: Vec<&str> = closed.iter().map(|kind| kind.word()).collect();
            format!("its closed gates were open ({})", closed.join(", "))
        }
        Change::Share { need, least } => format!(
            "its share of the {} needed were large enough for an order ({})",
            show(*need),
            show(*least)
        ),
    }
}
