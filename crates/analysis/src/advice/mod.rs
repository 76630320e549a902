//! What advice would really do: extracts manifests, commands and names from documents and judges each.
