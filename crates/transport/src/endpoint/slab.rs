//! Things in numbered places, found by handles that are never used twice.

/// Places of a [`Slab`], each with how many things have stood there before.
#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

/// A growing array whose places are used again. Finding, adding and removing take constant time.
///
/// A handle is a place and its generation: once a thing is removed, its handle finds nothing, ever.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

/// The place of a handle.
pub(super) const fn place(handle: u64) -> u32 {
    handle as u32
}

const fn handle(generation: u32, place: u32) -> u64 {
    (generation as u64) << 32 | place as u64
}

impl<T> Slab<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a thing and returns its handle.
    pub(super) fn insert(&mut self, value: T) -> u64 {
        self.len += 1;
        if let Some(free) = self.free.pop()
            && let Some(place) = self.places.get_mut(free as usize)
        {
            place.value = Some(value);
            return handle(place.generation, free);
        }
        let index = self.places.len() as u32;
        self.places.push(Place {
            generation: 0,
            value: Some(value),
        });
        handle(0, index)
    }

    pub(super) fn get(&self, handle: u64) -> Option<&T> {
        let place = self.places.get(place(handle) as usize)?;
        let generation = (handle >> 32) as u32;
        place
            .value
            .as_ref()
            .filter(|_| place.generation == generation)
    }

    pub(super) fn get_mut(&mut self, handle: u64) -> Option<&mut T> {
        let place = self.places.get_mut(place(handle) as usize)?;
        let generation = (handle >> 32) as u32;
        place
            .value
            .as_mut()
            .filter(|_| place.generation == generation)
    }

    /// The handle of what stands at a place.
    pub(super) fn at(&self, index: u32) -> Option<u64> {
        let place = self.places.get(index as usize)?;
        place.value.as_ref()?;
        Some(handle(place.generation, index))
    }

    pub(super) fn remove(&mut self, handle: u64) -> Option<T> {
        self.get(handle)?;
        let index = place(handle);
        let place = self.places.get_mut(index as usize)?;
        let value = place.value.take();
        self.len -= 1;
        // A place whose generations are used up stays empty, so that no handle comes again.
        if let Some(next) = place.generation.checked_add(1) {
            place.generation = next;
            self.free.push(index);
        }
        value
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.value.as_ref())
    }

    pub(super) fn handles(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.places.len() as u32).filter_map(|index| self.at(index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Slab;

    #[test]
    fn a_place_ends_with_its_generations() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        slab.remove(first);
        slab.places[0].generation = u32::MAX;
        let last = slab.insert('b');
        assert_eq!(slab.remove(last), Some('b'));
        let next = slab.insert('c');
        assert_ne!(super::place(next), super::place(last));
    }

    proptest! {
        #[test]
        fn handles_are_never_used_twice(steps in proptest::collection::vec((any::<bool>(), any::<u8>()), 1..200)) {
            let mut slab = Slab::default();
            let mut model: Vec<(u64, Option<u8>)> = Vec::new();
            for (add, value) in steps {
                if add {
                    let handle = slab.insert(value);
                    prop_assert!(model.iter().all(|&(other, _)| other != handle));
                    model.push((handle, Some(value)));
                } else if !model.is_empty() {
                    let index = usize::from(value) % model.len();
                    let (handle, expected) = &mut model[index];
                    prop_assert_eq!(slab.remove(*handle), expected.take());
                }
                for &(handle, expected) in &model {
                    prop_assert_eq!(slab.get(handle).copied(), expected);
                }
                let alive: Vec<u64> = model.iter().filter(|(_, value)| value.is_some()).map(|&(handle, _)| handle).collect();
                prop_assert_eq!(slab.len(), alive.len());
                let mut handles: Vec<u64> = slab.handles().collect();
                handles.sort_unstable();
                let mut expected = alive;
                expected.sort_unstable();
                prop_assert_eq!(handles, expected);
            }
        }
    }
}
