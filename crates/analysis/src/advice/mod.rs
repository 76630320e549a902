//! Reads what people follow (runbooks, scripts, fragments) and says of every manifest, command, metric, flag and
//! setting in it what it would really do on the chosen versions. Pure: bytes go in, items come out.

pub mod blocks;
mod command;
mod config_map;
pub mod encoding;
mod envoy;
mod fields;
mod fragment;
mod insights;
pub mod items;
mod manifest;
mod metadata;
mod nested;
mod object;
mod output;
mod patch;
mod path;
mod pipeline;
mod printed;
mod promql;
mod prose;
pub mod report;
pub mod shell;
mod values;
mod verdict;
mod versions;
mod yaml;

pub(crate) use self::fields::snake;
pub(crate) use self::fragment::places;
pub use self::items::Item;
pub use self::verdict::{Judgement, Lang, Verdict};
pub use self::versions::Wanted;
use crate::knowledge::Version;
use blocks::{Block, BlockKind, Format};
use items::{Kind, Sink};

/// What the advice is judged for.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub istio: Version,
    pub knative: Version,
    pub lang: Lang,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            istio: Version::ISTIO,
            knative: Version::KNATIVE,
            lang: Lang::En,
        }
    }
}

/// Longest file that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;
/// Most items of one file.
pub const MAX_ITEMS: usize = 50_000;

/// Judges one file; `name` decides how it is read and stands in the items.
#[must_use]
pub fn lint(name: &str, bytes: &[u8], wanted: &Wanted) -> Vec<Item> {
    let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
    let decoded = encoding::decode(bytes);
    let format = Format::of(name, &decoded.text);
    let (options, named) = versions::options(wanted, &decoded.text);
    let mut sink = Sink::new(name, options, &decoded.text);
    for own in &named {
        let (product, version) = (own.product.name(), own.version);
        let say = options.lang.pick(
            format!("the text is judged for {product} {version}, which it names itself"),
            format!("按文中写明的 {product} {version} 判断"),
        );
        sink.put(
            own.line,
            own.column,
            Kind::Version,
            &own.text,
            Judgement::works(say, ""),
        );
    }
    if let Some(repair) = decoded.repair {
        let text = repair.words().0;
        let say = options.lang.pick(text, repair.words().1);
        sink.put(
            1,
            1,
            Kind::Encoding,
            text,
            Judgement::works(say, "encoding"),
        );
    }
    for block in blocks::blocks(&decoded.text, format) {
        judge_block(&mut sink, &block, format);
        if sink.is_full() {
            break;
        }
    }
    sink.finish()
}

fn judge_block(sink: &mut Sink, block: &Block, format: Format) {
    match &block.kind {
        BlockKind::Code(language) => code(sink, block, language),
        BlockKind::Heading => prose::judge(sink, block),
        BlockKind::Prose => {
            let rest = prose::unfenced(sink, block, format);
            prose::judge(sink, &rest);
        }
    }
}

/// Judges code by what its fence says it is, or else by what it looks like.
pub(crate) fn code(sink: &mut Sink, block: &Block, language: &str) {
    if prose::judge_settings(sink, &block.pieces, &block.context) {
        return;
    }
    match items::language(language, &block.pieces) {
        items::Language::Yaml => manifest::judge(sink, &block.pieces, &block.context, None),
        items::Language::Shell => command::judge(sink, &block.pieces, &block.context),
        items::Language::PromQl => promql::judge_block(sink, &block.pieces),
        items::Language::Insights => insights::judge(sink, &block.pieces),
        items::Language::Unknown => prose::judge_code(sink, &block.pieces),
    }
}
