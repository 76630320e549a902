//! The kubelet API of a node.

mod support;

use futures::{SinkExt, StreamExt};
use serde_json::json;
use support::kubelet::{spdy_data, spdy_read, syn_stream, talk};
use support::{cluster, pod, shell, web};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

const BASH: &str = "echo one; echo two >&2; echo three; sleep 100";

#[test]
fn logs_are_cut_as_asked_and_followed_to_the_end() {
    cluster(|cluster| async move {
        let object = cluster.create(pod("talker", shell(BASH))).await;
        cluster.logged(&object, "main", "three").await;
        cluster.ready("talker").await;
        let get = async |query: &str| {
            cluster
                .pki
                .get(&format!("/containerLogs/default/talker/main{query}"))
                .await
        };
        let (status, body) = get("").await;
        assert_eq!(status, 200);
        let mut lines: Vec<_> = body.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["one", "three", "two"]);
        assert_eq!(get("?tailLines=1").await.1.lines().count(), 1);
        assert_eq!(get("?limitBytes=2").await.1.len(), 2);
        let stamped = get("?timestamps=true&tailLines=1").await.1;
        assert!(
            stamped.starts_with("20") && stamped.contains("Z "),
            "{stamped}"
        );
        let (status, message) = get("?previous=true").await;
        assert_eq!(status, 400);
        assert!(
            message.contains("previous terminated container"),
            "{message}"
        );
        assert_eq!(
            cluster
                .pki
                .get("/containerLogs/default/talker/other")
                .await
                .0,
            404
        );
        let mut once = pod("once", shell("echo a; sleep 0.3; echo b"));
        once["spec"]["restartPolicy"] = json!("Never");
        let once = cluster.create(once).await;
        cluster.logged(&once, "main", "a").await;
        cluster.ready("once").await;
        let (_, body) = cluster
            .pki
            .get("/containerLogs/default/once/main?follow=true")
            .await;
        assert_eq!(body, "a\nb\n");
        assert_eq!(cluster.pki.get("/healthz").await, (200, "ok".into()));
        assert!(cluster.pki.get("/pods").await.1.contains("\"talker\""));
    });
}

#[test]
fn exec_runs_in_the_container_and_gives_its_exit_code() {
    cluster(|cluster| async move {
        cluster
            .create(pod("box", shell("echo inside > /inside; sleep 100")))
            .await;
        cluster.ready("box").await;
        let path = "/exec/default/box/main?output=1&error=1&command=sh&command=-c&command=";
        let socket = cluster
            .pki
            .web_socket(
                &format!("{path}cat+/inside;+hostname;+echo+oops+%3E%262;+exit+3"),
                "v4.channel.k8s.io",
            )
            .await;
        let (out, err, status) = talk(socket, &[]).await;
        assert_eq!((out.as_str(), err.as_str()), ("inside\nbox\n", "oops\n"));
        assert_eq!(status["details"]["causes"][0]["message"], "3", "{status}");
        let path = "/exec/default/box/main?input=1&output=1&command=cat";
        let socket = cluster.pki.web_socket(path, "v5.channel.k8s.io").await;
        let (out, _, status) = talk(socket, &[(0, b"hello"), (255, &[0])]).await;
        assert_eq!(out, "hello");
        assert_eq!(status["status"], "Success");
        let socket = cluster
            .pki
            .web_socket(
                "/exec/default/box/main?output=1&command=/no/such",
                "v5.channel.k8s.io",
            )
            .await;
        let (_, _, status) = talk(socket, &[]).await;
        assert!(
            status["message"].as_str().unwrap().contains("/no/such"),
            "{status}"
        );
    });
}

#[test]
fn a_terminal_has_the_size_that_the_client_says() {
    cluster(|cluster| async move {
        cluster.create(pod("box", shell("sleep 100"))).await;
        cluster.ready("box").await;
        let path = "/exec/default/box/main?input=1&output=1&tty=1&command=sh&command=-c&command=read+x;+stty+size;+test+-t+0+%26%26+echo+terminal";
        let socket = cluster.pki.web_socket(path, "v5.channel.k8s.io").await;
        let (out, _, status) = talk(
            socket,
            &[(4, br#"{"Width":132,"Height":43}"#), (0, b"go\n")],
        )
        .await;
        assert!(
            out.contains("43 132") && out.contains("terminal"),
            "{out:?} {status}"
        );
    });
}

#[test]
fn a_client_that_goes_away_ends_its_command() {
    cluster(|cluster| async move {
        let object = cluster.create(pod("box", shell("sleep 100"))).await;
        cluster.ready("box").await;
        let path = "/exec/default/box/main?output=1&command=sh&command=-c&command=echo+started;+exec+sleep+4242";
        let mut socket = cluster.pki.web_socket(path, "v5.channel.k8s.io").await;
        while let Some(Ok(message)) = socket.next().await {
            if matches!(&message, Message::Binary(bytes) if bytes.ends_with(b"started\n")) {
                break;
            }
        }
        socket.close(None).await.unwrap();
        drop(socket);
        let directory = cluster.pod_directory(&object);
        for _ in 0..500 {
            if !support::processes(&directory)
                .iter()
                .any(|line| line.contains("4242"))
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the command outlived its client");
    });
}

#[test]
fn attach_joins_standard_input_and_output() {
    cluster(|cluster| async move {
        let mut container = shell("while read line; do echo got $line; done; sleep 100");
        container["stdin"] = json!(true);
        cluster.create(pod("reader", container)).await;
        cluster.ready("reader").await;
        let mut socket = cluster
            .pki
            .web_socket(
                "/attach/default/reader/main?input=1&output=1",
                "v5.channel.k8s.io",
            )
            .await;
        socket
            .send(Message::Binary(b"\0hello\n".to_vec().into()))
            .await
            .unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Binary(bytes) = message {
                assert_eq!(&bytes[..], b"\x01got hello\n");
                return;
            }
        }
        panic!("no answer");
    });
}

#[test]
fn standard_input_that_is_open_once_ends_with_its_client() {
    cluster(|cluster| async move {
        let mut container = shell("cat; echo over");
        container["stdin"] = json!(true);
        container["stdinOnce"] = json!(true);
        let mut object = pod("once", container);
        object["spec"]["restartPolicy"] = json!("Never");
        let object = cluster.create(object).await;
        cluster.ready("once").await;
        let path = "/attach/default/once/main?input=1&output=1";
        let socket = cluster.pki.web_socket(path, "v5.channel.k8s.io").await;
        let (out, _, status) = talk(socket, &[(0, b"line\n"), (255, &[0])]).await;
        assert_eq!(status["status"], "Success");
        assert_eq!(out, "line\nover\n");
        cluster.phase("once", "Succeeded").await;
        assert_eq!(cluster.log(&object, "main", 0), "line\nover\n");
    });
}

const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

fn forward_frames() -> Vec<u8> {
    let stream = |id, first, kind| {
        syn_stream(
            id,
            first,
            &[("streamtype", kind), ("port", "8000"), ("requestid", "0")],
        )
    };
    [
        stream(1, true, "error"),
        stream(3, false, "data"),
        spdy_data(3, false, REQUEST),
    ]
    .concat()
}

#[test]
fn port_forward_carries_connections_over_spdy_and_over_its_tunnel() {
    cluster(|cluster| async move {
        cluster.create(pod("web", web("forwarded"))).await;
        cluster.ready("web").await;
        let path = "/portForward/default/web";
        let mut spdy = cluster.pki.spdy(path, "portforward.k8s.io").await;
        spdy.write_all(&forward_frames()).await.unwrap();
        let carried = spdy_read(&mut spdy, 3).await;
        assert!(carried[&3].ends_with("forwarded\n"), "{carried:?}");

        let mut socket = cluster
            .pki
            .web_socket(path, "SPDY/3.1+portforward.k8s.io")
            .await;
        socket
            .send(Message::Binary(forward_frames().into()))
            .await
            .unwrap();
        let (writer, reader) = tokio::io::duplex(64 * 1024);
        let mut writer = writer;
        let pump = async {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Binary(bytes) = message {
                    writer.write_all(&bytes).await.unwrap();
                }
            }
        };
        tokio::select! {
            carried = spdy_read(reader, 3) => assert!(carried[&3].ends_with("forwarded\n"), "{carried:?}"),
            () = pump => panic!("the tunnel was closed"),
        }
    });
}

#[test]
fn exec_over_spdy_uses_one_stream_for_each_purpose() {
    cluster(|cluster| async move {
        cluster.create(pod("box", shell("sleep 100"))).await;
        cluster.ready("box").await;
        let path =
            "/exec/default/box/main?input=1&output=1&command=sh&command=-c&command=cat;+exit+7";
        let mut spdy = cluster.pki.spdy(path, "v4.channel.k8s.io").await;
        let frames = [
            syn_stream(1, true, &[("streamtype", "error")]),
            syn_stream(3, false, &[("streamtype", "stdin")]),
            syn_stream(5, false, &[("streamtype", "stdout")]),
            spdy_data(3, false, b"through"),
            spdy_data(3, true, b""),
        ];
        spdy.write_all(&frames.concat()).await.unwrap();
        let carried = spdy_read(&mut spdy, 1).await;
        assert_eq!(carried[&5], "through");
        assert!(carried[&1].contains("\"message\":\"7\""), "{carried:?}");
    });
}

#[test]
fn strangers_are_turned_away() {
    cluster(|cluster| async move {
        cluster.create(pod("box", shell("sleep 100"))).await;
        let answer = support::output(
            "curl",
            &[
                "-sk",
                "--max-time",
                "5",
                "-w",
                "%{http_code}",
                "https://10.244.0.1:10250/pods",
            ],
        );
        assert_eq!(answer, "000");
    });
}
