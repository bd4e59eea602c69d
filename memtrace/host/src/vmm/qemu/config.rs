//! The files of `-readconfig` (util/qemu-config.c, `qemu_config_foreach`): options in sections, as
//! Incus and LXD give all of them, and Proxmox those of a bus. Pure; untrusted.

use super::options::Keyed;
use super::sections::MOST;

/// Longest file. Incus' have some kilobytes.
pub const LONGEST: usize = 1 << 20;

/// The sections in their order, each with its group: `[device "balloon0"]` is of the group `device`
/// and has the key `id`.
///
/// # Errors
/// Why it isn't such a file.
pub(super) fn parse(text: &str) -> Result<Vec<(String, Keyed)>, String> {
    let mut sections: Vec<(String, Keyed)> = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((group, id)) = header(line) {
            let mut keyed = Keyed::default();
            if let Some(id) = id {
                keyed.set("id", id);
            }
            sections.push((group.to_owned(), keyed));
        } else if let (Some((key, value)), Some((_, keyed))) = (pair(line), sections.last_mut()) {
            keyed.set(key, value);
        } else {
            return Err(format!("line {number} is not of QEMU's form"));
        }
        if sections.len() > MOST {
            return Err(format!("it has more than {MOST} sections"));
        }
    }
    Ok(sections)
}

/// `[group]` or `[group "id"]`; what follows is left out, as by QEMU.
fn header(line: &str) -> Option<(&str, Option<&str>)> {
    let (inside, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    match inside.split_once(char::is_whitespace) {
        None => Some((inside, None)),
        Some((group, id)) => Some((group, Some(unquoted(id)?))),
    }
}

/// `key = "value"`.
fn pair(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    Some((key.trim(), unquoted(value)?))
}

/// Up to the next quote; what follows is left out, as by QEMU.
fn unquoted(text: &str) -> Option<&str> {
    let (value, _) = text.trim().strip_prefix('"')?.split_once('"')?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_a_group_an_id_and_values() {
        let text = "# Machine\n[machine]\ntype = \"q35\"\n\n[device \"balloon_dev\"]\n  driver = \
                    \"virtio-balloon-pci\"\nbus = \"a=b\"\nempty = \"\"\n";
        let sections = parse(text).unwrap();
        let groups: Vec<&str> = sections.iter().map(|(group, _)| group.as_str()).collect();
        assert_eq!(groups, ["machine", "device"]);
        assert_eq!(sections[0].1.get("type"), Some("q35"));
        let device = &sections[1].1;
        assert_eq!(device.get("id"), Some("balloon_dev"));
        assert_eq!(device.get("driver"), Some("virtio-balloon-pci"));
        assert_eq!((device.get("bus"), device.get("empty")), (Some("a=b"), Some("")));
        assert_eq!(parse(""), Ok(vec![]));
        let trailing = parse("[memory] # boot\nsize = \"1\" # GiB\r\n").unwrap();
        assert_eq!(trailing[0].1.get("size"), Some("1"));
    }

    #[test]
    fn another_form_is_named_by_its_line() {
        for text in ["size = \"1\"", "[a]\nsize = 1", "[a]\n\nsize", "[a b]", "[a"] {
            assert!(parse(text).is_err_and(|error| error.starts_with("line ")), "{text}");
        }
        assert!(parse(&"[a]\n".repeat(MOST + 1)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(\\[|\\]|\"|=|\n|device|.){0,40}") {
            let _ = parse(&text);
        }
    }
}
