// SPDX-License-Identifier: MIT OR Apache-2.0
//! Content and recipes of one file as they come, each beside its previous version. For the assembler.

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::{Content, ContentItem, Entry, Layer};

use super::align::Aligner;
use super::work::Piece;
use crate::error::Result;
use crate::reader::Reader;
use crate::tree::{ContentBuilder, NodeSink};
use crate::writer::Segmenter;

/// Those of one file, by the places of [`Piece`].
#[derive(Default)]
pub(super) struct Contents<'a>([Strand<'a>; 1 + Layer::MAX]);

/// One of them.
#[derive(Default)]
struct Strand<'a> {
    content: ContentBuilder,
    previous: Option<Aligner<'a>>,
}

impl<'a> Contents<'a> {
    /// Nothing so far. `previous` are the contents of the version before, by their places.
    pub(super) fn new(reader: &'a Reader, previous: &[Content]) -> Self {
        let mut contents = Self::default();
        for (strand, previous) in contents.0.iter_mut().zip(previous).filter(|(_, previous)| !previous.items.is_empty())
        {
            strand.previous = Some(Aligner::new(reader, previous));
        }
        contents
    }

    /// Adds the next pieces, each with the buffer in which its bytes lie if they are new.
    pub(super) fn add(&mut self, pieces: &[(&Piece, &[u8])], segmenter: &mut Segmenter) -> Result<()> {
        let mut items: [Vec<ContentItem>; 1 + Layer::MAX] = Default::default();
        for (piece, _) in pieces {
            let item = ContentItem { length: piece.length, id: piece.chunk.as_ref().map(|chunk| chunk.id) };
            items[usize::from(piece.place)].push(item);
        }
        let mut added = [0; 1 + Layer::MAX];
        for (piece, buffer) in pieces {
            let place = usize::from(piece.place);
            self.0[place].add(piece, &items[place][added[place]..], buffer, segmenter)?;
            added[place] += 1;
        }
        Ok(())
    }

    /// Puts them into their entry, which has its layers already.
    pub(super) fn finish(self, entry: &mut Entry, segmenter: &mut Segmenter) -> Result<()> {
        let [content, recipes @ ..] = self.0;
        entry.content = content.finish(segmenter)?;
        for (layer, recipe) in entry.layers.iter_mut().zip(recipes) {
            layer.recipe = recipe.finish(segmenter)?;
        }
        Ok(())
    }
}

impl Strand<'_> {
    /// Adds a piece, the first of the items that are known.
    fn add(&mut self, piece: &Piece, items: &[ContentItem], buffer: &[u8], segmenter: &mut Segmenter) -> Result<()> {
        let Self { content, previous } = self;
        let Some(item) = items.first() else { return Ok(()) };
        match piece.chunk.as_ref().and_then(|chunk| Some((chunk.id, chunk.new_bytes.clone()?))) {
            Some((id, range)) => {
                let bases = previous.as_mut().map_or(Ok(Vec::new()), |previous| previous.resembling(items))?;
                segmenter.put_data(id, &buffer[range], &bases)?;
            }
            None => previous.as_mut().map_or(Ok(()), |previous| previous.pass(item))?,
        }
        content.push(*item, &mut Lists { segmenter, previous: previous.as_mut() })
    }

    fn finish(mut self, segmenter: &mut Segmenter) -> Result<Content> {
        self.content.finish(&mut Lists { segmenter, previous: self.previous.as_mut() })
    }
}

/// Where the list nodes of a content go.
struct Lists<'a, 'p, 'env> {
    segmenter: &'a mut Segmenter<'env>,
    previous: Option<&'a mut Aligner<'p>>,
}

impl NodeSink for Lists<'_, '_, '_> {
    fn put_node(&mut self, node: Vec<u8>, _: &mut dyn FnMut() -> Result<Vec<ChunkId>>) -> Result<ChunkId> {
        let Some(previous) = &mut self.previous else { return self.segmenter.put_node(node, &mut || Ok(Vec::new())) };
        let start = previous.end_list();
        self.segmenter.put_node(node, &mut || Ok(previous.list_nodes(start)))
    }
}
