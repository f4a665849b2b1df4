//! Settings that are one word out of a few.

/// A closed set of words.
pub(super) trait Choice: Copy + 'static {
    /// Every word and what it stands for, the default first.
    const ALL: &'static [(&'static str, Self)];

    /// Reads one of the words.
    fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice)
    }

    /// The words as an error offers them: `` `keep` or `revoke` ``.
    fn words() -> String {
        let words: Vec<String> = Self::ALL.iter().map(|(word, _)| format!("`{word}`")).collect();
        words.join(" or ")
    }
}

/// Defines an enum whose variants are written as words; the first one is the default.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident { $(#[$of_first:meta])* $first:ident = $first_word:literal
        $(, $(#[$of_next:meta])* $next:ident = $next_word:literal)* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub(crate) enum $name {
            $(#[$of_first])*
            #[default]
            $first,
            $($(#[$of_next])* $next,)*
        }

        impl $crate::settings::choice::Choice for $name {
            const ALL: &'static [(&'static str, Self)] =
                &[($first_word, Self::$first), $(($next_word, Self::$next)),*];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    Self::$first => $first_word,
                    $(Self::$next => $next_word,)*
                })
            }
        }
    };
}

pub(super) use choice;
