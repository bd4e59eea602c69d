//! What a host can measure at all.

/// What is measured on this host. A number that is measured and missing is unknown, and
/// keeps the policy from acting on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Senses {
    pub psi: bool,
    pub direct_reclaims: bool,
    pub swap_in: bool,
    pub async_faults: bool,
    pub stalled: bool,
    pub guest_faults: bool,
    pub guest_swap: bool,
}

impl Default for Senses {
    fn default() -> Self {
        Self {
            psi: true,
            direct_reclaims: true,
            swap_in: true,
            async_faults: true,
            stalled: true,
            guest_faults: true,
            guest_swap: true,
        }
    }
}
