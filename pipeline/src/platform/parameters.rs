//! Rows as parameters of statements, as long as D1 takes one.

use serde::Serialize;

use crate::{constants, failure::Failure, platform::statement::json};

/// Rows of any number as JSON arrays for `json_each`, in order, none of them longer than D1 takes as one
/// parameter: whoever binds them makes a statement of each.
#[derive(Clone, Debug, Default)]
pub struct JsonRows {
    /// Each with the number of rows before it.
    arrays: Vec<(usize, String)>,
    len: usize,
}

impl JsonRows {
    /// Makes the arrays of these rows.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn of<Row: Serialize>(rows: &[Row]) -> Result<Self, Failure> {
        let mut json_rows = Self::default();
        rows.iter().try_for_each(|row| json_rows.push(row))?;
        Ok(json_rows)
    }

    /// Adds a row, which is written at once: what it borrows need not outlive it.
    ///
    /// # Errors
    /// A bug if it cannot be written as JSON; an input that cannot be processed if it alone is too long.
    pub fn push(&mut self, row: &impl Serialize) -> Result<(), Failure> {
        let row = json(row)?;
        let brackets = 2;
        if row.len() + brackets > constants::D1_VALUE_BYTES {
            let most = constants::D1_VALUE_BYTES;
            return Err(Failure::input(format!("a row of {} bytes; the database takes {most}", row.len())));
        }
        match self.arrays.last_mut() {
            Some((_, array)) if array.len() + ",".len() + row.len() <= constants::D1_VALUE_BYTES => {
                array.pop();
                array.push(',');
                array.push_str(&row);
                array.push(']');
            }
            _ => self.arrays.push((self.len, format!("[{row}]"))),
        }
        self.len += 1;
        Ok(())
    }

    /// Counts the rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the arrays; none for no rows.
    pub fn arrays(&self) -> impl Iterator<Item = &str> {
        self.placed().map(|(_, array)| array)
    }

    /// Returns the arrays, each with the number of rows before it.
    pub fn placed(&self) -> impl Iterator<Item = (usize, &str)> {
        self.arrays.iter().map(|(before, array)| (*before, array.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn a_row_that_is_too_long_alone_is_refused_and_one_that_just_fits_is_not() {
        let longest = "x".repeat(constants::D1_VALUE_BYTES - r#"[""]"#.len());
        let rows = JsonRows::of(&[longest.as_str()]).unwrap();
        assert_eq!(rows.arrays().map(str::len).collect::<Vec<_>>(), [constants::D1_VALUE_BYTES]);
        let failure = JsonRows::of(&[longest + "x"]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Input);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_row_is_in_its_order_in_arrays_that_fit(lengths in proptest::collection::vec(0usize..900_000, 0..12)) {
            let rows: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
            let written = JsonRows::of(&rows).unwrap();
            let mut read: Vec<String> = Vec::new();
            for (before, array) in written.placed() {
                prop_assert!(array.len() <= constants::D1_VALUE_BYTES);
                prop_assert_eq!(before, read.len());
                read.extend(serde_json::from_str::<Vec<String>>(array).unwrap());
            }
            prop_assert_eq!(written.len(), rows.len());
            prop_assert!(read == rows);
        }
    }
}
