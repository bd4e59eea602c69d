//! Parses libvirt's XML, which has untrusted parts: without DTD, and of bounded size.

use roxmltree::{Document, ParsingOptions};

use crate::vmm::name;

/// Maximum number of elements and texts; a domain has some hundreds.
const MOST_NODES: u32 = 1 << 16;
/// Maximum number of attributes, by their equals signs. The library compares each with all others
/// of its element.
const MOST_ATTRIBUTES: usize = 1 << 14;
/// Maximum number of declared namespaces: a domain has some ten. The library's time grows with the
/// cube of those that contain each other, 3 s for 2000.
const MOST_NAMESPACES: usize = 128;

/// # Errors
/// A message for the operator.
pub(in crate::vmm) fn parse(xml: &str) -> Result<Document<'_>, String> {
    if xml.matches('=').count() > MOST_ATTRIBUTES || xml.matches("xmlns").count() > MOST_NAMESPACES
    {
        return Err("invalid XML: too many attributes or namespaces".to_owned());
    }
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(xml, options)
        .map_err(|error| format!("invalid XML: {}", name::display(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both would take minutes and more.
    #[test]
    fn floods_of_attributes_and_namespaces_are_refused() {
        let many =
            |count: usize, each: fn(usize) -> String| (0..count).map(each).collect::<String>();
        let attributes = format!("<d{}/>", many(1 << 18, |n| format!(" a{n}=''")));
        let namespaces = many(60_000, |n| format!("<d xmlns:a{n}='b'>"));
        for xml in [attributes, namespaces] {
            assert!(parse(&xml).is_err_and(|error| error.ends_with("attributes or namespaces")));
        }
        let attributes = format!("<d{}/>", many(1 << 12, |n| format!(" a{n}=''")));
        let namespaces =
            (0..100).fold("<e/>".to_owned(), |inside, n| format!("<d xmlns:a{n}='b'>{inside}</d>"));
        for xml in [attributes, namespaces] {
            assert!(parse(&xml).is_ok());
        }
    }

    /// The library repeats what it did not expect.
    #[test]
    fn an_error_is_safe_on_a_terminal() {
        for xml in ["<a\u{3}/>", "<a\u{1b}[2J/>", "<a></\u{200b}>"] {
            let error = parse(xml).expect_err("it is no XML");
            assert!(!error.contains(|c: char| c.is_control() || c == '\u{200b}'), "{error:?}");
        }
    }

    #[test]
    fn entities_and_floods_of_elements_are_refused() {
        let laughs = "<!DOCTYPE d [<!ENTITY a 'ha'>]><d>&a;</d>";
        assert!(parse(laughs).is_err_and(|error| error.starts_with("invalid XML: ")));
        assert!(parse(&format!("<d>{}</d>", "<e/>".repeat(MOST_NODES as usize))).is_err());
        assert!(parse(&"<e>".repeat(1 << 20)).is_err());
        assert!(parse("<d><e/></d>").is_ok());
    }
}
