//! Backups that were changed by somebody who knows the format: checksums are right, and the content is not.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "a helper that fails, fails its test; no test uses all of them"
)]

use std::fs;
use std::path::PathBuf;

use pg_backup::document::hex;
use pg_backup::manifest::{Manifest, Role};
use sha2::{Digest, Sha256};

use crate::ground::Ground;

/// The file of an object of a backup, or of its manifest.
#[track_caller]
pub(crate) fn file(ground: &Ground, id: &str, name: &str) -> PathBuf {
    let wanted = format!("/backups/{id}/{name}");
    let found = ground.objects().into_iter().find(|key| format!("/{key}").ends_with(&wanted));
    ground.shelf.files().join(found.unwrap())
}

/// The manifest of a backup.
pub(crate) fn manifest(ground: &Ground, id: &str) -> Manifest {
    Manifest::decode(&fs::read(file(ground, id, "manifest.json")).unwrap()).unwrap().0
}

/// Changes the manifest and makes it right again.
pub(crate) fn change(ground: &Ground, id: &str, change: impl FnOnce(&mut Manifest)) {
    let mut manifest = manifest(ground, id);
    change(&mut manifest);
    fs::write(file(ground, id, "manifest.json"), manifest.encode().unwrap().0).unwrap();
}

/// Changes the content of an object and makes its checksums right again.
pub(crate) fn reseal(ground: &Ground, id: &str, role: Role, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let name = manifest(ground, id).object(role).unwrap().name.clone();
    let path = file(ground, id, &name);
    let plain = change(zstd::decode_all(&*fs::read(&path).unwrap()).unwrap());
    let sealed = zstd::encode_all(&*plain, 3).unwrap();
    fs::write(path, &sealed).unwrap();
    self::change(ground, id, |manifest| {
        let object = manifest.objects.iter_mut().find(|object| object.role == role).unwrap();
        (object.bytes, object.sha256) = (sealed.len() as u64, hex(&Sha256::digest(&sealed)));
        (object.plain_bytes, object.plain_sha256) = (plain.len() as u64, hex(&Sha256::digest(&plain)));
    });
}
