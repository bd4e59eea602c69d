//! Memory in pieces, so that parts of it can be had, freed and used for something else.

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;
const PAGES: usize = MIB / PAGE;

/// A generator of page contents and places; never 0.
pub struct Random(u64);

impl Random {
    pub const fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// Marsaglia's xorshift64.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let number = usize::try_from(self.next()).unwrap_or(usize::MAX);
        number.checked_rem(end).unwrap_or(0)
    }
}

/// Allocated memory, MiB by MiB.
#[derive(Default)]
pub struct Pages {
    pieces: Vec<Vec<u8>>,
}

impl Pages {
    pub fn mib(&self) -> u64 {
        self.pieces.len() as u64
    }

    /// Has one MiB more, each page of it written, as programs do with what they allocate. Whether
    /// it could be had.
    pub fn grow(&mut self, random: &mut Random) -> bool {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(MIB).is_err() {
            return false;
        }
        piece.resize(MIB, 0);
        for page in piece.chunks_mut(PAGE) {
            // Not zero, which the host's swap would not write.
            let content = random.next().to_le_bytes();
            if let Some(begin) = page.get_mut(..content.len()) {
                begin.copy_from_slice(&content);
            }
        }
        self.pieces.push(piece);
        true
    }

    /// Frees memory down to so many MiB.
    pub fn shrink(&mut self, mib: u64) {
        self.pieces.truncate(usize::try_from(mib).unwrap_or(usize::MAX));
    }

    /// Hands memory over that has another use from now on.
    pub fn move_to(&mut self, other: &mut Self, mib: u64) {
        let most = self.pieces.len();
        let keep = most.saturating_sub(usize::try_from(mib).unwrap_or(most));
        other.pieces.extend(self.pieces.drain(keep..));
    }

    /// Writes to one page, any of them.
    pub fn touch(&mut self, random: &mut Random) {
        let (piece, page) = (random.below(self.pieces.len()), random.below(PAGES));
        let piece = self.pieces.get_mut(piece);
        if let Some(byte) = piece.and_then(|piece| piece.get_mut(page * PAGE)) {
            *byte = byte.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_moves_and_shrinks() {
        let (mut hot, mut cold) = (Pages::default(), Pages::default());
        let mut random = Random::new();
        assert!((0..5).all(|_| hot.grow(&mut random)));
        hot.move_to(&mut cold, 2);
        assert_eq!((hot.mib(), cold.mib()), (3, 2));
        cold.shrink(1);
        cold.touch(&mut random);
        assert_eq!(cold.mib(), 1);
        Pages::default().touch(&mut random);
    }

    #[test]
    fn every_page_is_written() {
        let mut pages = Pages::default();
        assert!(pages.grow(&mut Random::new()));
        assert!(pages.pieces[0].chunks(PAGE).all(|page| page.iter().any(|byte| *byte != 0)));
    }
}
