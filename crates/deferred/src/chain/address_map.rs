//! Address map: a hash map from addresses to small numbers.
//!
//! The crate has no other map, and this one is not generic: each instance of `HashMap` takes 2 to
//! 4 KB of code in the program that uses it, for its random keys, its removal and its iterators.

/// A map from addresses to numbers, all of which are 0 in the beginning.
#[derive(Default)]
pub(crate) struct AddressMap {
    /// INVARIANT: their number is 0 or a power of two, and at most half are in use. An address is
    /// at its [`first place`](place_of), or behind that with no free place between.
    places: Vec<(*const (), u8)>,
    used: usize,
}

/// The fewest places that a map begins with, as a power of two.
const FEWEST: usize = 8;

/// The place where the search for `address` begins in a map of `number` places, a power of two.
fn place_of(address: *const (), number: usize) -> usize {
    // Fibonacci hashing: the upper bits of the product depend on all bits of the address.
    let hash = (address.addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 32) as usize & (number - 1)
}

impl AddressMap {
    /// The number of `address`, which is not null.
    pub(crate) fn at(&mut self, address: *const ()) -> &mut u8 {
        if self.places.len() < 2 * (self.used + 1) {
            self.grow();
        }
        let place = self.find(address);
        let (found, number) = &mut self.places[place];
        if found.is_null() {
            *found = address;
            self.used += 1;
        }
        number
    }

    /// The place of `address`, or the free one where it belongs.
    fn find(&self, address: *const ()) -> usize {
        let mut place = place_of(address, self.places.len());
        while !self.places[place].0.is_null() && self.places[place].0 != address {
            place = (place + 1) & (self.places.len() - 1);
        }
        place
    }

    #[cold]
    fn grow(&mut self) {
        let number = FEWEST.max(2 * self.places.len());
        let smaller = std::mem::replace(&mut self.places, vec![(std::ptr::null(), 0); number]);
        for (address, number) in smaller {
            if !address.is_null() {
                let place = self.find(address);
                self.places[place] = (address, number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_a_number_of_its_own() {
        const NUMBER: usize = if cfg!(miri) { 200 } else { 10_000 };
        let mut map = AddressMap::default();
        let address = |index: usize| std::ptr::without_provenance::<()>(16 * (index + 1));
        for index in 0..NUMBER {
            assert_eq!(*map.at(address(index)), 0, "it is new");
            *map.at(address(index)) = (index % 251) as u8;
        }
        for index in 0..NUMBER {
            assert_eq!(*map.at(address(index)), (index % 251) as u8);
        }
        assert_eq!(map.used, NUMBER);
    }

    #[test]
    fn addresses_that_meet_in_one_place_are_told_apart() {
        let mut map = AddressMap::default();
        let all = (1_usize..).map(std::ptr::without_provenance::<()>);
        let same: Vec<_> = all
            .filter(|address| place_of(*address, FEWEST) == FEWEST - 1)
            .take(3)
            .collect();
        for (number, address) in (1..).zip(&same) {
            *map.at(*address) = number;
        }
        let numbers: Vec<_> = same.iter().map(|address| *map.at(*address)).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }
}
