//! A colour for each contender: one hue for a peer, lighter for its variants, grey for what is no
//! peer but a bound.

use plotters::style::RGBColor;

const COLORS: [(&str, u32); 15] = [
    ("undertone", 0x0b_6e6e),
    ("undertone-cubic", 0x4d_a3a3),
    ("undertone-default", 0x93_cccc),
    ("quinn", 0x2f_5fa8),
    ("quinn-bbr", 0x86_a9da),
    ("s2n-quic", 0xd9_822b),
    ("s2n-quic-bbr", 0xf0_b97d),
    ("quiche", 0x7a_4fa3),
    ("quiche-bbr2", 0xb7_9bd1),
    ("kcp", 0xa8_3f77),
    ("enet", 0x8a_7a1f),
    ("tcp-tls", 0xb0_3434),
    ("tcp", 0xdd_8f8f),
    ("limit", 0x8d_99a6),
    ("udp", 0xc3_cad2),
];

/// A contender's colour.
pub(super) fn color(contender: &str) -> RGBColor {
    let known = COLORS.iter().find(|(name, _)| *name == contender);
    let [_, red, green, blue] = known.map_or(0, |(_, color)| *color).to_be_bytes();
    RGBColor(red, green, blue)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::peer;

    #[test]
    fn every_contender_has_a_color_that_no_other_has() {
        let colors = peer::names().into_iter().map(color);
        let colors: BTreeSet<(u8, u8, u8)> = colors.map(|c| (c.0, c.1, c.2)).collect();
        assert_eq!(colors.len(), peer::names().len());
        assert!(!colors.contains(&(0, 0, 0)), "one has none");
    }
}
