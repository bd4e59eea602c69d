//! Parses libvirt's XML, which has untrusted parts: without DTD, and of bounded size.

use roxmltree::{Document, ParsingOptions};

/// Maximum number of elements and texts; a domain has some hundreds.
const MOST_NODES: u32 = 1 << 16;

/// # Errors
/// A message for the operator.
pub(in crate::vmm) fn parse(xml: &str) -> Result<Document<'_>, String> {
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(xml, options).map_err(|error| format!("invalid XML: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_and_floods_of_elements_are_refused() {
        let laughs = "<!DOCTYPE d [<!ENTITY a 'ha'>]><d>&a;</d>";
        assert!(parse(laughs).is_err_and(|error| error.starts_with("invalid XML: ")));
        assert!(parse(&format!("<d>{}</d>", "<e/>".repeat(MOST_NODES as usize))).is_err());
        assert!(parse(&"<e>".repeat(1 << 20)).is_err());
        assert!(parse("<d><e/></d>").is_ok());
    }
}
