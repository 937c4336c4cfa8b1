use super::*;

proptest! {
    #[test]
    fn nothing_is_left_of_what_is_withheld_and_nothing_else_is_touched(text in pieces()) {
        let withheld = withhold(&text);
        prop_assert!(find(&withheld).is_none(), "{withheld}");
        prop_assert_eq!(withhold(&withheld), withheld.as_ref());
        match find(&text) {
            None => prop_assert!(matches!(withheld, Cow::Borrowed(same) if same == text)),
            Some(secret) => {
                prop_assert!(text.contains(secret.text) && !secret.text.is_empty());
                prop_assert!(secret.line <= 1 + text.matches('\n').count());
            }
        }
    }

    #[test]
    fn any_text_can_be_looked_through(text in ".*") {
        prop_assert_eq!(find_said(&text).is_some(), withhold_said(&text) != text);
        prop_assert_eq!(withhold(&text) == text, find(&text).is_none());
    }

    #[test]
    fn a_secret_is_found_whatever_stands_around_it(before in pieces(), after in pieces(), place in 0..26_usize) {
        let secret = &known()[place].1;
        let text = format!("{before}\n{secret}\n{after}");
        prop_assert!(find(&text).is_some());
        prop_assert!(!withhold(&text).contains(secret.as_str()));
    }
}
