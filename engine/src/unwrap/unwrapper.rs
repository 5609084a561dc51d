// SPDX-License-Identifier: MIT OR Apache-2.0
//! All layers of one file: bytes in, the innermost stream and the recipes out.

use super::layer::{Edge, Flow, Layer};
use keepfast_repo_format::tree::entry::Layer as Stored;

/// Bytes that are passed through all layers at a time, so that no copy of a whole file exists.
const STEP_BYTES: usize = 1 << 20;

/// What comes out, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// The next bytes of the innermost stream.
    Bytes(Vec<u8>),
    /// Cut points begin anew: what follows is to be cut like a file of its own.
    Cut,
}

/// Takes a file apart as its bytes arrive.
pub struct Unwrapper {
    layers: [Layer; Stored::MAX],
    input: u64,
}

impl Unwrapper {
    /// At the beginning of a file, which may be an archive or not.
    #[expect(clippy::new_without_default, reason = "there is no default file")]
    pub fn new() -> Self {
        let mut layers: [Layer; Stored::MAX] = Default::default();
        layers[0] = Layer::outermost();
        Self { layers, input: 0 }
    }

    /// Takes the next bytes, best no more than a megabyte: these are not copied where they are no archive. What comes out may lag
    /// behind by some megabytes.
    pub fn push(&mut self, bytes: Vec<u8>) -> Vec<Part> {
        let mut parts = Vec::new();
        if bytes.len() <= STEP_BYTES {
            self.step(bytes, &mut parts);
        } else {
            bytes.chunks(STEP_BYTES).for_each(|step| self.step(step.to_vec(), &mut parts));
        }
        parts
    }

    fn step(&mut self, bytes: Vec<u8>, parts: &mut Vec<Part>) {
        self.input += bytes.len() as u64;
        self.through(0, vec![Flow::Bytes(bytes)], parts);
    }

    /// Looks for nothing more: the rest of the file stays as it is.
    pub fn stop(&mut self) {
        self.layers.iter_mut().for_each(Layer::stop);
    }

    /// The file ends.
    pub fn finish(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        for number in 0..self.layers.len() {
            let mut flows = Vec::new();
            self.layers[number].finish(self.input, &mut flows);
            self.through(number + 1, flows, &mut parts);
        }
        parts
    }

    /// Length of the stream of each layer that there is so far, the outermost first. Without one, the stream is the file.
    pub fn lengths(&self) -> Vec<u64> {
        self.used().map(|layer| layer.length).collect()
    }

    /// What each layer's recipe has got since the last call.
    pub fn take_recipes(&mut self) -> Vec<Vec<u8>> {
        let used = self.used().count();
        self.layers[..used].iter_mut().map(Layer::take_recipe).collect()
    }

    /// Only a plaintext of the layer before is looked into, so the first that is not used is followed by none that is.
    fn used(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().take_while(|layer| layer.is_used)
    }

    fn through(&mut self, first: usize, mut flows: Vec<Flow>, parts: &mut Vec<Part>) {
        for layer in &mut self.layers[first..] {
            let mut out = Vec::new();
            flows.into_iter().for_each(|flow| layer.push(flow, self.input, &mut out));
            flows = out;
        }
        parts.extend(flows.into_iter().filter_map(|flow| match flow {
            Flow::Bytes(bytes) => Some(Part::Bytes(bytes)),
            Flow::Edge(Edge { cuts: true, .. }) => Some(Part::Cut),
            Flow::Edge(_) => None,
        }));
    }
}

/// A small file, taken apart.
pub struct Unwrapped {
    /// The innermost stream.
    pub stream: Vec<u8>,
    /// Where in it cut points begin anew, ascending.
    pub cuts: Vec<usize>,
    /// Each layer's length and recipe, the outermost first; at least one.
    pub layers: Vec<(u64, Vec<u8>)>,
}

/// Takes apart a file that is in memory; `None` if there is nothing to gain, or more than `most` bytes come out.
pub fn whole(bytes: &[u8], most: usize) -> Option<Unwrapped> {
    if !super::is_archive(bytes) {
        return None;
    }
    let mut unwrapper = Unwrapper::new();
    let (mut stream, mut cuts) = (Vec::new(), Vec::new());
    let mut add = |parts: Vec<Part>| {
        for part in parts {
            match part {
                Part::Bytes(bytes) => stream.extend(bytes),
                Part::Cut => cuts.push(stream.len()),
            }
        }
        stream.len() <= most
    };
    for step in bytes.chunks(STEP_BYTES) {
        if !add(unwrapper.push(step.to_vec())) {
            return None;
        }
    }
    let fits = add(unwrapper.finish());
    let layers: Vec<_> = unwrapper.lengths().into_iter().zip(unwrapper.take_recipes()).collect();
    cuts.dedup();
    (fits && !layers.is_empty()).then_some(Unwrapped { stream, cuts, layers })
}
