//! iptables: in which table Istio's chains stand.

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;
use crate::knowledge::nearest;

/// Istio's chains and the tables that have them (`tools/istio-iptables`); TPROXY mode uses mangle.
const CHAINS: &[(&str, &[&str])] = &[
    ("ISTIO_OUTPUT", &["nat"]),
    ("ISTIO_REDIRECT", &["nat"]),
    ("ISTIO_IN_REDIRECT", &["nat"]),
    ("ISTIO_INBOUND", &["nat", "mangle"]),
    ("ISTIO_TPROXY", &["mangle"]),
    ("ISTIO_DIVERT", &["mangle"]),
    ("ISTIO_PRERT", &["nat", "mangle"]),
];

/// A chain that is looked for in a table that does not have it.
pub(super) fn judge(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let table = parsed
        .flag("--table")
        .or_else(|| parsed.flag("-t"))
        .unwrap_or("filter");
    let words = parsed
        .flags
        .iter()
        .filter_map(|(_, value, _)| value.as_deref())
        .chain(parsed.positional.iter().map(|word| word.text.as_str()));
    let words: Vec<&str> = words.filter(|word| word.starts_with("ISTIO_")).collect();
    let chains = || CHAINS.iter().map(|(chain, _)| *chain);
    // Rules of one's own may go into a chain of one's own.
    let lists = ["--list", "-L", "--list-rules", "-S"]
        .iter()
        .any(|flag| parsed.has(flag));
    if let Some(word) = words
        .iter()
        .find(|word| lists && !chains().any(|chain| chain == **word))
    {
        let why = sink.say(
            format!("Istio makes no chain {word}"),
            format!("Istio 没有链 {word}"),
        );
        let near = match *word {
            "ISTIO_OUTBOUND" => "ISTIO_OUTPUT",
            "ISTIO_INPUT" => "ISTIO_INBOUND",
            word => nearest(word, chains()).unwrap_or_default(),
        };
        return Some(
            Judgement::new(Verdict::Unknown, why, "istio/istio tools/istio-iptables").fix(near),
        );
    }
    let (chain, tables) = words
        .iter()
        .find_map(|word| CHAINS.iter().find(|(chain, _)| chain == word))?;
    if tables.contains(&table) {
        return None;
    }
    let right = tables.first().copied().unwrap_or_default();
    let why = sink.say(
        format!("the table {table} has no chain {chain}: it stands in {right}"),
        format!("表 {table} 中没有链 {chain}：它在 {right} 表中"),
    );
    Some(
        Judgement::new(
            Verdict::CannotMatch,
            why,
            "istio/istio tools/istio-iptables",
        )
        .fix(format!("iptables -t {right} -L {chain} -n")),
    )
}
