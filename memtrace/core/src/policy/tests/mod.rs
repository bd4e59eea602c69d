//! The policy as a whole.

mod costs;
mod fixture;
mod floors;
mod give_back;
mod hook;
mod killed;
mod own_driver;
mod promises;
mod properties;
mod receiving;
mod rescue;
mod rules;
mod settling;
mod touched;
mod undo;
mod vmm;
mod what_if;
