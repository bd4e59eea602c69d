//! Balloon settings from a domain's metadata:
//! `virsh metadata web https://github.com/memtrace/memtrace/domain/1 --key memtrace
//! --set '<balloon minimum="1GiB" weight="2000"/>' --live --config`. Untrusted text.

use super::xml;
use crate::vmm::name;
use memtrace_core::settings::VmSettings;

/// Most of its mistakes that are told.
const MOST_PROBLEMS: usize = 8;

/// The settings of a VM, and errors for the operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) settings: VmSettings,
    pub(crate) problems: Vec<String>,
}

impl Metadata {
    /// From the `balloon` element, under any prefix, as libvirt writes it.
    pub(crate) fn parse(text: &str) -> Self {
        let failed = |problem: &str| Self {
            problems: vec![format!("its metadata: {}", name::display(problem))],
            ..Self::default()
        };
        let document = match xml::parse(text) {
            Ok(document) => document,
            Err(problem) => return failed(&problem),
        };
        let element = document.root_element();
        if element.tag_name().name() != "balloon" {
            return failed("no `balloon` element");
        }
        let pairs = element.attributes().map(|attribute| (attribute.name(), attribute.value()));
        let (settings, problems) = VmSettings::of_texts(pairs);
        let problems = problems.iter().take(MOST_PROBLEMS);
        let problems = problems.map(|problem| name::display(problem)).collect();
        Self { settings, problems }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::settings::Priority;
    use memtrace_core::units::Bytes;

    #[test]
    fn settings_are_read_under_any_prefix_and_quotes() {
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
    fn few_of_many_mistakes_are_told() {
        let wrong: String = (0..1000).map(|number| format!("a{number}='1' ")).collect();
        let read = Metadata::parse(&format!("<balloon {wrong} weight='7'/>"));
        assert_eq!((read.problems.len(), read.settings.weight), (MOST_PROBLEMS, Some(7)));
    }

    #[test]
    fn invalid_settings_are_named_and_the_others_hold() {
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
    fn an_invalid_element_is_reported() {
        for xml in [
            "",
            "balloon",
            "<balloon",
            "<balloon minimum>",
            "<balloon minimum=1/>",
            "<b/>",
            "<!-- <balloon minimum='1GiB'/> --><b/>",
            "<b><balloon minimum='1GiB'/></b>",
            "<b>&lt;balloon minimum='1GiB'/></b>",
            "<x:balloon minimum='1GiB'/>",
        ] {
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
