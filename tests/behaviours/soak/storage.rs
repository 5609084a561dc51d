// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the soak's repository is, and a look at all of its objects past the program.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use keepfast_repo_format::key_slot::KeyFile;
use keepfast_repo_format::layout;
use keepfast_storage::Backend;
use keepfast_storage::cloud::{CloudBackend, CloudLocation, CloudOptions, CloudSettings};
use keepfast_storage::local::LocalBackend;
use keepfast_storage::testing::{Image, SimBackend};

use crate::support::collector::raw;
use crate::support::history_script::open_bare;
use crate::support::prune_place::assert_no_chunk_too_many;
use crate::support::servers::Server;

/// A place for a repository.
pub enum Storage {
    Folder,
    Bucket(Box<Server>),
}

impl Storage {
    /// As `-r` takes it.
    pub fn location(&self, base: &Path) -> String {
        match self {
            Self::Folder => base.join("repository").to_str().unwrap().to_string(),
            Self::Bucket(server) => server.location("soak"),
        }
    }

    /// What the program has to be told.
    pub fn environment(&self, base: &Path) -> Vec<(String, OsString)> {
        let (user, secret) = Server::credentials();
        let pairs = [
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("TZ", "UTC".into()),
            ("KEEPFAST_REPOSITORY", self.location(base).into()),
            ("KEEPFAST_KEY_FILE", base.join("key").into()),
            ("KEEPFAST_THREADS", "2".into()),
            ("AWS_ACCESS_KEY_ID", user.into()),
            ("AWS_SECRET_ACCESS_KEY", secret.into()),
            ("AWS_REGION", "us-east-1".into()),
        ];
        pairs.map(|(name, value)| (name.to_string(), value)).to_vec()
    }

    fn backend(&self, base: &Path) -> Arc<dyn Backend> {
        match self {
            Self::Folder => Arc::new(LocalBackend::open(&base.join("repository")).unwrap()),
            Self::Bucket(_) => {
                let mut settings = CloudSettings::new();
                let (user, secret) = Server::credentials();
                settings.set("aws_access_key_id", user);
                settings.set("aws_secret_access_key", secret);
                let location = CloudLocation::parse(&self.location(base)).unwrap();
                Arc::new(CloudBackend::open(&location, &settings, &CloudOptions::default()).unwrap())
            }
        }
    }

    /// Nothing is there that nobody needs, counted object by object and chunk by chunk.
    pub fn assert_minimal(&self, base: &Path, snapshots: usize) {
        let backend = self.backend(base);
        let mut image = Image::default();
        for object in backend.list("").unwrap() {
            let bytes = backend.get(&object.name, None).unwrap();
            image.insert(object.name, bytes);
        }
        let key = KeyFile::parse(&std::fs::read_to_string(base.join("key")).unwrap()).unwrap();
        let copy = Arc::new(SimBackend::from_image(image.clone()));
        let repository = open_bare(copy, &key, &base.join("bare")).unwrap();
        let raw = raw(&repository, &image);
        assert_no_chunk_too_many(&repository, &raw);
        assert_eq!(raw.stored, raw.visible.keys().copied().collect(), "packs");
        let names = |folder| image.names(folder).into_iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let indexes: BTreeSet<String> = names(layout::INDEX_FOLDER).into_iter().collect();
        assert_eq!(indexes, raw.index_objects.iter().map(layout::index).collect(), "index objects");
        assert_eq!(names(layout::SNAPSHOTS_FOLDER).len(), snapshots, "manifests");
        assert!(names(layout::GENERATIONS_FOLDER).len() <= 2, "generations");
        assert_eq!(names(layout::CONDEMNED_FOLDER), [""; 0], "condemn lists");
        assert_eq!(names(layout::SESSIONS_FOLDER), [""; 0], "sessions");
    }
}
