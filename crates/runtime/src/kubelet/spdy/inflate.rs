//! Decompression of SPDY header blocks: one zlib stream (RFC 1950, 1951) a connection, that starts from
//! a dictionary and is flushed to a byte boundary after each block.

use std::sync::LazyLock;

use super::dictionary::dictionary;

/// A header block is not larger than this, compressed or not.
pub(in crate::kubelet) const LIMIT: usize = 64 * 1024;
const WINDOW: usize = 32 * 1024;

/// Why a block cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kubelet) struct Corrupt;

/// The state of one direction of a connection.
#[derive(Debug)]
pub(in crate::kubelet) struct Inflater {
    window: Vec<u8>,
    begun: bool,
}

impl Inflater {
    pub(in crate::kubelet) fn new() -> Self {
        Self {
            window: dictionary(),
            begun: false,
        }
    }

    /// Decompresses the next block.
    pub(in crate::kubelet) fn block(&mut self, mut input: &[u8]) -> Result<Vec<u8>, Corrupt> {
        if input.len() > LIMIT {
            return Err(Corrupt);
        }
        if !self.begun {
            let [method, flags, rest @ ..] = input else {
                return Err(Corrupt);
            };
            if method & 0x0f != 8 {
                return Err(Corrupt);
            }
            // FDICT: four bytes name the dictionary.
            input = if flags & 0x20 == 0 {
                rest
            } else {
                rest.get(4..).ok_or(Corrupt)?
            };
            self.begun = true;
        }
        let start = self.window.len();
        let mut bits = Bits {
            input,
            at: 0,
            hold: 0,
            count: 0,
        };
        while bits.more() {
            let last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => self.stored(&mut bits, start)?,
                1 => {
                    let (literals, distances) = &*FIXED;
                    self.compressed(&mut bits, literals, distances, start)?;
                }
                2 => {
                    let (literals, distances) = dynamic(&mut bits)?;
                    self.compressed(&mut bits, &literals, &distances, start)?;
                }
                _ => return Err(Corrupt),
            }
            if last {
                break;
            }
        }
        let out = self.window[start..].to_vec();
        let surplus = self.window.len().saturating_sub(WINDOW);
        self.window.drain(..surplus);
        Ok(out)
    }

    fn push(&mut self, byte: u8, start: usize) -> Result<(), Corrupt> {
        if self.window.len() - start >= LIMIT {
            return Err(Corrupt);
        }
        self.window.push(byte);
        Ok(())
    }

    fn stored(&mut self, bits: &mut Bits<'_>, start: usize) -> Result<(), Corrupt> {
        bits.align();
        let (length, complement) = (bits.take(16)?, bits.take(16)?);
        if length != !complement & 0xffff {
            return Err(Corrupt);
        }
        for _ in 0..length {
            let byte = bits.take(8)? as u8;
            self.push(byte, start)?;
        }
        Ok(())
    }

    fn compressed(
        &mut self,
        bits: &mut Bits<'_>,
        literals: &Huffman,
        distances: &Huffman,
        start: usize,
    ) -> Result<(), Corrupt> {
        loop {
            let symbol = literals.decode(bits)?;
            match symbol {
                0..=255 => self.push(symbol as u8, start)?,
                256 => return Ok(()),
                257..=285 => {
                    let index = usize::from(symbol - 257);
                    let length = usize::from(LENGTHS[index])
                        + bits.take(u32::from(LENGTH_BITS[index]))? as usize;
                    let code = usize::from(distances.decode(bits)?);
                    let base = *DISTANCES.get(code).ok_or(Corrupt)?;
                    let distance =
                        usize::from(base) + bits.take(u32::from(DISTANCE_BITS[code]))? as usize;
                    for _ in 0..length {
                        let from = self.window.len().checked_sub(distance).ok_or(Corrupt)?;
                        self.push(self.window[from], start)?;
                    }
                }
                _ => return Err(Corrupt),
            }
        }
    }
}

// RFC 1951 §3.2.5
const LENGTHS: [u16; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
const LENGTH_BITS: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCES: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
    2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_BITS: [u8; 30] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

struct Bits<'a> {
    input: &'a [u8],
    at: usize,
    hold: u32,
    count: u32,
}

impl Bits<'_> {
    /// Whether another block may begin.
    fn more(&self) -> bool {
        self.at < self.input.len() || self.count >= 8
    }

    fn take(&mut self, wanted: u32) -> Result<u32, Corrupt> {
        while self.count < wanted {
            let byte = *self.input.get(self.at).ok_or(Corrupt)?;
            self.hold |= u32::from(byte) << self.count;
            self.at += 1;
            self.count += 8;
        }
        let value = self.hold & ((1 << wanted) - 1);
        self.hold >>= wanted;
        self.count -= wanted;
        Ok(value)
    }

    fn align(&mut self) {
        let surplus = self.count % 8;
        self.hold >>= surplus;
        self.count -= surplus;
    }
}

/// A canonical code: how many codes there are of each length, and their symbols in order.
struct Huffman {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Huffman {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0_u16; 16];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let mut pairs: Vec<(u8, u16)> = (0_u16..)
            .zip(lengths)
            .filter(|(_, length)| **length > 0)
            .map(|(symbol, length)| (*length, symbol))
            .collect();
        pairs.sort_unstable();
        Self {
            counts,
            symbols: pairs.into_iter().map(|(_, symbol)| symbol).collect(),
        }
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Result<u16, Corrupt> {
        let (mut code, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for count in &self.counts[1..] {
            let count = u32::from(*count);
            code |= bits.take(1)?;
            if code < first + count {
                let position = index + (code.checked_sub(first).ok_or(Corrupt)?);
                return self.symbols.get(position as usize).copied().ok_or(Corrupt);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Corrupt)
    }
}

/// RFC 1951 §3.2.6. Made once: a block of ten bits may ask for it.
static FIXED: LazyLock<(Huffman, Huffman)> = LazyLock::new(|| {
    let mut lengths = [8_u8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    (Huffman::new(&lengths), Huffman::new(&[5; 30]))
});

fn dynamic(bits: &mut Bits<'_>) -> Result<(Huffman, Huffman), Corrupt> {
    let literals = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let codes = bits.take(4)? as usize + 4;
    let mut lengths = [0_u8; 19];
    for position in &ORDER[..codes] {
        lengths[*position] = bits.take(3)? as u8;
    }
    let code = Huffman::new(&lengths);
    let mut lengths = Vec::with_capacity(320);
    while lengths.len() < literals + distances {
        let (value, repeat) = match code.decode(bits)? {
            symbol @ 0..=15 => (symbol as u8, 1),
            16 => (*lengths.last().ok_or(Corrupt)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            _ => (0, 11 + bits.take(7)?),
        };
        lengths.extend(std::iter::repeat_n(value, repeat as usize));
    }
    if lengths.len() != literals + distances {
        return Err(Corrupt);
    }
    Ok((
        Huffman::new(&lengths[..literals]),
        Huffman::new(&lengths[literals..]),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn blocks_of_one_stream_are_read_one_after_the_other() {
        let mut inflater = Inflater::new();
        for (compressed, plain) in FIXTURES {
            assert_eq!(inflater.block(&bytes(compressed)).unwrap(), bytes(plain));
        }
    }

    #[test]
    fn rubbish_is_refused_without_a_panic() {
        for seed in 0..2000_u32 {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            let noise: Vec<u8> = [0x78, 0x01]
                .into_iter()
                .chain((0..60).map(|_| next()))
                .collect();
            let _ = Inflater::new().block(&noise);
        }
    }

    /// Written by zlib 1.2 with the dictionary.
    const FIXTURES: [(&str, &str); 3] = [
        (
            "78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff",
            "000000010000000a73747265616d74797065000000056572726f72",
        ),
        (
            "02a5474ca9e21260768194d845e0cc6161606100a4398b20319c094af94c864600000000ffff",
            "000000030000000a73747265616d7479706500000005737464696e00000004706f727400000004383038300000000972\
             6571756573746964000000023132",
        ),
        (
            "3c944b6e04310805152999ce51b28964c0fc6e96e3079ecd6c46ed6a06aa8d4dfdfe7486bfdf7efbb1ce731ff24f4fca\
             b3eca82f21733b6be9b5133b9df5ee634e6cbef6010a909eae0718ae55689de803bc81442cb939a2812e0bba45baf6ab\
             0efa967efa2ca9967bb5d55a97f47f5fa9413931adfad475a95b651709904808e21b6d2055ae5b7591027990c3b95127\
             78eaba3adb443910778b265700a9a9eb544ca0d070bd5edcc60fb670e499807632fb44c1be448bdc5c0cfb4d91a4b722\
             949fad56f3e07a31ec77ee94b167d8aba8f03b0af6eacef9ce057be3eacbbb22eccd3463bc04f668f8d8a36d8f5bcdb4\
             f946817dd0ca353b21b00f63f1d92f817d7dcd96d955817dfa5aefbd47f3be6971cdc46991f86151e3703a29015687a4\
             86cb144db09a7adb33ff010000ffff",
            "0000002800000003782d30000000013000000003782d31000000043739313900000003782d3200000005333136373600\
             000003782d3300000005373132373100000003782d340000000631323637303400000003782d35000000063139373937\
             3500000003782d360000000632383530383400000003782d370000000633383830333100000003782d38000000063530\
             3638313600000003782d390000000636343134333900000004782d31300000000637393139303000000004782d313100\
             00000639353831393900000004782d3132000000073131343033333600000004782d3133000000073133333833313100\
             000004782d3134000000073135353231323400000004782d3135000000073137383137373500000004782d3136000000\
             073230323732363400000004782d3137000000073232383835393100000004782d313800000007323536353735360000\
             0004782d3139000000073238353837353900000004782d3230000000073331363736303000000004782d323100000007\
             3334393232373900000004782d3232000000073338333237393600000004782d32330000000734313839313531000000\
             04782d3234000000073435363133343400000004782d3235000000073439343933373500000004782d32360000000735\
             33353332343400000004782d3237000000073537373239353100000004782d3238000000073632303834393600000004\
             782d3239000000073636353938373900000004782d3330000000073731323731303000000004782d3331000000073736\
             313031353900000004782d3332000000073831303930353600000004782d333300000007383632333739310000000478\
             2d3334000000073931353433363400000004782d3335000000073937303037373500000004782d333600000008313032\
             363330323400000004782d333700000008313038343131313100000004782d3338000000083131343335303336000000\
             04782d3339000000083132303434373939",
        ),
    ];
}
