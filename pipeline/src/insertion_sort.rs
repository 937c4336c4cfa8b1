//! A sort of a few items that takes little room.

/// Sorts in place, by insertion; what neither precedes stays in its order. `precedes` says whether one comes before
/// another. For up to 200 items that are nearly sorted, or some dozen that are not: beyond, its time grows with the
/// square, and the library's stable sort is the one to take. That adds 8 KB to a Worker for every type that it sorts
/// (`local/setup/size.sh`, with and without; decision 41).
pub fn insertion_sort<T>(items: &mut [T], precedes: impl Fn(&T, &T) -> bool) {
    for next in 1..items.len() {
        let mut place = next;
        while place > 0 && precedes(&items[place], &items[place - 1]) {
            items.swap(place, place - 1);
            place -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_library_does(items in prop::collection::vec((0u8..9, any::<u8>()), 0..40)) {
            let (mut by_hand, mut by_library) = (items.clone(), items);
            insertion_sort(&mut by_hand, |one, other| one.0 > other.0);
            by_library.sort_by_key(|item| std::cmp::Reverse(item.0));
            prop_assert_eq!(by_hand, by_library);
        }
    }
}
