//! Whose turn it is to send.

use std::collections::VecDeque;

use super::StreamId;

/// Streams with something to send: those of the highest priority first, those of one in turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Priorities descend.
    queue: VecDeque<(i8, StreamId)>,
}

impl Turns {
    pub(super) fn front(&self) -> Option<StreamId> {
        self.get(0)
    }

    pub(super) fn get(&self, index: usize) -> Option<StreamId> {
        self.queue.get(index).map(|&(_, id)| id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = StreamId> + '_ {
        self.queue.iter().map(|&(_, id)| id)
    }

    /// Adds a stream behind those of its priority.
    pub(super) fn push(&mut self, priority: i8, id: StreamId) {
        let behind_all = self.queue.back().is_none_or(|&(last, _)| last >= priority);
        if behind_all {
            self.queue.push_back((priority, id));
        } else {
            let index = self.queue.partition_point(|&(at, _)| at >= priority);
            self.queue.insert(index, (priority, id));
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.queue.shrink_to_fit();
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.queue.remove(index);
    }

    /// A stream had its turn.
    pub(super) fn rotate(&mut self, index: usize) {
        if let Some((priority, id)) = self.queue.remove(index) {
            self.push(priority, id);
        }
    }

    /// A stream's priority has changed.
    pub(super) fn change(&mut self, priority: i8, id: StreamId) {
        let index = self.iter().position(|at| at == id);
        if let Some(index) = index {
            self.queue.remove(index);
            self.push(priority, id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_goes_first_and_equals_take_turns() {
        let mut turns = Turns::default();
        for (priority, id) in [(0, 0), (-5, 1), (0, 2), (7, 3)] {
            turns.push(priority, StreamId(id));
        }
        let order = |turns: &Turns| turns.iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(order(&turns), [3, 0, 2, 1]);
        turns.rotate(0);
        assert_eq!(order(&turns), [3, 0, 2, 1], "alone in its class");
        turns.rotate(1);
        assert_eq!(order(&turns), [3, 2, 0, 1]);
        turns.change(9, StreamId(1));
        assert_eq!(order(&turns), [1, 3, 2, 0]);
        turns.remove(1);
        assert_eq!(
            (order(&turns), turns.front()),
            (vec![1, 2, 0], Some(StreamId(1)))
        );
    }
}
