//! The simulation as a whole: that its physics are possible ones, and that what is known
//! of real hosts comes out of it.

mod guests;
mod page;
mod physics;
mod safety;
mod scenarios;

use super::host::Host;
use super::scenario::Scenario;
use crate::order::{Actuator, Order};
use crate::policy::Action;
use crate::sample::Sample;
use crate::source::Source;
use crate::units::Bytes;

const MIB: u64 = 1 << 20;

/// A host of 4 GiB, of which 1 GiB is no guest's, with 2 GiB of swap.
fn scenario(vms: &str) -> Scenario {
    let text = format!(
        r#"
        about = "a test"
        seconds = 60
        [host]
        memory = "4 GiB"
        swap = {{ size = "2 GiB", bandwidth = "100 MiB", latency_us = 300 }}
        {vms}
        "#
    );
    Scenario::parse("test", &text).expect("it is a scenario")
}

fn vm(name: &str, rest: &str, load: &str) -> String {
    format!("[[vm]]\nname = \"{name}\"\nmemory = \"2 GiB\"\n{rest}\nload = {load}\n")
}

/// `{ kind = "steady", .. }` of so many MiB each.
fn steady(hot: u64, read_once: u64) -> String {
    format!(
        "{{ kind = \"steady\", needs = {{ hot = \"{hot} MiB\", read_once = \"{read_once} MiB\" }} }}"
    )
}

/// Quiet until second 10, and then so many MiB hot.
fn growing(from: u64, to: u64) -> String {
    format!(
        "{{ kind = \"bursty\", quiet = {{ hot = \"{from} MiB\" }}, busy = {{ hot = \"{to} MiB\" }}, \
         first = 10, every = 1000, lasts = 1000 }}"
    )
}

fn host(vms: &str) -> Host {
    Host::new(&scenario(vms)).expect("it begins")
}

/// The last of so many seconds.
fn pass(host: &mut Host, seconds: u64) -> Sample {
    let mut last = host.sample(None).expect("physics hold");
    for _ in 1..seconds {
        last = host.sample(None).expect("physics hold");
    }
    last
}

/// Tells the VM a size of so many MiB.
fn tell(host: &mut Host, vm: usize, mib: u64) {
    let guest = &host.vms[vm].guest;
    let order = Order {
        id: 1,
        vm: guest.id,
        pid: guest.pid,
        name: guest.name.clone(),
        action: Action::Balloon { from: Bytes(0), to: Bytes(mib * MIB) },
    };
    host.begin(&order);
}

fn mib(bytes: Option<Bytes>) -> u64 {
    bytes.expect("it is known").0 / MIB
}
