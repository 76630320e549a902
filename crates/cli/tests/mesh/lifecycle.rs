//! Data directories and several meshes: locks, formats, neighbours, and what a killed `up` leaves.

use crate::bookinfo::{namespaces, nothing_is_left};
use crate::harness::host::{self, Host};
use crate::harness::{FERROMESH, Setup, Up, check, eventually};

#[test]
fn a_mesh_keeps_to_itself() {
    let before = Host::now();
    let home = tempfile::tempdir().unwrap();
    let setup = |name: &str| Setup {
        demo: name == "demo",
        data: home.path().join(name),
        temporary: None,
    };
    let Some(mut demo) = Up::start(&setup("demo")) else {
        return;
    };
    check("a data directory has one holder", || {
        locked(&demo, &setup("demo"))
    });
    check("a data directory of another format is left alone", || {
        foreign_format(&setup("foreign"));
    });
    check("a second mesh lives beside the first", || {
        neighbour(&demo, &setup("second"))
    });
    check("a killed up leaves nothing and starts again", || {
        killed(&mut demo, &setup("demo"), &before);
    });
}

fn locked(up: &Up, same: &Setup) {
    let output = same.refused();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{errors}");
    for part in [
        &format!("process {}", up.pid()),
        same.data.to_str().unwrap(),
        "ferromesh down",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert_eq!(up.page().status, 200);
}

fn foreign_format(setup: &Setup) {
    std::fs::create_dir_all(&setup.data).unwrap();
    std::fs::write(setup.data.join("version"), "99\n").unwrap();
    let output = setup.refused();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("has format 99; this program reads 1"),
        "{errors}"
    );
    assert!(!setup.data.join("state.redb").exists());
}

/// The same addresses and names, in a world of its own.
fn neighbour(first: &Up, setup: &Setup) {
    let before = Host::now();
    let mut second = Up::start(setup).unwrap();
    second.get(&["create", "configmap", "only-here"]);
    assert!(
        !first
            .kubectl(&["get", "configmap", "only-here"])
            .status
            .success()
    );
    assert_eq!(first.page().status, 200);
    let answer = second.gateway("/productpage", &[]);
    assert_ne!(answer.status, 200, "there is no Bookinfo: {answer:?}");
    let namespaces = namespaces(&second);
    second.down();
    nothing_is_left(&second, &namespaces, &before);
    assert_eq!(first.page().status, 200);
}

fn killed(up: &mut Up, setup: &Setup, before: &Host) {
    up.get(&["create", "configmap", "kept", "--from-literal=a=b"]);
    let namespaces = namespaces(up);
    up.kill();
    eventually("everything ends with the supervisor", || {
        host::marked(&up.data).is_empty().then_some(())
    });
    nothing_is_left(up, &namespaces, before);
    let mut again = Up::start(setup).unwrap();
    assert_eq!(
        again.get(&["get", "configmap", "kept", "-o", "jsonpath={.data.a}"]),
        "b"
    );
    assert_eq!(again.page().status, 200);
    // Once more, started while the last pods still end.
    again.kill();
    let mut last = Up::start(setup).unwrap();
    assert_eq!(last.page().status, 200);
    let namespaces = self::namespaces(&last);
    last.down();
    nothing_is_left(&last, &namespaces, before);
    let purge = std::process::Command::new(FERROMESH)
        .args(["down", "--purge", "--data-dir"])
        .arg(&setup.data)
        .output()
        .unwrap();
    assert!(purge.status.success(), "{purge:?}");
    assert!(!setup.data.exists());
}
