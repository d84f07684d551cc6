use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does something that may break off. What panics says so as an error, so that it is told, counted and
/// made small like any other.
pub(crate) fn unless_it_panics<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result,
        Err(panic) => Err(format!("panicked: {}", said(&*panic))),
    }
}

/// What somebody said who panicked.
fn said(panic: &(dyn core::any::Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|&said| said.to_owned());
    let made = || panic.downcast_ref::<String>().cloned();
    literal.or_else(made).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_says_what_was_said() {
        let (one, two) = (1, 2);
        let said = |act: &dyn Fn()| {
            unless_it_panics(|| {
                act();
                Ok(())
            })
        };
        assert_eq!(said(&|| ()), Ok(()));
        assert_eq!(said(&|| panic!("so")), Err("panicked: so".to_owned()));
        let made = said(&|| assert_eq!(one, two, "numbers"));
        assert!(made.is_err_and(|said| said.contains("numbers")));
        let wrong = Err::<(), _>("wrong".to_owned());
        assert_eq!(unless_it_panics(|| wrong.clone()), wrong);
    }
}
