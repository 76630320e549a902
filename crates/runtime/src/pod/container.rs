//! From a container's specification to what the shim runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, PodSpec, VolumeMount};

use crate::env::Environment;
use crate::facts::Facts;
use crate::image::{ImageMap, Program};
use crate::quantity;
use crate::shim::capability;
use crate::shim::protocol::{ContainerSpec, Mount, User};
use crate::source::Sources;
use crate::volume;

/// Why a container cannot be made; the reason is shown in its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Refused {
    fn config(message: String) -> Self {
        Self {
            reason: "CreateContainerConfigError",
            message,
        }
    }
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is needed besides the specification.
pub(crate) struct Context<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) sources: &'a Sources,
    pub(crate) images: &'a ImageMap,
    /// Variables that name the services of the namespace and the API server.
    pub(crate) links: Vec<(String, String)>,
    /// The pod's directory.
    pub(crate) directory: &'a Path,
    pub(crate) data_dir: &'a Path,
}

/// The container as the shim is to run it.
pub(crate) async fn resolve(
    container: &Container,
    attempt: u32,
    context: &Context<'_>,
) -> Result<ContainerSpec, Refused> {
    let pod = context
        .facts
        .pod
        .spec
        .as_ref()
        .ok_or_else(|| Refused::config("the pod has no spec".into()))?;
    let program = program(container, context.images)?;
    let env = environment(container, &program, context)
        .await
        .map_err(Refused::config)?;
    let argv = arguments(container, &program, &env);
    let own = context.directory.join("containers").join(&container.name);
    let user = user(container, pod, &program)?;
    let security = container.security_context.as_ref();
    let privileged = security.and_then(|s| s.privileged).unwrap_or(false);
    let lists = security.and_then(|s| s.capabilities.as_ref());
    let list = |names: Option<&Vec<String>>| names.cloned().unwrap_or_default();
    let (add, drop) = (
        list(lists.and_then(|l| l.add.as_ref())),
        list(lists.and_then(|l| l.drop.as_ref())),
    );
    let limits = container.resources.as_ref().and_then(|r| r.limits.as_ref());
    let memory = limits.and_then(|limits| limits.get("memory"));
    let directory = container
        .working_dir
        .clone()
        .or(program.working_dir.clone())
        .filter(|d| !d.is_empty());
    Ok(ContainerSpec {
        name: container.name.clone(),
        attempt,
        argv,
        directory: directory.unwrap_or_else(|| "/".into()).into(),
        user,
        capabilities: capability::select(privileged, &add, &drop).map_err(Refused::config)?,
        privileged,
        no_new_privileges: security.and_then(|s| s.allow_privilege_escalation) == Some(false),
        read_only_root: security
            .and_then(|s| s.read_only_root_filesystem)
            .unwrap_or(false),
        layer: own.join(format!("layer-{attempt}")),
        mounts: [
            mounts(container, pod, attempt, &env, context).map_err(Refused::config)?,
            files(&program),
        ]
        .concat(),
        masked: vec![context.data_dir.to_path_buf()],
        log: log_path(context.directory, &container.name, attempt),
        stdin: container.stdin.unwrap_or(false),
        tty: container.tty.unwrap_or(false),
        memory_limit: memory
            .and_then(|quantity| quantity::parse_units(&quantity.0))
            .filter(|bytes| *bytes > 0),
        cgroup: format!(
            "ferromesh-{}-{}-{attempt}",
            context.facts.uid(),
            container.name
        ),
        env: env.into_pairs(),
    })
}

/// The log of one run.
pub(crate) fn log_path(directory: &Path, container: &str, attempt: u32) -> PathBuf {
    directory
        .join("containers")
        .join(container)
        .join(format!("{attempt}.log"))
}

/// The file behind `terminationMessagePath`.
pub(crate) fn termination_path(directory: &Path, container: &str, attempt: u32) -> PathBuf {
    directory
        .join("containers")
        .join(container)
        .join(format!("termination-{attempt}"))
}

fn program(container: &Container, images: &ImageMap) -> Result<Program, Refused> {
    let image = container.image.as_deref().unwrap_or_default();
    if let Some(program) = images.find(image) {
        return Ok(program.clone());
    }
    if container
        .command
        .as_ref()
        .is_some_and(|command| !command.is_empty())
    {
        return Ok(Program::default());
    }
    let message = format!(
        "image {image:?} stands for no local program: give the container a `command`, or add \
         {{\"{image}\": {{\"entrypoint\": [\"/path/to/program\"]}}}} to {} in the data directory",
        crate::image::USER_FILE
    );
    Err(Refused {
        reason: "ImageNotMapped",
        message,
    })
}

fn arguments(container: &Container, program: &Program, env: &Environment) -> Vec<String> {
    let given = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
    // As Kubernetes: a command replaces the image's entrypoint and its default arguments.
    let words = match (given(&container.command), given(&container.args)) {
        (Some(command), args) => [command, args.unwrap_or_default()].concat(),
        (None, Some(args)) => [program.entrypoint.clone(), args].concat(),
        (None, None) => [program.entrypoint.clone(), program.args.clone()].concat(),
    };
    words.iter().map(|word| env.expand(word)).collect()
}

async fn environment(
    container: &Container,
    program: &Program,
    context: &Context<'_>,
) -> Result<Environment, String> {
    let mut env = Environment::default();
    env.set("PATH", PATH.into());
    env.set("HOSTNAME", context.facts.hostname());
    for (name, value) in &program.env {
        env.set(name, value.clone());
    }
    for (name, value) in &context.links {
        env.set(name, value.clone());
    }
    env.add_container(container, context.facts, context.sources)
        .await?;
    env.set_default("HOME", "/root");
    if container.tty == Some(true) {
        env.set_default("TERM", "xterm");
    }
    Ok(env)
}

fn user(container: &Container, pod: &PodSpec, program: &Program) -> Result<User, Refused> {
    let own = container.security_context.as_ref();
    let shared = pod.security_context.as_ref();
    let mut parts = program
        .user
        .as_deref()
        .unwrap_or_default()
        .splitn(2, ':')
        .map(|part| part.parse::<u32>().ok());
    let (image_uid, image_gid) = (parts.next().flatten(), parts.next().flatten());
    let number = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let uid = number(
        own.and_then(|s| s.run_as_user)
            .or(shared.and_then(|s| s.run_as_user)),
    );
    let gid = number(
        own.and_then(|s| s.run_as_group)
            .or(shared.and_then(|s| s.run_as_group)),
    );
    let non_root = own
        .and_then(|s| s.run_as_non_root)
        .or(shared.and_then(|s| s.run_as_non_root));
    let uid = uid.or(image_uid).unwrap_or(0);
    if non_root == Some(true) && uid == 0 {
        return Err(Refused::config(
            "container has runAsNonRoot and would run as root: set securityContext.runAsUser"
                .into(),
        ));
    }
    let mut groups: Vec<u32> = Vec::new();
    for group in shared
        .and_then(|s| s.supplemental_groups.as_ref())
        .into_iter()
        .flatten()
    {
        groups.extend(number(Some(*group)));
    }
    groups.extend(fs_group(pod));
    Ok(User {
        uid,
        gid: gid.or(image_gid).unwrap_or(0),
        groups,
    })
}

pub(crate) fn fs_group(pod: &PodSpec) -> Option<u32> {
    pod.security_context
        .as_ref()
        .and_then(|s| s.fs_group)
        .and_then(|group| u32::try_from(group).ok())
}

fn mounts(
    container: &Container,
    pod: &PodSpec,
    attempt: u32,
    env: &Environment,
    context: &Context<'_>,
) -> Result<Vec<Mount>, String> {
    let mut origins = BTreeMap::new();
    for volume in pod.volumes.iter().flatten() {
        origins.insert(volume.name.as_str(), volume::origin(volume)?);
    }
    let mut mounts = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let origin = origins.get(mount.name.as_str());
        let origin = origin
            .ok_or_else(|| format!("volumeMounts name {:?}, which is no volume", mount.name))?;
        mounts.push(volume_mount(mount, origin, env, context)?);
    }
    let termination = container
        .termination_message_path
        .as_deref()
        .unwrap_or("/dev/termination-log");
    let etc = context.directory.join("etc");
    let standard = [
        (etc.join("hosts"), "/etc/hosts"),
        (etc.join("hostname"), "/etc/hostname"),
        (etc.join("resolv.conf"), "/etc/resolv.conf"),
        (context.directory.join("shm"), "/dev/shm"),
        (
            termination_path(context.directory, &container.name, attempt),
            termination,
        ),
    ];
    for (source, target) in standard {
        let target = PathBuf::from(target);
        if mounts.iter().all(|mount| mount.target != target) {
            mounts.push(Mount {
                source,
                sub_path: None,
                target,
                read_only: false,
            });
        }
    }
    Ok(mounts)
}

/// What the image itself brings.
fn files(program: &Program) -> Vec<Mount> {
    let mount = |(source, target): &(PathBuf, PathBuf)| Mount {
        source: source.clone(),
        sub_path: None,
        target: target.clone(),
        read_only: true,
    };
    program.files.iter().map(mount).collect()
}

fn volume_mount(
    mount: &VolumeMount,
    origin: &volume::Origin,
    env: &Environment,
    context: &Context<'_>,
) -> Result<Mount, String> {
    let expanded = mount.sub_path_expr.as_deref().map(|text| env.expand(text));
    let sub_path = mount
        .sub_path
        .clone()
        .or(expanded)
        .filter(|path| !path.is_empty());
    let leaves = |path: &str| path.starts_with('/') || path.split('/').any(|part| part == "..");
    if sub_path.as_deref().is_some_and(leaves) {
        return Err(format!(
            "subPath of {} must stay inside the volume",
            mount.mount_path
        ));
    }
    let from_api = matches!(origin, volume::Origin::Api(_));
    // A file of such a volume is a link; what it leads to can be bound.
    let place = |path: String| {
        if from_api {
            Path::new("..data").join(path)
        } else {
            path.into()
        }
    };
    Ok(Mount {
        source: origin.path(context.directory),
        sub_path: sub_path.map(place),
        target: Path::new("/").join(&mount.mount_path),
        read_only: mount.read_only.unwrap_or(false) || from_api,
    })
}
