//! Requests by curl, from the host or from a pod.

use std::process::{Command, Output};

use super::{Pod, Up};

/// What curl got.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// 0: no response.
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) seconds: f64,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    fn read(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, seconds) = text.rsplit_once("\nseconds=").unwrap_or((&text, "0"));
        let mut rest = text;
        let mut head = "";
        // Interim responses come first.
        while rest.starts_with("HTTP/") {
            (head, rest) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
        }
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines.filter_map(|line| line.split_once(':'));
        Self {
            status: status.and_then(|s| s.parse().ok()).unwrap_or(0),
            headers: headers
                .map(|(n, v)| (n.to_lowercase(), v.trim().to_owned()))
                .collect(),
            body: rest.to_owned(),
            seconds: seconds.trim().parse().unwrap_or(0.0),
        }
    }
}

const OPTIONS: [&str; 6] = ["-s", "-i", "-m", "60", "-w", "\nseconds=%{time_total}"];

/// curl on the host.
pub(crate) fn curl(args: &[&str]) -> Answer {
    let output = Command::new("curl").args(OPTIONS).args(args).output();
    Answer::read(&output.unwrap())
}

impl Up {
    /// Asks the gateway on the host's port.
    pub(crate) fn gateway(&self, path: &str, args: &[&str]) -> Answer {
        let url = format!("http://127.0.0.1:{}{path}", self.ports.http);
        curl(&[&[url.as_str()], args].concat())
    }

    /// The product page.
    pub(crate) fn page(&self) -> Answer {
        self.gateway("/productpage", &[])
    }

    /// curl inside a pod's container.
    pub(crate) fn curl_in(&self, pod: &Pod, container: &str, args: &[&str]) -> Answer {
        let exec = [
            "exec",
            "-n",
            &pod.namespace,
            &pod.name,
            "-c",
            container,
            "--",
            "curl",
        ];
        Answer::read(&self.kubectl(&[&exec[..], &OPTIONS[..], args].concat()))
    }
}
