//! The version of a program.

/// A program's version: numbers, compared one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(Vec<u64>);

impl Version {
    /// Reads `1.2.3`. Text after the numbers, such as `-beta`, is ignored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let parts = numbers.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
        (parts.len() >= 2).then_some(Self(parts))
    }

    /// Returns the numbers, with dots between them.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
    }

    /// Reports whether it is the given version or a later one.
    pub(crate) fn is_at_least(&self, since: &str) -> bool {
        Self::parse(since).is_some_and(|since| self.0 >= since.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let version = |text| Version::parse(text).expect("a version");
        assert!(version("2.1.330").is_at_least("2.1.99"));
        assert!(!version("2.0.1").is_at_least("2.1.0"));
        assert!(version("3.0.0-beta.1").is_at_least("2.9"));
        assert_eq!(Version::parse("latest"), None);
    }
}
