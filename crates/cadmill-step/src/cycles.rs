//! Cycles among products that hold each other.

/// Finds the cycles, so that they can be cut.
///
/// A product that is left over lies on a cycle or below one, so it has a parent that is left over,
/// too. Going from parent to parent leads round a cycle in the end. Where it left off the next search
/// goes on, so all of them together look at each use once.
pub(crate) struct CycleSearch {
    parents: Vec<Vec<usize>>,
    /// From child to parent.
    trail: Vec<usize>,
    /// Where on the trail each product is.
    place_on_trail: Vec<Option<usize>>,
    next_in_file: usize,
}

impl CycleSearch {
    pub(crate) fn new(parents: Vec<Vec<usize>>) -> Self {
        Self {
            place_on_trail: vec![None; parents.len()],
            trail: Vec::new(),
            next_in_file: 0,
            parents,
        }
    }

    /// A cycle of products that are not `done`, each used in the next; none if all are done.
    pub(crate) fn next(&mut self, done: &[bool]) -> Option<&[usize]> {
        while let Some(&last) = self.trail.last()
            && done[last]
        {
            self.trail.pop();
            self.place_on_trail[last] = None;
        }
        loop {
            let next = match self.trail.last() {
                Some(&last) => self.parent_left(last, done)?,
                None => self.first_left(done)?,
            };
            if let Some(start) = self.place_on_trail[next] {
                return Some(&self.trail[start..]);
            }
            self.place_on_trail[next] = Some(self.trail.len());
            self.trail.push(next);
        }
    }

    fn parent_left(&mut self, product: usize, done: &[bool]) -> Option<usize> {
        let parents = &mut self.parents[product];
        while parents.last().is_some_and(|&parent| done[parent]) {
            parents.pop();
        }
        parents.last().copied()
    }

    fn first_left(&mut self, done: &[bool]) -> Option<usize> {
        while *done.get(self.next_in_file)? {
            self.next_in_file += 1;
        }
        Some(self.next_in_file)
    }
}
