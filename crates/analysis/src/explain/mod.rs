//! What a code, a response flag, a field, a metric, an annotation or a log line means.
