//! Tests of the model. [`fixture`] builds the samples, for other modules' tests too.

mod cgroup;
mod counters;
mod dead;
mod flows;
mod golden;
mod guest;
mod histogram;
mod history;
mod host;
mod missed;
mod properties;
mod swapping;
mod unknown;
mod walk;
