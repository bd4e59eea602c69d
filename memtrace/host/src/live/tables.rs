//! What the configuration says of single VMs, shared with who reads it again while VMs are sampled.

use std::sync::{Arc, Mutex, PoisonError};

use memtrace_core::settings::VmTable;

/// The tables. Its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct SharedTables(Arc<Mutex<Arc<[VmTable]>>>);

impl SharedTables {
    pub fn set(&self, tables: &[VmTable]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tables.into();
    }

    pub fn get(&self) -> Arc<[VmTable]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
