//! The connections to hypervisors.

use super::libvirt::LibvirtOrders;
use super::qmp::QmpOrders;

/// Shared with the pollers of guests: a QMP socket serves one client at a time.
#[derive(Clone, Debug, Default)]
pub struct Hypervisors {
    pub qmp: QmpOrders,
    pub libvirt: LibvirtOrders,
}
