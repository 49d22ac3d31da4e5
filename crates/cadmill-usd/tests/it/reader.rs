//! A strict reader of the binary layer format, limited to what this crate writes.

use std::collections::BTreeMap;

/// A parsed layer.
#[derive(Debug)]
pub(crate) struct CrateFile<'a> {
    bytes: &'a [u8],
    /// Name, offset and size of each section.
    pub(crate) sections: Vec<(String, usize, usize)>,
    pub(crate) tokens: Vec<String>,
    strings: Vec<u32>,
    /// Specs by path.
    pub(crate) specs: BTreeMap<String, Spec>,
}

#[derive(Debug)]
pub(crate) struct Spec {
    /// The spec type: 1 attribute, 6 prim, 7 root, 8 relationship.
    pub(crate) of: i64,
    /// Value representations by field name.
    pub(crate) fields: BTreeMap<String, u64>,
}

/// Returns the offset of a stored value, or an inlined value.
pub(crate) fn payload(representation: u64) -> u64 {
    representation & ((1 << 48) - 1)
}

/// Returns the type number of a value.
pub(crate) fn type_number(representation: u64) -> u64 {
    representation >> 48 & 0xFF
}

pub(crate) const IS_ARRAY: u64 = 1 << 63;
pub(crate) const IS_INLINED: u64 = 1 << 62;
pub(crate) const IS_COMPRESSED: u64 = 1 << 61;

impl<'a> CrateFile<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        assert_eq!(&bytes[..8], b"PXR-USDC");
        assert_eq!(&bytes[8..16], &[0, 8, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[24..88], &[0; 64], "reserved");
        let mut file = Self {
            bytes,
            sections: Vec::new(),
            tokens: Vec::new(),
            strings: Vec::new(),
            specs: BTreeMap::new(),
        };
        let mut at = file.number(16);
        for _ in 0..file.take(&mut at) {
            let name = &bytes[at..at + 16];
            let name = String::from_utf8(name.iter().copied().take_while(|b| *b != 0).collect());
            at += 16;
            let (start, size) = (file.take(&mut at), file.take(&mut at));
            file.sections.push((name.unwrap(), start, size));
        }
        assert_eq!(at, bytes.len(), "the table of contents is last");
        file.read_sections();
        file
    }

    /// Returns the bytes of the value at `representation`.
    pub(crate) fn stored(&self, representation: u64) -> &'a [u8] {
        assert_eq!(representation & IS_INLINED, 0);
        &self.bytes[payload(representation) as usize..]
    }

    /// Returns the text of an inlined string or token.
    pub(crate) fn text(&self, representation: u64) -> &str {
        assert_ne!(representation & IS_INLINED, 0);
        let index = payload(representation) as usize;
        match type_number(representation) {
            10 => &self.tokens[self.strings[index] as usize],
            11 => &self.tokens[index],
            other => panic!("type {other} is not a text"),
        }
    }

    /// Returns the texts of a vector or array of tokens or strings.
    pub(crate) fn texts(&self, representation: u64) -> Vec<&str> {
        let bytes = self.stored(representation);
        let count = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let indices = bytes[8..8 + 4 * count].chunks_exact(4);
        let indices = indices.map(|i| u32::from_le_bytes(i.try_into().unwrap()) as usize);
        let is_token = matches!(type_number(representation), 11 | 41);
        indices
            .map(|index| {
                if is_token {
                    index
                } else {
                    self.strings[index] as usize
                }
            })
            .map(|token| self.tokens[token].as_str())
            .collect()
    }

    /// Returns the integers of an array, compressed or not.
    pub(crate) fn integers(&self, representation: u64) -> Vec<i64> {
        assert_ne!(representation & IS_ARRAY, 0);
        let start = payload(representation) as usize;
        let count = self.number(start);
        if representation & IS_COMPRESSED == 0 {
            let bytes = self.bytes[start + 8..start + 8 + 4 * count].chunks_exact(4);
            let numbers = bytes.map(|b| i32::from_le_bytes(b.try_into().unwrap()));
            return numbers.map(i64::from).collect();
        }
        self.compressed(&mut (start + 8), count)
    }

    fn read_sections(&mut self) {
        let names: Vec<_> = self
            .sections
            .iter()
            .map(|(name, ..)| name.as_str())
            .collect();
        let expected = ["TOKENS", "STRINGS", "FIELDS", "FIELDSETS", "PATHS", "SPECS"];
        assert_eq!(names, expected);
        let ranges: Vec<_> = self
            .sections
            .iter()
            .map(|&(_, start, size)| (start, size))
            .collect();
        for (first, second) in ranges.iter().zip(&ranges[1..]) {
            assert_eq!(first.0 + first.1, second.0, "sections follow one another");
        }
        let mut ends = [0; 6];
        let [tokens, strings, fields, field_sets, paths, specs] = &mut ends;

        *tokens = ranges[0].0;
        let (count, size) = (self.take(tokens), self.take(tokens));
        let texts = self.lz4(tokens, size);
        assert_eq!(texts.len(), size);
        let texts = String::from_utf8(texts).unwrap();
        self.tokens = texts.split_terminator('\0').map(str::to_owned).collect();
        assert_eq!(self.tokens.len(), count);

        *strings = ranges[1].0;
        let count = self.take(strings);
        self.strings = (0..count)
            .map(|_| {
                let index = &self.bytes[*strings..*strings + 4];
                *strings += 4;
                u32::from_le_bytes(index.try_into().unwrap())
            })
            .collect();

        *fields = ranges[2].0;
        let count = self.take(fields);
        let names = self.compressed(fields, count);
        let values = self.lz4(fields, 8 * count);
        let values = values
            .chunks_exact(8)
            .map(|v| u64::from_le_bytes(v.try_into().unwrap()));
        let names = names
            .into_iter()
            .map(|name| self.tokens[name as usize].clone());
        let all_fields: Vec<_> = names.zip(values).collect();

        *field_sets = ranges[3].0;
        let count = self.take(field_sets);
        let runs = self.compressed(field_sets, count);

        *paths = ranges[4].0;
        let texts = self.read_paths(paths);

        *specs = ranges[5].0;
        let count = self.take(specs);
        let columns = [(); 3].map(|()| self.compressed(specs, count));
        let [of_paths, of_runs, of_types] = columns;
        for ((path, run), of) in of_paths.into_iter().zip(of_runs).zip(of_types) {
            let run = runs[run as usize..]
                .iter()
                .take_while(|field| **field != -1);
            let fields = run
                .map(|&field| all_fields[field as usize].clone())
                .collect();
            let path = texts[path as usize].clone();
            assert!(self.specs.insert(path, Spec { of, fields }).is_none());
        }
        for (end, (start, size)) in ends.into_iter().zip(ranges) {
            assert_eq!(end, start + size, "sections have no trailing bytes");
        }
    }

    fn read_paths(&self, at: &mut usize) -> Vec<String> {
        let mut texts = vec![String::new(); self.take(at)];
        let count = self.take(at);
        let [indices, elements, jumps] = [(); 3].map(|()| self.compressed(at, count));
        let mut parents = vec![(0, String::new())];
        while let Some((mut index, parent)) = parents.pop() {
            let element = &self.tokens[elements[index].unsigned_abs() as usize];
            let path = match elements[index] {
                0 => String::new(),
                ..0 => format!("{parent}.{element}"),
                _ => format!("{parent}/{element}"),
            };
            let slot = &mut texts[indices[index] as usize];
            assert!(slot.is_empty());
            *slot = if index == 0 {
                "/".to_owned()
            } else {
                path.clone()
            };
            let jump = jumps[index];
            index += 1;
            match jump {
                -2 => {}
                -1 => parents.push((index, path)),
                0 => parents.push((index, parent)),
                jump => {
                    parents.push((index - 1 + jump as usize, parent));
                    parents.push((index, path));
                }
            }
        }
        texts
    }

    /// Reads compressed 32-bit integers, which are preceded by their size.
    fn compressed(&self, at: &mut usize, count: usize) -> Vec<i64> {
        let encoded = self.lz4(at, 4 + count.div_ceil(4) + 4 * count);
        let widths = [0, 1, 2, 4];
        let mut rest = 4 + count.div_ceil(4);
        let mut sum = 0_i32;
        let integers = (0..count)
            .map(|index| {
                let code = encoded[4 + index / 4] >> (index % 4 * 2) & 3;
                let width = widths[usize::from(code)];
                let bytes = match width {
                    0 => &encoded[..4],
                    _ => &encoded[rest..rest + width],
                };
                rest += width;
                let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut word = [if is_negative { 0xFF } else { 0 }; 4];
                word[..bytes.len()].copy_from_slice(bytes);
                sum = sum.wrapping_add(i32::from_le_bytes(word));
                i64::from(sum)
            })
            .collect();
        assert!(count == 0 || rest == encoded.len());
        integers
    }

    fn lz4(&self, at: &mut usize, size: usize) -> Vec<u8> {
        let compressed = self.take(at);
        let block = &self.bytes[*at..*at + compressed];
        *at += compressed;
        assert_eq!(block[0], 0, "one chunk");
        lz4_flex::block::decompress(&block[1..], size).unwrap()
    }

    fn take(&self, at: &mut usize) -> usize {
        *at += 8;
        self.number(*at - 8)
    }

    fn number(&self, at: usize) -> usize {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().unwrap()) as usize
    }
}
