//! What a sample has of one process.

use super::*;

#[test]
fn threads_are_read_for_the_vm_that_is_looked_at() {
    let host = host();
    let stat = |tid: u32, comm: &str| {
        host.file(
            &format!("proc/50/task/{tid}/stat"),
            &format!("{tid} ({comm}) R 1 1 1 0 -1 0 11 0 22 0 3 4 0 0 20 0 4 0 9 1 2\n"),
        );
    };
    stat(51, "CPU 0/KVM");
    stat(50, "evil\x1b");
    let (mut source, _remote) = source(&host);
    let sample = source.sample(Some(ID)).unwrap();
    let threads = only(&sample).threads.clone().unwrap();
    let names: Vec<_> = threads.iter().map(|thread| (thread.tid, thread.name.as_str())).collect();
    assert_eq!(names, [(50, "evil\u{fffd}"), (51, "CPU 0/KVM")]);
    assert_eq!((threads[1].minor_faults, threads[1].major_faults), (11, 22));
}

#[test]
fn where_vmswap_corrects_swap_ins_both_are_of_one_moment() {
    let host = host();
    let (mut source, remote) = source(&host);
    let pages = |swap_out_pages| VmCounters { swap_out_pages, ..VmCounters::default() };
    let counted = VmReading { counters: pages(300), ..VmReading::default() };
    {
        let mut state = remote.state.lock().unwrap();
        state.reading.vms = [(50, counted)].into();
        state.fresh = [(50, pages(310))].into();
    }
    assert_eq!(only(&source.sample(None).unwrap()).swap_base, None);
    remote.state.lock().unwrap().swap_ins_need_vmswap = true;
    // VmSwap is 1 MiB.
    let sample = source.sample(None).unwrap();
    let vm = only(&sample);
    assert_eq!((vm.counters.unwrap().swap_out_pages, vm.swap_base), (310, Some(256 - 310)));
    // The base stays with the VM, and goes with it.
    remote.state.lock().unwrap().fresh = [(50, pages(400))].into();
    assert_eq!(only(&source.sample(None).unwrap()).swap_base, Some(256 - 310));
    host.process(&FakeProcess { start: 778, ..QEMU });
    remote.send(event(EVENT_APPEARED, 50));
    assert_eq!(only(&source.sample(None).unwrap()).swap_base, Some(256 - 400));
}

#[test]
fn whether_a_balloon_is_let_go_on_oom_is_on_the_command_line() {
    let told = |device: &str| {
        let host = host();
        let arguments = ["qemu-system-x86_64", "-m", "512", "-device", device];
        host.process(&FakeProcess { arguments: &arguments, ..QEMU });
        let sample = source(&host).0.sample(None).expect("it is read");
        only(&sample).guest.deflate_on_oom
    };
    assert_eq!(told("virtio-balloon-pci,deflate-on-oom=on"), Some(true));
    assert_eq!(told("virtio-balloon-pci"), Some(false));
    assert_eq!(told("virtio-net-pci"), None, "one may be plugged later");
}
