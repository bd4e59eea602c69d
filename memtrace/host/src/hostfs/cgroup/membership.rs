//! /proc/PID/cgroup: the cgroup of a process in each hierarchy, cgroups(7).

/// Paths below the roots of the hierarchies, as the reader's cgroup namespace shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// In the version 1 hierarchy with the memory controller.
    pub memory: Option<String>,
    /// In the version 2 hierarchy.
    pub unified: Option<String>,
}

/// `ID:CONTROLLERS:PATH`; the path may hold colons.
fn line(line: &str) -> Option<(&str, &str, &str)> {
    let (id, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    Some((id, controllers, path))
}

/// The path in each hierarchy.
pub(crate) fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|text| line(text).map(|(_, _, path)| path))
}

impl Membership {
    pub fn parse(text: &str) -> Self {
        let mut membership = Self::default();
        for (id, controllers, path) in text.lines().filter_map(line) {
            let path = path.strip_suffix(" (deleted)").unwrap_or(path);
            if id == "0" && controllers.is_empty() {
                membership.unified = Some(path.to_owned());
            } else if controllers.split(',').any(|controller| controller == "memory") {
                membership.memory = Some(path.to_owned());
            }
        }
        membership
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found() {
        let membership = Membership::parse(
            "9:name=systemd:/\n5:cpu,cpuacct:/x\n4:memory:/machine/qemu-1-a:b.libvirt-qemu\n\
             0::/machine.slice/a b\n",
        );
        assert_eq!(membership.memory.as_deref(), Some("/machine/qemu-1-a:b.libvirt-qemu"));
        assert_eq!(membership.unified.as_deref(), Some("/machine.slice/a b"));
    }

    #[test]
    fn a_path_is_what_follows_the_second_colon() {
        let text = "9:name=systemd:/a:/user.slice/b\nnonsense\n0::/user.slice/c\n";
        assert_eq!(paths(text).collect::<Vec<_>>(), ["/a:/user.slice/b", "/user.slice/c"]);
    }

    #[test]
    fn a_removed_cgroup_keeps_its_path() {
        let membership = Membership::parse("0::/gone (deleted)\n");
        assert_eq!(membership.unified.as_deref(), Some("/gone"));
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "([0-9:]{0,4}memory:.{0,9}\n|.*\n)*") {
            Membership::parse(&text);
        }
    }
}
