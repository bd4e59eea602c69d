//! The header of a swap device: of zram, and of the disk that the lab gives the host.

const SIGNATURE: &[u8] = b"SWAPSPACE2";

/// The header that `mkswap` would write on a kernel with pages of `page` bytes: one page, at whose
/// end is the signature (union swap_header in include/linux/swap.h).
pub fn swap_header(bytes: u64, page: usize) -> Vec<u8> {
    let mut header = vec![0; page];
    let pages = bytes / (page as u64).max(1);
    let last_page = u32::try_from(pages).unwrap_or(u32::MAX).saturating_sub(1);
    let end = page.saturating_sub(SIGNATURE.len());
    let fields: [(usize, &[u8]); 3] =
        [(1024, &1_u32.to_le_bytes()), (1028, &last_page.to_le_bytes()), (end, SIGNATURE)];
    for (at, field) in fields {
        if let Some(place) = header.get_mut(at..at + field.len()) {
            place.copy_from_slice(field);
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_swap_header_is_as_mkswap_writes_it() {
        let header = swap_header(1 << 20, 4096);
        assert_eq!(header.len(), 4096);
        assert_eq!(&header[4086..], b"SWAPSPACE2");
        assert_eq!(&header[1024..1032], &[1, 0, 0, 0, 255, 0, 0, 0]);
    }

    #[test]
    fn larger_pages_have_a_larger_header() {
        let header = swap_header(1 << 20, 16384);
        assert_eq!(header.len(), 16384);
        assert_eq!(&header[16374..], b"SWAPSPACE2");
        assert_eq!(&header[1024..1032], &[1, 0, 0, 0, 63, 0, 0, 0]);
    }
}
