//! What stands before what is compressed: RFC 1952.

/// What every gzip stream begins with. No text does.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How long the header of a member is; `None` if more of it must be seen. As RFC 1952 says.
pub(super) fn header_length(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    const FIXED: usize = 10;
    if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
        return Err("it is no gzip");
    }
    let Some(&[_, _, method, flags, ..]) = bytes.get(..FIXED) else { return Ok(None) };
    if method != 8 || flags & 0xe0 != 0 {
        return Err("it is compressed in a way that is not known");
    }
    let mut end = FIXED;
    if flags & 4 != 0 {
        let Some(&[low, high]) = bytes.get(end..end + 2) else { return Ok(None) };
        end += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    // The name and the comment, each up to a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let Some(length) = memchr::memchr(0, bytes.get(end..).unwrap_or_default()) else { return Ok(None) };
            end += length + 1;
        }
    }
    if flags & 2 != 0 {
        end += 2;
    }
    Ok((end <= bytes.len()).then_some(end))
}
