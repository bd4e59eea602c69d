//! The signature of a tracepoint or a function on the running kernel.

/// The arguments of a tracepoint or a function: the name of each one's type, `struct NAME *` for
/// pointers to structs, as in its `TP_PROTO`, and `void **` for pointers to pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(pub Vec<String>);

impl Signature {
    /// Number of arguments.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the type of argument `index` has this name.
    pub(crate) fn is_named(&self, index: usize, name: &str) -> bool {
        self.0.get(index).is_some_and(|t| t == name)
    }

    /// Whether argument `index` is a pointer to `struct name`.
    pub(crate) fn is_pointer_to(&self, index: usize, name: &str) -> bool {
        self.0.get(index).is_some_and(|t| {
            t.strip_prefix("struct ").is_some_and(|t| t.strip_suffix(" *") == Some(name))
        })
    }
}
