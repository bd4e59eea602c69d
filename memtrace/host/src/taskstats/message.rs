//! Generic netlink messages: writing a request, reading an answer's attributes. Pure
//! (include/uapi/linux/netlink.h, genetlink.h).

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `struct nlmsghdr` and `struct genlmsghdr`.
const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
/// `struct nlattr`.
const ATTRIBUTE_HEADER: usize = 4;

/// A request with one attribute.
pub fn request(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let mut body = vec![command, 1, 0, 0];
    let length = ATTRIBUTE_HEADER.saturating_add(value.len());
    body.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
    body.extend_from_slice(&attribute.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
    let total = u32::try_from(HEADER.saturating_add(body.len())).unwrap_or(u32::MAX);
    let mut message = total.to_ne_bytes().to_vec();
    message.extend_from_slice(&family.to_ne_bytes());
    message.extend_from_slice(&REQUEST.to_ne_bytes());
    // Sequence and port: there is one request at a time on a socket of its own.
    message.extend_from_slice(&[0; 8]);
    message.extend(body);
    message
}

/// The attributes of an answer; the error is the kernel's error number, or nothing when
/// the message is damaged.
///
/// # Errors
/// As said.
pub fn attributes(message: &[u8]) -> Result<&[u8], Option<i32>> {
    let kind = u16_at(message, 4).ok_or(None)?;
    if kind == ERROR {
        return Err(u32_at(message, HEADER).map(|code| code.cast_signed().wrapping_neg()));
    }
    let length = u32_at(message, 0).and_then(|length| usize::try_from(length).ok()).ok_or(None)?;
    message.get(HEADER.saturating_add(GENERIC_HEADER)..length).ok_or(None)
}

/// The value of the first attribute of a kind.
pub fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        // The two highest bits are flags.
        let kind = u16_at(attributes, 2)? & 0x3fff;
        let value = attributes.get(ATTRIBUTE_HEADER..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// Two bytes as a number.
pub fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

/// Four bytes as a number.
pub fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

/// Eight bytes as a number.
pub fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    bytes.get(place..)?.first_chunk().map(|chunk| u64::from_ne_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_its_attribute() {
        let message = request(16, 3, 2, b"NAME\0");
        assert_eq!(u32_at(&message, 0), Some(32));
        assert_eq!(message.len(), 32);
        let attributes = attributes(&message).unwrap();
        assert_eq!(find(attributes, 2), Some(&b"NAME\0"[..]));
        assert_eq!(find(attributes, 1), None);
    }

    #[test]
    fn an_error_gives_its_number() {
        let mut message = request(2, 0, 0, &[]);
        message[HEADER..HEADER + 4].copy_from_slice(&(-3_i32).to_ne_bytes());
        assert_eq!(attributes(&message), Err(Some(3)));
    }

    #[test]
    fn damaged_messages_end_the_search() {
        assert_eq!(attributes(&[0; 3]), Err(None));
        for bytes in [&[0_u8; 8][..], &[1, 0, 0, 0], &[255, 255, 1, 0]] {
            assert_eq!(find(bytes, 7), None);
        }
    }
}
