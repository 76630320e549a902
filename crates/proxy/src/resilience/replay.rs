//! When a request that met a dying connection may be sent again without anybody having asked for retries.

/// What is known when an upstream connection died under a request.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    pub method: &'a [u8],
    /// The connection had served a request before.
    pub reused_connection: bool,
    /// Bytes of this request that were given to the socket.
    pub request_bytes_written: u64,
    /// Bytes of any response to this request that came back, interim ones included.
    pub response_bytes_received: u64,
    /// All that was sent of the body is still at hand.
    pub body_replayable: bool,
    /// HTTP/2: the peer said that it did not process the stream (REFUSED_STREAM, or GOAWAY with a lower last stream).
    pub peer_refused: bool,
    /// How often this request was replayed before.
    pub replays: u32,
}

/// Whether to replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Send it again on another connection; the word goes to the flight recorder.
    Safe(&'static str),
    /// Report the failure.
    Unsafe(&'static str),
}

/// Replays of one request; each goes to a fresh connection in the end.
pub const MOST: u32 = 2;

/// Decides. A replay is no retry: it needs no policy, and it is made only where repeating cannot be told from sending
/// once.
#[must_use]
pub fn judge(failure: &Failure<'_>) -> Replay {
    if failure.response_bytes_received > 0 {
        return Replay::Unsafe("a response had begun");
    }
    if !failure.body_replayable {
        return Replay::Unsafe("the body was not kept");
    }
    if failure.replays >= MOST {
        return Replay::Unsafe("replayed before");
    }
    // RFC 9113 §8.7: such a stream was not processed and may be retried, whatever its method.
    if failure.peer_refused {
        return Replay::Safe("the peer did not process it");
    }
    if !failure.reused_connection {
        return Replay::Unsafe("the connection was new");
    }
    if failure.request_bytes_written == 0 {
        return Replay::Safe("nothing was sent");
    }
    // RFC 9110 §9.2.2 and RFC 9112 §9.3.1: idempotent requests may be repeated when a reused connection was closed.
    if is_idempotent(failure.method) {
        Replay::Safe("idempotent")
    } else {
        Replay::Unsafe("not idempotent")
    }
}

/// RFC 9110 §9.2.2.
#[must_use]
pub fn is_idempotent(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RACE: Failure<'_> = Failure {
        method: b"GET",
        reused_connection: true,
        request_bytes_written: 100,
        response_bytes_received: 0,
        body_replayable: true,
        peer_refused: false,
        replays: 0,
    };

    #[test]
    fn the_idle_race_is_replayed_when_repeating_is_harmless() {
        assert_eq!(judge(&RACE), Replay::Safe("idempotent"));
        assert_eq!(
            judge(&Failure {
                method: b"POST",
                ..RACE
            }),
            Replay::Unsafe("not idempotent")
        );
        assert_eq!(
            judge(&Failure {
                method: b"POST",
                request_bytes_written: 0,
                ..RACE
            }),
            Replay::Safe("nothing was sent")
        );
        assert_eq!(
            judge(&Failure {
                method: b"POST",
                peer_refused: true,
                ..RACE
            }),
            Replay::Safe("the peer did not process it")
        );
    }

    #[test]
    fn nothing_else_is_replayed() {
        for failure in [
            Failure {
                response_bytes_received: 1,
                ..RACE
            },
            Failure {
                body_replayable: false,
                ..RACE
            },
            Failure {
                reused_connection: false,
                ..RACE
            },
            Failure {
                replays: MOST,
                ..RACE
            },
        ] {
            assert!(matches!(judge(&failure), Replay::Unsafe(_)), "{failure:?}");
        }
    }
}
