//! memtrace's own comparison tables, included: memtrace itself can't be a dependency,
//! because its build may need what the set-up fetches.

#[expect(dead_code, reason = "what memtrace alone uses")]
#[path = "../../memtrace/core/src/signal/quality.rs"]
pub mod quality;
#[expect(dead_code, reason = "what memtrace alone uses")]
#[path = "../../memtrace/core/src/accuracy/table.rs"]
pub mod table;

pub use quality::Quality;
