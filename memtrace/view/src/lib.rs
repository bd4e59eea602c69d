//! memtrace's views: the columns, the encoders, and the live view's state, update and drawing.
//! Pure: a snapshot goes in, text comes out.
#![forbid(unsafe_code)]

pub mod columns;
pub mod emphasis;
pub mod export;
pub mod summary;
pub mod tui;
pub mod words;
