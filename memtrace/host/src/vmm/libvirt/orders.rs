//! Balloon commands to domains, on own threads: libvirt waits for the domain's monitor, for up to
//! 30 s when another job holds it.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use uuid::Uuid;

use super::Known;
use crate::vmm::order::SetBalloon;

/// Takes balloon commands for domains. Its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct LibvirtOrders(Arc<Orders>);

#[derive(Debug, Default)]
struct Orders {
    /// The state of libvirt. Empty as long as no VM needs it.
    known: OnceLock<Weak<Known>>,
    #[cfg(feature = "libvirt")]
    threads: threads::OrderThreads,
}

impl LibvirtOrders {
    pub(super) fn follow(&self, known: &Arc<Known>) {
        self.0.known.get_or_init(|| Arc::downgrade(known));
    }

    /// Sets the live size (`virDomainSetMemoryFlags`) of the domain that process `pid` runs. Never
    /// blocks; the outcome goes to `order.reply`.
    pub fn send(&self, uuid: Uuid, pid: u32, order: SetBalloon) {
        let known = self.0.known.get().and_then(Weak::upgrade);
        let obstacle = match known {
            Some(known) => known.lock().obstacle(uuid, pid, Instant::now()),
            None => Some("no query yet".to_owned()),
        };
        match obstacle {
            Some(obstacle) => order.reply.send(Err(format!("libvirt: {obstacle}"))),
            None => self.hand_over(uuid, order),
        }
    }

    #[cfg(feature = "libvirt")]
    fn hand_over(&self, uuid: Uuid, order: SetBalloon) {
        self.0.threads.set_balloon(uuid, order);
    }

    #[cfg(not(feature = "libvirt"))]
    fn hand_over(&self, uuid: Uuid, order: SetBalloon) {
        // Not reached: the state gives the same error.
        order.reply.send(Err(format!("libvirt: memtrace was built without it ({uuid})")));
    }
}

#[cfg(feature = "libvirt")]
mod threads {
    use std::sync::{Arc, Mutex, PoisonError};

    use uuid::Uuid;
    use virt::connect::Connect;
    use virt::error::Error;
    use virt::sys;

    use super::super::connection::{connect, describe};
    use crate::vmm::order::SetBalloon;
    use crate::vmm::workers::Workers;
    use memtrace_core::units::Bytes;

    /// Most domains that may hang at once. libvirtd has 20 threads for all its clients.
    const THREADS: usize = 8;

    type Connections = Arc<Mutex<Vec<Connect>>>;

    /// The threads, and idle connections: one for each thread, as
    /// [`super::super::connection`] says why.
    #[derive(Debug)]
    pub(super) struct OrderThreads {
        workers: Workers,
        idle: Connections,
        connect: fn() -> Result<Connect, Error>,
    }

    impl Default for OrderThreads {
        fn default() -> Self {
            Self::new(connect)
        }
    }

    impl OrderThreads {
        fn new(connect: fn() -> Result<Connect, Error>) -> Self {
            let workers = Workers::new("memtrace-orders", THREADS);
            Self { workers, idle: Arc::default(), connect }
        }

        pub(super) fn set_balloon(&self, uuid: Uuid, order: SetBalloon) {
            let (idle, connect) = (Arc::clone(&self.idle), self.connect);
            let SetBalloon { to, reply } = order;
            self.workers.submit(reply, move || {
                let result = set(&idle, connect, uuid, to);
                result.map_err(|error| format!("libvirt: {}", describe(&error)))
            });
        }
    }

    fn set(
        idle: &Connections,
        connect: fn() -> Result<Connect, Error>,
        uuid: Uuid,
        to: Bytes,
    ) -> Result<(), Error> {
        let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lock().pop();
        if let Some(kept) = kept {
            match set_on(&kept, uuid, to) {
                // libvirtd was restarted meanwhile.
                Err(_) if !kept.is_alive().unwrap_or(false) => {}
                result => {
                    lock().push(kept);
                    return result;
                }
            }
        }
        let new = connect()?;
        let result = set_on(&new, uuid, to);
        lock().push(new);
        result
    }

    fn set_on(connection: &Connect, uuid: Uuid, to: Bytes) -> Result<(), Error> {
        // libvirt counts in KiB; what is left over is the guest's.
        let kib = to.0.div_ceil(1024);
        connection.lookup_domain_by_uuid(uuid)?.set_memory_flags(kib, sys::VIR_DOMAIN_AFFECT_LIVE)
    }

    #[cfg(test)]
    mod tests {
        use std::sync::mpsc::channel;
        use std::time::Duration;

        use super::*;
        use crate::vmm::order::Reply;

        /// The domain of libvirt's own mock driver.
        const DOMAIN: Uuid = Uuid::from_u128(0x6695eb01_f6a4_8304_79aa_97f2502e193f);

        fn mock() -> Result<Connect, Error> {
            virt::error::clear_error_callback();
            Connect::open(Some("test:///default"))
        }

        fn order(threads: &OrderThreads, uuid: Uuid, to: Bytes) -> Result<(), String> {
            let (send, answer) = channel();
            let reply = Reply::new(move |result| send.send(result).unwrap());
            threads.set_balloon(uuid, SetBalloon { to, reply });
            answer.recv_timeout(Duration::from_secs(20)).unwrap()
        }

        #[test]
        fn the_live_size_is_set_and_the_connection_kept() {
            let threads = OrderThreads::new(mock);
            for to in [1 << 30, (2 << 30) - 1] {
                assert_eq!(order(&threads, DOMAIN, Bytes(to)), Ok(()));
                let idle = threads.idle.lock().unwrap();
                assert_eq!(idle.len(), 1);
                let domain = idle[0].lookup_domain_by_uuid(DOMAIN).unwrap();
                assert_eq!(domain.info().unwrap().memory, to.div_ceil(1024));
            }
        }

        #[test]
        fn a_refusal_has_libvirts_message() {
            let threads = OrderThreads::new(mock);
            let error = order(&threads, Uuid::from_u128(1), Bytes(1 << 30)).unwrap_err();
            assert!(error.starts_with("libvirt: ") && error.contains("omain not found"), "{error}");
            let more = Bytes(64 << 40);
            assert!(order(&threads, DOMAIN, more).unwrap_err().contains("memory"));
        }
    }
}
