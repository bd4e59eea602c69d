//! A recording, seen again: moment after moment, by the code that shows the live host from
//! the sample on. It is no [`Source`](crate::source::Source): those only go on, this goes
//! back as well, and tells what was decided.

mod order;
mod player;
mod tape;
mod time;

pub use order::{Mark, Order, Place};
pub use player::{Remote, play};
pub use tape::{Shown, Tape, UNDECIDED};
pub use time::moment;
