//! Reads files with a size limit. Longer files are cut, so that no file can exhaust memory: text at
//! the end of a line, as the beginning of a number is another one.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// For files of a few lines or a screenful.
pub const SMALL: usize = 64 * 1024;
/// For command lines: Linux allows more, no hypervisor uses it.
pub(crate) const MEDIUM: usize = 512 * 1024;
/// For tables with a line for each mount or swap device.
pub const LARGE: usize = 8 * 1024 * 1024;

/// At most `limit` bytes of the file at `path`.
///
/// # Errors
/// Whatever opening or reading gives.
pub fn bytes(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    all(File::open(path)?, limit)
}

/// At most `limit` bytes of an open file.
///
/// # Errors
/// Whatever reading gives.
pub fn all(mut file: File, limit: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // Most files of /proc fit into one chunk, and their size is not known beforehand.
    let mut chunk = [0_u8; 8 * 1024];
    loop {
        let room = limit.saturating_sub(content.len()).min(chunk.len());
        let Some(buffer) = chunk.get_mut(..room).filter(|buffer| !buffer.is_empty()) else {
            return Ok(content);
        };
        match file.read(buffer) {
            Ok(0) => return Ok(content),
            Ok(count) => content.extend(buffer.iter().take(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The whole lines of them as text; what isn't UTF-8 is replaced.
///
/// # Errors
/// Whatever opening or reading gives.
pub fn text(path: &Path, limit: usize) -> io::Result<String> {
    let mut bytes = bytes(path, limit)?;
    bytes.truncate(whole(&bytes, limit, b'\n').len());
    Ok(lossy(bytes))
}

/// Of what was read up to `limit`, the parts that are whole, each with its `end`.
pub(crate) fn whole(content: &[u8], limit: usize, end: u8) -> &[u8] {
    if content.len() < limit {
        return content;
    }
    let last = content.iter().rposition(|&byte| byte == end);
    last.and_then(|last| content.get(..=last)).unwrap_or_default()
}

/// Bytes as text without copying where they are UTF-8.
pub(crate) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A file that holds one number.
///
/// # Errors
/// Whatever reading gives; `InvalidData` when it isn't a number.
pub fn number(path: &Path) -> io::Result<u64> {
    text(path, SMALL)?.trim().parse().map_err(io::Error::other)
}

/// Replaces the octal escapes (`\040`) that the kernel writes for blanks, tabs, line
/// ends and backslashes in the paths of mountinfo and swaps.
pub(crate) fn unescape(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if let (b'\\', Some((code, after))) = (first, octal(tail)) {
            out.push(code);
            rest = after;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    lossy(out)
}

fn octal(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.split_at_checked(3)?;
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit)).then_some(())?;
    Some((u8::from_str_radix(digits, 8).ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_cut_at_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("long");
        std::fs::write(&path, vec![b'x'; 50_000]).unwrap();
        assert_eq!(bytes(&path, 20_000).unwrap().len(), 20_000);
        assert_eq!(bytes(&path, SMALL).unwrap().len(), 50_000);
    }

    #[test]
    fn text_is_cut_at_the_end_of_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines");
        std::fs::write(&path, "a 1\nb 4096\n").unwrap();
        for (limit, expected) in
            [(3, ""), (4, "a 1\n"), (7, "a 1\n"), (11, "a 1\nb 4096\n"), (99, "a 1\nb 4096\n")]
        {
            assert_eq!(text(&path, limit).unwrap(), expected, "{limit}");
        }
        std::fs::write(&path, "4096").unwrap();
        assert_eq!(
            (text(&path, 5).unwrap(), text(&path, 2).unwrap()),
            ("4096".into(), String::new())
        );
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latin1");
        std::fs::write(&path, b"n\xe4me").unwrap();
        assert_eq!(text(&path, SMALL).unwrap(), "n\u{fffd}me");
    }

    #[test]
    fn octal_escapes_become_bytes() {
        assert_eq!(unescape(r"/swap\040file\134x"), r"/swap file\x");
        assert_eq!(unescape(r"/n\303\244me"), "/näme");
        assert_eq!(unescape(r"/a\"), r"/a\");
        assert_eq!(unescape(r"/a\04"), r"/a\04");
        assert_eq!(unescape(r"/a\999"), r"/a\999");
        assert_eq!(unescape(r"/a\777"), r"/a\777");
    }

    proptest::proptest! {
        #[test]
        fn unescaping_never_panics(text in ".*") {
            unescape(&text);
        }

        #[test]
        fn text_without_backslash_stays(text in r"[^\\]*") {
            proptest::prop_assert_eq!(unescape(&text), text);
        }
    }
}
