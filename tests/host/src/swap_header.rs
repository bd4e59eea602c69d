//! The header of a swap device: of zram in the host, and of the disk that the lab gives it.

/// The header that `mkswap` would write (union swap_header in include/linux/swap.h).
pub fn swap_header(bytes: u64) -> Vec<u8> {
    const PAGE: u64 = 4096;
    let mut header = vec![0; 4096];
    let last_page = u32::try_from(bytes / PAGE).unwrap_or(u32::MAX).saturating_sub(1);
    let fields: [(usize, &[u8]); 3] =
        [(1024, &1_u32.to_le_bytes()), (1028, &last_page.to_le_bytes()), (4086, b"SWAPSPACE2")];
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
        let header = swap_header(1 << 20);
        assert_eq!(header.len(), 4096);
        assert_eq!(&header[4086..], b"SWAPSPACE2");
        assert_eq!(&header[1024..1032], &[1, 0, 0, 0, 255, 0, 0, 0]);
    }
}
