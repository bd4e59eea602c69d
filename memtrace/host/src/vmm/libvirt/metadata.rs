//! Balloon settings from a domain's metadata:
//! `virsh metadata web https://github.com/memtrace/memtrace/domain/1 --key memtrace
//! --set '<balloon minimum="1GiB" weight="2000"/>' --live --config`. Untrusted text.

use crate::vmm::name;
use memtrace_core::policy::settings::VmSettings;

/// Names what memtrace understands (Namespaces in XML 1.0, 2.1); nothing need be there.
#[cfg(feature = "libvirt")]
pub(super) const NAMESPACE: &str = "https://github.com/memtrace/memtrace/domain/1";

/// The settings of a VM, and errors for the operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) settings: VmSettings,
    pub(crate) problems: Vec<String>,
}

impl Metadata {
    /// From the element as libvirt writes it.
    pub(crate) fn parse(xml: &str) -> Self {
        match attributes(xml) {
            Ok(pairs) => {
                let (settings, problems) =
                    VmSettings::of_texts(pairs.iter().map(|(key, value)| (*key, *value)));
                let problems = problems.iter().map(|problem| name::display(problem)).collect();
                Self { settings, problems }
            }
            Err(problem) => Self { problems: vec![problem.to_owned()], ..Self::default() },
        }
    }
}

/// Names and values in the first tag, which is to be `balloon`, under whatever prefix. Values
/// that need escapes are none that memtrace knows, and come as they are.
fn attributes(xml: &str) -> Result<Vec<(&str, &str)>, &'static str> {
    let broken = "its metadata is no XML element";
    let tag = xml.trim_start().strip_prefix('<').ok_or(broken)?;
    let end = tag.find(|c: char| c.is_whitespace() || c == '/' || c == '>').ok_or(broken)?;
    let (element, mut rest) = tag.split_at(end);
    let local = element.rsplit_once(':').map_or(element, |(_, local)| local);
    if local != "balloon" {
        return Err("its metadata has no `balloon` element");
    }
    let mut pairs = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.starts_with('>') || rest.starts_with("/>") {
            return Ok(pairs);
        }
        let (key, value) = rest.split_once('=').ok_or(broken)?;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or(broken)?;
        let (value, after) = value.get(1..).and_then(|v| v.split_once(quote)).ok_or(broken)?;
        let key = key.trim_end();
        if key != "xmlns" && !key.starts_with("xmlns:") {
            pairs.push((key, value));
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::policy::settings::Priority;
    use memtrace_core::units::Bytes;

    #[test]
    fn what_is_said_is_read_under_any_prefix_and_quotes() {
        let settings = VmSettings {
            minimum: Some(Bytes(1 << 30)),
            maximum: Some(Bytes(4 << 30)),
            weight: Some(2000),
            priority: Some(Priority::High),
            exclude: Some(false),
        };
        for xml in [
            "<balloon minimum='1GiB' maximum='4 GiB' weight='2000' priority='high' \
             exclude='false'/>",
            "\n<memtrace:balloon xmlns:memtrace=\"https://x/1\" minimum=\"1GiB\"\n maximum=\"4GiB\" \
             weight = '2000' priority='high' exclude='false'><x/></memtrace:balloon>",
        ] {
            assert_eq!(Metadata::parse(xml), Metadata { settings, problems: vec![] }, "{xml}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_the_rest_holds() {
        let read = Metadata::parse(
            "<balloon minimum='much' maximum='1GiB' weight='-1' prioritt='low' exclude='maybe'/>",
        );
        let maximum = Some(Bytes(1 << 30));
        assert_eq!(read.settings, VmSettings { maximum, ..VmSettings::default() });
        let named = ["minimum", "weight", "prioritt", "exclude"];
        assert_eq!(read.problems.len(), named.len());
        for (problem, name) in read.problems.iter().zip(named) {
            assert!(problem.starts_with(name), "{problem}");
        }
        let crossed = Metadata::parse("<balloon minimum='2GiB' maximum='1GiB'/>");
        assert_eq!(crossed.settings.maximum, None);
        assert_eq!(crossed.problems, ["maximum: must not be less than minimum"]);
    }

    #[test]
    fn what_is_no_such_element_is_told() {
        for xml in ["", "balloon", "<balloon", "<balloon minimum>", "<balloon minimum=1/>", "<b/>"]
        {
            let read = Metadata::parse(xml);
            assert_eq!((read.settings, read.problems.len()), (VmSettings::default(), 1), "{xml}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(xml in "(<|balloon|minimum=|weight=|'|\"|/>|>|.){0,20}") {
            Metadata::parse(&xml);
        }
    }
}
