//! What is told of domains, and the helper's life, with stand-ins for the helper.

mod daemon;
mod known;
mod life;
