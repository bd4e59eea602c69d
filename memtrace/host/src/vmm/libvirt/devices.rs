//! The devices of a domain, from its XML (docs/formatdomain.rst). Untrusted text.

use roxmltree::Node;

use super::xml;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Devices {
    pub(crate) balloon: Option<DomainBalloon>,
    /// It has a passed-through PCI device, as such or as a network interface.
    pub(crate) vfio: bool,
}

/// A domain's memory balloon device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DomainBalloon {
    pub(crate) deflate_on_oom: bool,
    pub(crate) free_page_reporting: bool,
    /// Polling period of statistics in seconds; 0: off.
    pub(crate) period: u32,
}

impl Devices {
    /// # Errors
    /// A message for the operator, when it is no XML.
    pub(crate) fn parse(domain: &str) -> Result<Self, String> {
        let document = xml::parse(domain)?;
        let domain = document.root_element();
        let lists = domain.children().filter(|child| child.has_tag_name("devices"));
        let mut devices = Self::default();
        for device in lists.flat_map(|list| list.children()) {
            let kind = device.attribute("type");
            match device.tag_name().name() {
                "memballoon" => devices.balloon = devices.balloon.or_else(|| balloon(device)),
                "hostdev" => devices.vfio |= kind == Some("pci"),
                "interface" => devices.vfio |= ["hostdev", "vdpa"].map(Some).contains(&kind),
                _ => {}
            }
        }
        Ok(devices)
    }
}

fn balloon(device: Node<'_, '_>) -> Option<DomainBalloon> {
    let is_on = |name| device.attribute(name) == Some("on");
    let stats = device.children().find(|child| child.has_tag_name("stats"));
    let period = stats.and_then(|stats| stats.attribute("period")?.parse().ok());
    (device.attribute("model") != Some("none")).then_some(DomainBalloon {
        deflate_on_oom: is_on("autodeflate"),
        free_page_reporting: is_on("freePageReporting"),
        period: period.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(devices: &str) -> Devices {
        Devices::parse(&format!("<domain type='kvm'><devices>{devices}</devices></domain>"))
            .expect("it is XML")
    }

    #[test]
    fn the_period_is_that_of_the_balloon() {
        let period = |balloon: &str| {
            let disk = "<disk><stats period='9'/></disk>";
            domain(&format!("{disk}{balloon}")).balloon.map(|balloon| balloon.period)
        };
        let virtio = |inside: &str| format!("<memballoon model='virtio'>{inside}</memballoon>");
        assert_eq!(period(&virtio("<stats period='1'/>")), Some(1));
        assert_eq!(period(&virtio("<stats period=\"2\"/>")), Some(2));
        assert_eq!(period(&virtio("<stats period='0'/>")), Some(0));
        assert_eq!(period(&virtio("<stats period='much'/>")), Some(0));
        assert_eq!(period(&virtio("<alias name='x'/>")), Some(0));
        assert_eq!(period("<memballoon model='virtio'/><x><stats period='3'/></x>"), Some(0));
        assert_eq!(period("<memballoon model='none'/>"), None);
        assert_eq!(period(""), None);
    }

    #[test]
    fn the_balloons_own_features_are_in_its_attributes() {
        let of = |devices: &str| {
            let balloon = domain(devices).balloon.expect("there is one");
            [balloon.deflate_on_oom, balloon.free_page_reporting]
        };
        assert_eq!(of("<memballoon model='virtio' autodeflate='on'/>"), [true, false]);
        assert_eq!(of("<memballoon model='virtio' freePageReporting='on'/>"), [false, true]);
        assert_eq!(of("<memballoon model='virtio'/><x autodeflate='on'/>"), [false, false]);
        assert_eq!(of("<memballoon model='virtio' autodeflate='off'/>"), [false, false]);
    }

    #[test]
    fn passed_through_devices_are_found() {
        for devices in [
            "<hostdev mode='subsystem' type='pci' managed='yes'/>",
            "<interface type='network'/><interface type='hostdev'/>",
            "<interface type='vdpa'/>",
        ] {
            assert!(domain(devices).vfio, "{devices}");
        }
        for devices in ["", "<hostdev mode='subsystem' type='usb'/>", "<interface type='bridge'/>"]
        {
            assert!(!domain(devices).vfio, "{devices}");
        }
    }

    #[test]
    fn text_that_looks_like_an_element_is_none() {
        let written = "<memballoon model='virtio' autodeflate='on'/><hostdev type='pci'/>";
        let escaped = written.replace('<', "&lt;").replace('>', "&gt;");
        for elsewhere in [
            format!("<description>{escaped}</description>"),
            format!("<description><![CDATA[{written}]]></description>"),
            format!("<!-- {written} -->"),
            format!("<metadata><x:y xmlns:x='https://x'>{written}</x:y></metadata>"),
            format!("<title name=\"{escaped}\"/>"),
        ] {
            let xml = format!("<domain>{elsewhere}<devices/></domain>");
            assert_eq!(Devices::parse(&xml), Ok(Devices::default()), "{xml}");
            let real =
                "<devices><memballoon model='virtio'><stats period='5'/></memballoon></devices>";
            let xml = format!("<domain>{elsewhere}{real}</domain>");
            let balloon = Devices::parse(&xml).expect("it is XML").balloon.expect("it has one");
            assert_eq!((balloon.period, balloon.deflate_on_oom), (5, false), "{xml}");
        }
    }

    #[test]
    fn invalid_xml_is_an_error() {
        for xml in ["", "domain", "<domain>", "<domain><devices></domain>"] {
            assert!(Devices::parse(xml).is_err(), "{xml}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(
            xml in "(<domain>|<devices>|<memballoon |<hostdev |<stats period='|</memballoon>|/>|.){0,20}",
        ) {
            let _ = Devices::parse(&xml);
        }
    }
}
