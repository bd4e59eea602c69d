//! Metadata, with the domain of libvirt's own mock driver.

use super::*;

#[test]
fn metadata_that_was_set_is_read() {
    virt::error::clear_error_callback();
    let connection = Connect::open(Some("test:///default")).unwrap();
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
