//! The state of the live view. Changed only by [`update`](super::update), read by the views.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::TopOptions;
use super::rows::{Lives, Row};
use crate::columns::{ColumnId, Sort};
use memtrace_core::filter::Filter;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::model::{History, Snapshot, Waits};
use memtrace_core::reactor::Decided;
use memtrace_core::replay::order::Place;
use memtrace_core::sample::VmId;

/// The state of the view.
#[derive(Clone, Debug)]
pub struct State {
    /// Width and height of the terminal.
    pub size: (u16, u16),
    pub color: bool,
    /// Which other memtrace takes the samples; it can't be asked for the threads of a VM. `None`:
    /// this one, or it is a recording.
    pub from: Option<String>,
    /// For the time of day in the header.
    pub zone: TimeZone,
    /// The snapshot shown; `None` before the first.
    pub snapshot: Option<Arc<Snapshot>>,
    /// While paused: the newest snapshot.
    pub newest: Option<Arc<Snapshot>>,
    /// The policy's decisions on this host.
    pub decided: Decided,
    /// While paused: the newest decisions.
    pub newest_decided: Option<Decided>,
    pub paused: bool,
    /// Position in the recording; `None` for the live host. A paused replay isn't `paused`.
    pub replay: Option<Place>,
    /// Why sampling has ended.
    pub failure: Option<Arc<str>>,
    /// Why there is nothing newer for now.
    pub waiting: Option<Arc<str>>,
    pub interval: Duration,
    pub sort: Sort,
    pub filter: Option<Filter>,
    /// The columns to show; empty: by the width of the screen.
    pub columns: Vec<ColumnId>,
    /// By how many columns the table is scrolled.
    pub skipped: usize,
    pub lives: Lives,
    pub history: History,
    /// Of the selected VM.
    pub waits: Waits,
    /// The selected VM. Once chosen, the selection follows it wherever its row goes.
    pub selected: Option<VmId>,
    /// Whether the user has selected it; until then the first row is selected.
    pub chosen: bool,
    /// The row that it is in.
    pub cursor: usize,
    /// The first visible row.
    pub offset: usize,
    pub screen: Screen,
    pub overlay: Option<Overlay>,
    /// The table shows VMs' ids instead of their names.
    pub ids: bool,
    /// Message about the last action, until the next key.
    pub remark: Option<String>,
}

/// The screen below the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    Table,
    /// The selected VM, from this line on.
    Detail {
        scroll: usize,
    },
    /// The policy's explanation for the selected VM, from this line on.
    Explain {
        scroll: usize,
    },
    /// Recent decisions, from this line on.
    Decisions {
        scroll: usize,
    },
}

impl Screen {
    /// The first visible line of a text pane; the table has none.
    pub const fn scroll(&mut self) -> Option<&mut usize> {
        match self {
            Self::Table => None,
            Self::Detail { scroll } | Self::Explain { scroll } | Self::Decisions { scroll } => {
                Some(scroll)
            }
        }
    }

    /// It is about the selected VM.
    pub(crate) const fn has_subject(self) -> bool {
        matches!(self, Self::Detail { .. } | Self::Explain { .. })
    }
}

/// The overlay, which takes the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// From this line on.
    Help {
        scroll: usize,
    },
    /// With this column under the cursor.
    SortMenu {
        index: usize,
    },
    Filter(Prompt),
    Interval(Prompt),
    /// The position in the recording to go to.
    GoTo(Prompt),
}

/// An input line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    pub text: String,
    /// Why the input is invalid.
    pub error: Option<String>,
}

impl State {
    pub fn new(options: &TopOptions, interval: Duration, size: (u16, u16), zone: TimeZone) -> Self {
        Self {
            size,
            color: options.color,
            from: None,
            zone,
            snapshot: None,
            newest: None,
            decided: Decided::Not("no decision yet".into()),
            newest_decided: None,
            paused: false,
            replay: None,
            failure: None,
            waiting: None,
            interval,
            sort: options.sort,
            filter: options.filter.clone(),
            columns: options.columns.clone(),
            skipped: 0,
            lives: Lives::default(),
            history: History::default(),
            waits: Waits::default(),
            selected: None,
            chosen: false,
            cursor: 0,
            offset: 0,
            screen: Screen::Table,
            overlay: None,
            ids: false,
            remark: None,
        }
    }

    /// The rows of the table in their order; none before the first snapshot.
    pub fn rows(&self) -> Vec<Row<'_>> {
        self.snapshot.as_ref().map_or_else(Vec::new, |snapshot| {
            self.lives.rows(snapshot, self.sort, self.filter.as_ref())
        })
    }

    /// The selected VM, if it still has a row.
    pub(crate) fn selected_vm(&self) -> Option<&VmView> {
        let id = self.selected?;
        self.rows().into_iter().find(|row| row.vm.id == id).map(|row| row.vm)
    }
}
