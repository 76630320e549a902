//! The streams of an exec or attach, whatever carries them.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// What the client asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) command: Vec<String>,
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Stdout,
    Stderr,
}

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u16,
    pub(super) height: u16,
}

impl Size {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let number = |name: &str| u16::try_from(value[name].as_u64()?).ok();
        Some(Self {
            width: number("Width")?,
            height: number("Height")?,
        })
    }
}

/// The server's ends.
#[derive(Debug)]
pub(super) struct Ends {
    /// Ends with the client's input.
    pub(super) stdin: mpsc::Receiver<Bytes>,
    pub(super) resize: mpsc::Receiver<Size>,
    pub(super) output: mpsc::Sender<(Channel, Bytes)>,
}

/// The other ends, for the protocol that carries them.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) stdin: Option<mpsc::Sender<Bytes>>,
    pub(super) resize: mpsc::Sender<Size>,
    pub(super) output: mpsc::Receiver<(Channel, Bytes)>,
}

pub(super) fn pair() -> (Ends, Carrier) {
    let (stdin_sender, stdin) = mpsc::channel(16);
    let (resize_sender, resize) = mpsc::channel(4);
    let (output, output_receiver) = mpsc::channel(16);
    let carrier = Carrier {
        stdin: Some(stdin_sender),
        resize: resize_sender,
        output: output_receiver,
    };
    (
        Ends {
            stdin,
            resize,
            output,
        },
        carrier,
    )
}

/// The `metav1.Status` at the end of an exec, by exit code or by why it did not start.
pub(super) fn status(outcome: Result<i32, String>) -> Value {
    match outcome {
        Ok(0) => json!({ "metadata": {}, "status": "Success" }),
        Ok(code) => json!({
            "metadata": {},
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        }),
        Err(message) => json!({
            "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
            "message": format!("Internal error occurred: {message}"),
        }),
    }
}
