//! Writes the crate's tables: cl100k's tokens in a perfect hash, from tiktoken-rs, and the classes of characters that
//! its pre-tokenizer distinguishes, from regex-syntax, which tiktoken-rs's own expressions are compiled with.

use std::{
    collections::{HashMap, HashSet},
    env,
    error::Error,
    fs,
    path::PathBuf,
};

use regex_syntax::hir::{Class, HirKind};

#[path = "src/hash.rs"]
mod hash;

/// cl100k's ranks run to 100,255. <https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py>
const RANKS: u32 = 100_256;
/// The bits of an entry hold keys up to here.
const KEY_BYTES: usize = 1 << 19;
/// Eight bytes are read at a key's beginning, however short it is.
const PADDING: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/hash.rs");
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let vocabulary = tiktoken_rs::cl100k_base()?;
    let tokens = (0..RANKS).map(|rank| vocabulary.decode_bytes(&[rank])).collect::<Result<Vec<_>, _>>()?;
    let (bytes, offsets) = lay_out(&tokens)?;
    let hashes: Vec<u64> = tokens.iter().map(|token| hash_of(token)).collect();
    let Placed { displacements, ranks } = place(&hashes)?;
    let entry = |rank: &Option<u32>| {
        rank.map_or(0, |rank| {
            let place = rank as usize;
            let signature = hash::signature(tokens[place].len(), hashes[place]);
            u64::from(rank) | (offsets[place] as u64) << 17 | signature << 36
        })
    };
    fs::write(folder.join("bytes.bin"), bytes)?;
    let mut entries: Vec<u8> = Vec::new();
    for entry in ranks.iter().map(entry) {
        entries.extend(&entry.to_le_bytes()[..hash::ENTRY_BYTES]);
    }
    entries.extend([0; PADDING]);
    fs::write(folder.join("entries.bin"), entries)?;
    fs::write(
        folder.join("displacements.bin"),
        displacements.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>(),
    )?;
    let (blocks, classes) = classes()?;
    fs::write(folder.join("blocks.bin"), blocks)?;
    fs::write(folder.join("classes.bin"), classes)?;
    Ok(())
}

fn hash_of(token: &[u8]) -> u64 {
    token.chunks(8).fold(hash::begin(token.len()), |state, chunk| {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        hash::mix(state, u64::from_le_bytes(eight))
    })
}

/// The tokens' bytes, and where in them each token lies. A token that is part of another is not repeated.
fn lay_out(tokens: &[Vec<u8>]) -> Result<(Vec<u8>, Vec<usize>), Box<dyn Error>> {
    let known: HashSet<&[u8]> = tokens.iter().map(Vec::as_slice).collect();
    let mut parts: HashSet<&[u8]> = HashSet::new();
    for token in tokens {
        for part in parts_of(token).filter(|part| part.len() < token.len()) {
            parts.extend(known.get(part));
        }
    }
    let mut bytes = Vec::new();
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    for token in tokens.iter().filter(|token| !parts.contains(token.as_slice())) {
        for part in parts_of(token).filter(|part| known.contains(part)) {
            let within = part.as_ptr() as usize - token.as_ptr() as usize;
            places.entry(part).or_insert(bytes.len() + within);
        }
        bytes.extend_from_slice(token);
    }
    if bytes.len() >= KEY_BYTES {
        return Err("the tokens' bytes do not fit the entries".into());
    }
    bytes.extend([0; PADDING]);
    let offsets = tokens.iter().map(|token| places.get(token.as_slice()).copied()).collect::<Option<_>>();
    Ok((bytes, offsets.ok_or("a token has no place")?))
}

fn parts_of(token: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..token.len()).flat_map(move |start| (start + 1..=token.len()).map(move |end| &token[start..end]))
}

/// Where every token has a place of its own.
struct Placed {
    /// Of each bucket.
    displacements: Vec<u16>,
    /// Of each entry.
    ranks: Vec<Option<u32>>,
}

/// A displacement for each bucket that leads its keys to entries of their own, the largest buckets first.
/// <https://cmph.sourceforge.net/papers/esa09.pdf>
fn place(hashes: &[u64]) -> Result<Placed, Box<dyn Error>> {
    let mut buckets: Vec<Vec<u32>> = vec![Vec::new(); usize::try_from(hash::BUCKETS)?];
    for (rank, hash) in (0..).zip(hashes) {
        buckets[hash::bucket(*hash)].push(rank);
    }
    let mut order: Vec<usize> = (0..buckets.len()).collect();
    order.sort_by_key(|bucket| std::cmp::Reverse(buckets[*bucket].len()));
    let mut displacements = vec![0; buckets.len()];
    let mut ranks = vec![None; usize::try_from(hash::SLOTS)?];
    for bucket in order {
        let slots = |displacement: u16| -> Option<Vec<usize>> {
            let mut slots = Vec::new();
            for rank in &buckets[bucket] {
                let slot = hash::slot(hashes[*rank as usize], displacement);
                if ranks[slot].is_some() || slots.contains(&slot) {
                    return None;
                }
                slots.push(slot);
            }
            Some(slots)
        };
        let found = (0..=u16::MAX).find_map(|displacement| Some((displacement, slots(displacement)?)));
        let (displacement, slots) = found.ok_or("a bucket finds no entries: change a constant of hash.rs")?;
        displacements[bucket] = displacement;
        for (slot, rank) in slots.into_iter().zip(&buckets[bucket]) {
            ranks[slot] = Some(*rank);
        }
    }
    Ok(Placed { displacements, ranks })
}

/// Two bits for each character, 0 to 3: other, letter, number, white space. In blocks of 256 characters, each
/// different one once; before them, which block stands for which 256 characters.
fn classes() -> Result<(Vec<u8>, Vec<u8>), Box<dyn Error>> {
    let mut all = vec![0u8; 0x11_0000 / 4];
    for (class, expression) in [(1, r"\p{L}"), (2, r"\p{N}"), (3, r"\s")] {
        for code in characters(expression)? {
            all[code / 4] |= class << (code % 4 * 2);
        }
    }
    let mut blocks: Vec<u8> = Vec::new();
    let mut different: Vec<&[u8]> = Vec::new();
    for block in all.chunks(64) {
        let place = different.iter().position(|known| *known == block).unwrap_or(different.len());
        if place == different.len() {
            different.push(block);
        }
        blocks.push(u8::try_from(place)?);
    }
    Ok((blocks, different.concat()))
}

fn characters(expression: &str) -> Result<Vec<usize>, Box<dyn Error>> {
    let HirKind::Class(Class::Unicode(class)) = regex_syntax::parse(expression)?.into_kind() else {
        return Err(format!("{expression} is no class of characters").into());
    };
    Ok(class.ranges().iter().flat_map(|range| range.start() as usize..=range.end() as usize).collect())
}
