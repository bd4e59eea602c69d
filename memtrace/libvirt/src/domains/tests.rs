//! Metadata, with libvirt's own mock driver.

use std::fs;

use super::*;

/// Every connection to a file of one's own is a daemon of its own. All to `test:///default` are
/// one, in which other tests would see what is set here.
const NODE: &str = "<node><domain type='test'><name>test</name><memory>1048576</memory>\
    <os><type>hvm</type></os></domain></node>";

#[test]
fn metadata_that_was_set_is_read() {
    virt::error::clear_error_callback();
    let folder = tempfile::tempdir().unwrap();
    let node = folder.path().join("node.xml");
    fs::write(&node, NODE).unwrap();
    let connection = Connect::open(Some(&format!("test://{}", node.display()))).unwrap();
    let domain = connection.lookup_domain_by_name("test").unwrap();
    assert_eq!(metadata(&domain).unwrap(), None);
    let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap();
    let set = |xml| {
        let (key, uri) = (Some("memtrace"), Some(NAMESPACE));
        domain.set_metadata(kind, xml, key, uri, sys::VIR_DOMAIN_AFFECT_LIVE).unwrap();
    };
    set(Some("<balloon minimum='1GiB' weight='many'/>"));
    let read = metadata(&domain).unwrap().expect("it was set");
    assert!(read.contains("minimum") && read.contains("many"), "{read}");
    set(None);
    assert_eq!(metadata(&domain).unwrap(), None);
}
