//! What an item would really do, and why.

use std::fmt;

/// What an item would really do. Later ones weigh more where one item has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    Works,
    Deprecated,
    Ignored,
    Unknown,
    Misplaced,
    CannotMatch,
    Refused,
    OppositeEffect,
    Destructive,
}

impl Verdict {
    /// All, lightest first.
    pub const ALL: [Self; 9] = [
        Self::Works,
        Self::Deprecated,
        Self::Ignored,
        Self::Unknown,
        Self::Misplaced,
        Self::CannotMatch,
        Self::Refused,
        Self::OppositeEffect,
        Self::Destructive,
    ];

    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Deprecated => "deprecated",
            Self::Ignored => "ignored",
            Self::Unknown => "unknown",
            Self::Misplaced => "misplaced",
            Self::CannotMatch => "cannot match",
            Self::Refused => "refused",
            Self::OppositeEffect => "opposite effect",
            Self::Destructive => "destructive",
        }
    }

    /// The name in Chinese.
    #[must_use]
    pub fn in_chinese(self) -> &'static str {
        match self {
            Self::Works => "有效",
            Self::Deprecated => "已弃用",
            Self::Ignored => "被忽略",
            Self::Unknown => "不存在",
            Self::Misplaced => "位置错误",
            Self::CannotMatch => "不可能匹配",
            Self::Refused => "被拒绝",
            Self::OppositeEffect => "效果相反",
            Self::Destructive => "破坏性",
        }
    }

    /// The verdict of a name in the tables.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == name)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    #[default]
    En,
    Zh,
}

impl Lang {
    /// The text in this language.
    #[must_use]
    pub fn pick<T: Into<String>>(self, en: T, zh: T) -> String {
        match self {
            Self::En => en.into(),
            Self::Zh => zh.into(),
        }
    }
}

/// A verdict with its reason, the right form and the source of the knowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub reason: String,
    pub fix: String,
    pub source: String,
}

impl Judgement {
    /// A judgement without a right form.
    pub fn new(verdict: Verdict, reason: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            verdict,
            reason: reason.into(),
            fix: String::new(),
            source: source.into(),
        }
    }

    /// It works.
    pub fn works(reason: impl Into<String>, source: impl Into<String>) -> Self {
        Self::new(Verdict::Works, reason, source)
    }

    /// It works, and there is nothing to say about it.
    #[must_use]
    pub fn fine(source: &str) -> Self {
        Self::works("", source)
    }

    /// Adds the right form.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// Whether it is wrong in some way.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.verdict != Verdict::Works
    }

    /// The heavier of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.verdict > self.verdict {
            other
        } else {
            self
        }
    }
}
