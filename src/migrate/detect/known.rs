//! Values that are keys whatever their form and name, since they move somewhere else (rule S12), found anywhere in a
//! text.
//!
//! Every value has [`SHORTEST_KEY`] characters or more. Of each the blocks of eight bytes that begin at its first
//! places are known, as many as the shortest value lets, so that a look at one block in so many bytes of a text is
//! enough. Which value stands at a place, a binary search among the sorted values tells. Whoever writes the files
//! decides what the values are; both take bounded time.

use super::patterns::LONGEST_KEY;
use crate::migrate::model::{SHORTEST_KEY, Span};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// Keys by their values. The default knows none.
#[derive(Default)]
pub(crate) struct Known {
    // Sorted and distinct, each with its provider.
    values: Vec<(Zeroizing<Vec<u8>>, String)>,
    // By value: the longest other one that it begins with.
    inner: Vec<Option<usize>>,
    // So many places of a value are known, a power of two.
    stride: usize,
    // By a block's hash, since a block is a piece of a key: a bit for each place of a value where it stands.
    blocks: HashMap<u64, u64>,
    hasher: RandomState,
    // A bit for each hash of a block, so that few blocks of a text are looked up.
    filter: Vec<u64>,
}

const BLOCK: usize = 8;
// So many bits, a power of two.
const BITS: u32 = 16;
const WORDS: usize = 1 << (BITS - 6);
// So many fit into a word of bits.
const MOST_PLACES: usize = 64;
const _: () = assert!(SHORTEST_KEY >= 2 * BLOCK, "blocks of a text that are looked at do not overlap");

impl Known {
    /// No values.
    pub(crate) fn none() -> &'static Self {
        static NONE: LazyLock<Known> = LazyLock::new(Known::default);
        &NONE
    }

    /// Makes it from values and their providers; of one value the first provider counts. What no store would take, or
    /// is too short for a key, is left out.
    pub(crate) fn new<'a>(keys: impl IntoIterator<Item = (&'a [u8], &'a str)>) -> Self {
        let fits = |value: &[u8]| (SHORTEST_KEY..=LONGEST_KEY).contains(&value.len());
        let keys = keys.into_iter().filter(|(value, _)| fits(value));
        let mut values: Vec<(Zeroizing<Vec<u8>>, String)> =
            keys.map(|(value, provider)| (Zeroizing::new(value.to_vec()), provider.to_owned())).collect();
        values.sort_by(|one, other| one.0.cmp(&other.0));
        values.dedup_by(|later, first| later.0 == first.0);
        let mut inner: Vec<Option<usize>> = Vec::with_capacity(values.len());
        let (mut blocks, hasher): (HashMap<u64, u64>, _) = (HashMap::new(), RandomState::new());
        let shortest = values.iter().map(|(value, _)| value.len()).min().unwrap_or(SHORTEST_KEY);
        let stride = 1 << (shortest - BLOCK + 1).min(MOST_PLACES).ilog2();
        let mut filter = vec![0; if values.is_empty() { 0 } else { WORDS }];
        for (index, (value, _)) in values.iter().enumerate() {
            // The one before it, or what that one begins with: all between the two begin alike.
            let mut begin = index.checked_sub(1);
            while let Some(at) = begin.filter(|at| !value.starts_with(&values[*at].0)) {
                begin = inner[at];
            }
            inner.push(begin);
            for place in 0..stride {
                let block = value[place..].first_chunk::<BLOCK>().expect("a value has more bytes");
                *blocks.entry(hasher.hash_one(block)).or_default() |= 1 << place;
                let (word, bit) = spot(*block);
                filter[word] |= bit;
            }
        }
        Self { values, inner, stride, blocks, hasher, filter }
    }

    /// Reports whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values, each with its provider.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&[u8], &str)> {
        self.values.iter().map(|(value, provider)| (value.as_slice(), provider.as_str()))
    }

    /// Reports whether any of the values stands in a text.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        let mut is_found = false;
        self.find(bytes, 0..bytes.len(), |_, _| is_found = true);
        is_found
    }

    /// Reports whether this very value is known.
    pub(crate) fn knows(&self, value: &[u8]) -> bool {
        self.provider(value).is_some()
    }

    /// Returns the provider of exactly this value.
    pub(super) fn provider(&self, value: &[u8]) -> Option<&str> {
        let at = self.values.binary_search_by(|(own, _)| own.as_slice().cmp(value)).ok()?;
        Some(&self.values[at].1)
    }

    /// Gives where values stand that begin in this range of the text, by their places; of several at one place the
    /// longest.
    pub(in crate::migrate) fn find<'a>(&'a self, bytes: &[u8], range: Span, mut found: impl FnMut(Span, &'a str)) {
        if self.values.is_empty() {
            return;
        }
        // The first block that lies wholly in a value which begins at the range's start.
        // A value that begins at the end of the range has its first known block before this.
        let last = bytes.len().min(range.end + self.stride + BLOCK - 2);
        let filter: &[u64; WORDS] = self.filter.as_slice().try_into().expect("it is made for values");
        // By numbers and not by an iterator: most blocks of a long text are none, and this is all that is done there.
        let (blocks, _) = bytes[..last].as_chunks::<BLOCK>();
        let mut next = range.start.next_multiple_of(self.stride) / BLOCK;
        while next < blocks.len() {
            let (block, at) = (&blocks[next], next * BLOCK);
            next += self.stride / BLOCK;
            let (word, bit) = spot(*block);
            if filter[word] & bit == 0 {
                continue;
            }
            let Some(places) = self.blocks.get(&self.hasher.hash_one(block)) else { continue };
            for place in (0..self.stride).rev().filter(|place| places >> place & 1 == 1) {
                let Some(start) = at.checked_sub(place).filter(|start| range.contains(start)) else { continue };
                if let Some(index) = self.longest(&bytes[start..]) {
                    let (value, provider) = &self.values[index];
                    found(start..start + value.len(), provider);
                }
            }
        }
    }

    // The longest value that the text begins with. It is the last one that is not above the text, or one that the last
    // one begins with.
    fn longest(&self, text: &[u8]) -> Option<usize> {
        let text = &text[..text.len().min(LONGEST_KEY)];
        let last = self.values.partition_point(|(value, _)| value.as_slice() <= text).checked_sub(1)?;
        let common = self.values[last].0.iter().zip(text).take_while(|(one, other)| one == other).count();
        let mut begin = Some(last);
        while let Some(at) = begin.filter(|at| self.values[*at].0.len() > common) {
            begin = self.inner[at];
        }
        begin
    }
}

// The word of the filter and the bit in it.
fn spot(block: [u8; BLOCK]) -> (usize, u64) {
    let hash = u64::from_le_bytes(block).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BITS);
    ((hash >> 6) as usize, 1 << (hash & 63))
}
