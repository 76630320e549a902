//! What the files of a configMap, secret, downwardAPI or projected volume hold.

use std::collections::BTreeMap;
use std::collections::HashMap;

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, ServiceAccountTokenProjection, Volume,
};

use crate::facts::Facts;
use crate::source::{Data, Sources, Token};
use crate::time;

/// Relative path → content and mode.
pub(crate) type Payload = BTreeMap<String, (Vec<u8>, u32)>;

const DEFAULT_MODE: i32 = 0o644;

/// Tokens of one pod, kept until 80 % of their life is over.
#[derive(Default)]
pub(crate) struct Tokens {
    held: HashMap<(String, String), (Token, i64)>,
}

impl Tokens {
    async fn get(
        &mut self,
        volume: &str,
        projection: &ServiceAccountTokenProjection,
        facts: &Facts,
        sources: &Sources,
    ) -> Result<String, String> {
        let key = (volume.to_owned(), projection.path.clone());
        let now = time::now() / 1000;
        if let Some((token, refresh)) = self.held.get(&key).filter(|(_, refresh)| now < *refresh) {
            let _ = refresh;
            return Ok(token.token.clone());
        }
        let seconds = projection.expiration_seconds.unwrap_or(3600);
        let pod = (facts.name(), facts.uid());
        match sources
            .token(
                facts.service_account(),
                projection.audience.as_deref(),
                seconds,
                pod,
            )
            .await
        {
            Ok(token) => {
                let refresh = now + (token.expires - now) * 4 / 5;
                let text = token.token.clone();
                self.held.insert(key, (token, refresh));
                Ok(text)
            }
            // The old one may still be good; the next round tries again.
            Err(error) => match self.held.get(&key) {
                Some((token, _)) if now < token.expires => Ok(token.token.clone()),
                _ => Err(error),
            },
        }
    }

    /// When the first token is due for renewal, in Unix seconds.
    pub(crate) fn refresh_at(&self) -> Option<i64> {
        self.held.values().map(|(_, refresh)| *refresh).min()
    }
}

/// The files of a volume, or `None` when it does not come from the API.
pub(crate) async fn payload_of(
    volume: &Volume,
    facts: &Facts,
    sources: &Sources,
    tokens: &mut Tokens,
) -> Result<Option<Payload>, String> {
    let mut files = Payload::new();
    if let Some(source) = &volume.config_map {
        let keys = Keys::new(&source.name, source.items.as_deref(), source.optional);
        keys.config_map(&mut files, sources, source.default_mode)
            .await?;
    } else if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        let keys = Keys::new(name, source.items.as_deref(), source.optional);
        keys.secret(&mut files, sources, source.default_mode)
            .await?;
    } else if let Some(source) = &volume.downward_api {
        downward(
            &mut files,
            source.items.as_deref(),
            facts,
            source.default_mode,
        )?;
    } else if let Some(source) = &volume.projected {
        let mode = source.default_mode;
        for projection in source.sources.iter().flatten() {
            if let Some(source) = &projection.config_map {
                let keys = Keys::new(&source.name, source.items.as_deref(), source.optional);
                keys.config_map(&mut files, sources, mode).await?;
            }
            if let Some(source) = &projection.secret {
                let keys = Keys::new(&source.name, source.items.as_deref(), source.optional);
                keys.secret(&mut files, sources, mode).await?;
            }
            if let Some(source) = &projection.downward_api {
                downward(&mut files, source.items.as_deref(), facts, mode)?;
            }
            if let Some(source) = &projection.service_account_token {
                let token = tokens.get(&volume.name, source, facts, sources).await?;
                insert(
                    &mut files,
                    &source.path,
                    token.into_bytes(),
                    mode.unwrap_or(DEFAULT_MODE),
                )?;
            }
        }
    } else {
        return Ok(None);
    }
    Ok(Some(files))
}

/// Which keys of a ConfigMap or Secret become files.
struct Keys<'a> {
    object: &'a str,
    items: Option<&'a [KeyToPath]>,
    optional: bool,
}

impl<'a> Keys<'a> {
    fn new(object: &'a str, items: Option<&'a [KeyToPath]>, optional: Option<bool>) -> Self {
        let items = items.filter(|items| !items.is_empty());
        Self {
            object,
            items,
            optional: optional.unwrap_or(false),
        }
    }

    async fn config_map(
        &self,
        files: &mut Payload,
        sources: &Sources,
        mode: Option<i32>,
    ) -> Result<(), String> {
        let data = sources.config_map(self.object, self.optional).await?;
        self.project(files, data, mode.unwrap_or(DEFAULT_MODE))
    }

    async fn secret(
        &self,
        files: &mut Payload,
        sources: &Sources,
        mode: Option<i32>,
    ) -> Result<(), String> {
        let data = sources.secret(self.object, self.optional).await?;
        self.project(files, data, mode.unwrap_or(DEFAULT_MODE))
    }

    fn project(&self, files: &mut Payload, data: Option<Data>, mode: i32) -> Result<(), String> {
        let Some(mut data) = data else { return Ok(()) };
        let Some(items) = self.items else {
            return data
                .into_iter()
                .try_for_each(|(key, value)| insert(files, &key, value, mode));
        };
        for item in items {
            match data.remove(&item.key) {
                Some(value) => insert(files, &item.path, value, item.mode.unwrap_or(mode))?,
                None if self.optional => {}
                None => {
                    return Err(format!(
                        "{:?} references non-existent key {:?}",
                        self.object, item.key
                    ));
                }
            }
        }
        Ok(())
    }
}

fn downward(
    files: &mut Payload,
    items: Option<&[DownwardAPIVolumeFile]>,
    facts: &Facts,
    mode: Option<i32>,
) -> Result<(), String> {
    let mode = mode.unwrap_or(DEFAULT_MODE);
    for item in items.into_iter().flatten() {
        let value = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => facts.field(&field.field_path)?,
            (None, Some(resource)) => facts.resource(resource, None)?,
            (None, None) => return Err(format!("downwardAPI file {:?} has no source", item.path)),
        };
        insert(
            files,
            &item.path,
            value.into_bytes(),
            item.mode.unwrap_or(mode),
        )?;
    }
    Ok(())
}

fn insert(files: &mut Payload, path: &str, content: Vec<u8>, mode: i32) -> Result<(), String> {
    let bad = path.is_empty()
        || path.starts_with('/')
        || path.starts_with("..")
        || path.split('/').any(|part| part == ".." || part.is_empty());
    if bad {
        return Err(format!("{path:?} is not a relative path"));
    }
    files.insert(path.into(), (content, mode as u32 & 0o777));
    Ok(())
}
