use std::collections::VecDeque;

use super::StreamId;
use super::collection::Stream;

/// The streams of a connection, by number.
///
/// Numbers of one end ascend as streams open, so each end's streams are a sorted queue, in which a
/// stream mostly stands as far behind the first as its number says.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Opened by the client, and by the server.
    halves: [VecDeque<(u64, Box<Stream>)>; 2],
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.halves.iter().map(VecDeque::len).sum()
    }

    /// The numbers of all streams.
    pub(super) fn ids(&self) -> impl Iterator<Item = StreamId> + '_ {
        let ids = |side: u64| move |&(index, _): &(u64, Box<Stream>)| StreamId(index << 1 | side);
        let [client, server] = &self.halves;
        client.iter().map(ids(0)).chain(server.iter().map(ids(1)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> + '_ {
        let entries = self.halves.iter().flatten();
        entries.map(|(_, stream)| &**stream)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> + '_ {
        let entries = self.halves.iter_mut().flatten();
        entries.map(|(_, stream)| &mut **stream)
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&Stream> {
        let position = self.position(id)?;
        self.half(id).get(position).map(|(_, stream)| &**stream)
    }

    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        let position = self.position(id)?;
        let entry = self.halves[(id.0 & 1) as usize].get_mut(position);
        entry.map(|(_, stream)| &mut **stream)
    }

    /// Adds a stream whose number is above those of all others of its end.
    pub(super) fn push(&mut self, id: StreamId, stream: Stream) {
        let half = &mut self.halves[(id.0 & 1) as usize];
        debug_assert!(half.back().is_none_or(|&(last, _)| last < id.index()));
        half.push_back((id.index(), Box::new(stream)));
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let position = self.position(id)?;
        let removed = self.halves[(id.0 & 1) as usize].remove(position);
        removed.map(|(_, stream)| *stream)
    }

    fn half(&self, id: StreamId) -> &VecDeque<(u64, Box<Stream>)> {
        &self.halves[(id.0 & 1) as usize]
    }

    fn position(&self, id: StreamId) -> Option<usize> {
        let half = self.half(id);
        let (index, &(first, _)) = (id.index(), half.front()?);
        let guess = index.checked_sub(first)? as usize;
        match half.get(guess) {
            Some(&(found, _)) if found == index => Some(guess),
            _ => half.binary_search_by_key(&index, |&(at, _)| at).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Table;
    use crate::Side;
    use crate::stream::StreamId;
    use crate::stream::collection::Stream;

    proptest! {
        #[test]
        fn behaves_as_a_map(steps in proptest::collection::vec((0u8..3, any::<prop::sample::Index>()), 1..200)) {
            let (mut table, mut model) = (Table::default(), BTreeSet::new());
            let mut next = [0; 2];
            for (step, pick) in steps {
                match step {
                    0 | 1 => {
                        let side = [Side::Client, Side::Server][usize::from(step)];
                        let id = StreamId::new(side, next[usize::from(step)]);
                        next[usize::from(step)] += 1;
                        table.push(id, Stream::new(None, id.0, 0));
                        model.insert(id);
                    }
                    _ if model.is_empty() => {}
                    _ => {
                        let id = *pick.get(&model.iter().copied().collect::<Vec<_>>());
                        prop_assert!(table.remove(id).is_some());
                        model.remove(&id);
                    }
                }
                for id in (0..2 * next[0].max(next[1])).map(StreamId) {
                    let found = table.get(id).map(|stream| stream.send.max_data);
                    prop_assert_eq!(found, model.contains(&id).then_some(id.0));
                    prop_assert_eq!(table.get_mut(id).is_some(), found.is_some());
                }
                prop_assert_eq!(table.ids().collect::<BTreeSet<_>>(), model.clone());
            }
        }
    }
}
