// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much a difference concerns whoever answers for a machine: keys, users and rights first, then configuration, then everything else. Told by
//! where a file is, by what is in it and by what happened to its rights. It reads nothing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use keepfast_repo_format::tree::entry::{Entry, FileType, Xattrs};

use crate::compare::{Change, Outcome};

/// How much it concerns somebody; the first is the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Importance {
    /// Secrets, keys, certificates, users, who may do what.
    Security,
    /// What programs are told.
    Configuration,
    /// All other.
    Data,
}

/// Paths that are known. A pattern fits at any depth, because a snapshot may begin anywhere; the first table that has one that fits decides.
pub const PATHS: [(Importance, &[&str]); 3] = [
    (
        Importance::Security,
        &[
            // Users, groups, and how they become another one.
            "etc/{passwd,shadow,group,gshadow,subuid,subgid}",
            "etc/{sudoers,doas.conf,ld.so.preload,krb5.keytab}",
            "etc/{sudoers.d,pam.d,security,polkit-1,ssh,wireguard,ipsec.d}/**",
            "etc/ssl/private/**",
            "etc/{letsencrypt,pki}/**",
            // Keys and certificates.
            "*.{pem,crt,cer,der,key,p12,pfx,jks,keystore,keytab,kdbx,ovpn}",
            "id_{rsa,dsa,ecdsa,ed25519}",
            "{.ssh,.gnupg}/**",
            "authorized_keys",
            // What programs log in with.
            "{.htpasswd,.netrc,.pgpass,.my.cnf,.vault-token,.env,.git-credentials}",
            ".aws/credentials",
            ".kube/config",
            ".docker/config.json",
            "secrets.{yml,yaml,json,toml}",
        ],
    ),
    (
        Importance::Data,
        &[
            "var/{log,cache,spool,tmp}/**",
            "{.git,.cache,node_modules,__pycache__}/**",
            "*.{log,journal,sql,sqlite,db,bak,tmp,swp,pid}",
        ],
    ),
    (
        Importance::Configuration,
        &[
            "etc/**",
            "{.config,systemd,conf.d}/**",
            "*.{conf,cnf,cfg,ini,toml,yml,yaml,properties,service,timer,socket,mount,rules,tf}",
            "{Dockerfile,docker-compose.yml,Makefile,crontab,.bashrc,.profile}",
        ],
    ),
];

static SETS: LazyLock<[(Importance, GlobSet); 3]> = LazyLock::new(|| {
    PATHS.map(|(importance, patterns)| {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let mut glob = GlobBuilder::new(&format!("**/{pattern}")).literal_separator(true).build();
            set.add(glob.as_mut().expect("the patterns are constants").clone());
        }
        (importance, set.build().expect("the patterns are constants"))
    })
});

/// What the path tells, if anything.
pub fn of_path(path: &[u8]) -> Option<Importance> {
    let path = OsStr::from_bytes(path);
    SETS.iter().find(|(_, set)| set.is_match(path)).map(|(importance, _)| *importance)
}

/// What the content tells: a document is configuration, one whose secret changed concerns security.
pub fn of_content(outcome: &Outcome) -> Option<Importance> {
    match outcome {
        Outcome::Structured { format: "certificate", .. } => Some(Importance::Security),
        Outcome::Structured { changes, .. } if changes.iter().any(has_secret) => Some(Importance::Security),
        Outcome::Structured { format: "JSON" | "YAML" | "TOML" | "INI" | "XML", .. } => Some(Importance::Configuration),
        Outcome::Structured { .. } | Outcome::Text { .. } | Outcome::Binary(_) => None,
    }
}

fn has_secret(change: &Change) -> bool {
    [&change.before, &change.after].into_iter().flatten().any(|value| value.contains("<secret "))
}

/// What happened to rights: a few words each, none if nothing did. Of something new it counts that it runs as somebody else, or that
/// everybody may write it.
pub fn rights(old: Option<&Entry>, new: Option<&Entry>) -> Vec<String> {
    let mut told = Vec::new();
    let Some(new) = new.map(|entry| &entry.metadata) else { return told };
    if new.file_type == FileType::Symlink {
        return told;
    }
    let runs_as = |mode: u32| new.file_type == FileType::File && mode & SET_ID != 0;
    match old.map(|entry| &entry.metadata).filter(|old| old.file_type == new.file_type) {
        Some(old) => {
            if old.mode != new.mode {
                let warning =
                    if runs_as(new.mode) && !runs_as(old.mode) { ", runs as its owner or group now" } else { "" };
                told.push(format!("mode {:04o} -> {:04o}{warning}", old.mode, new.mode));
            }
            if (old.owner.uid, old.owner.gid) != (new.owner.uid, new.owner.gid) {
                let (before, after) = (&old.owner, &new.owner);
                told.push(format!("owner {}:{} -> {}:{}", before.uid, before.gid, after.uid, after.gid));
            }
            if capability(&old.xattrs) != capability(&new.xattrs) {
                told.push("capabilities changed".to_string());
            }
        }
        None => {
            if runs_as(new.mode) {
                told.push(format!("mode {:04o}: runs as its owner or group", new.mode));
            }
            let is_open = new.mode & WRITABLE_BY_ALL != 0 && new.mode & STICKY == 0;
            if is_open && matches!(new.file_type, FileType::File | FileType::Directory) {
                told.push(format!("mode {:04o}: everybody may write it", new.mode));
            }
            if capability(&new.xattrs).is_some() {
                told.push("has capabilities".to_string());
            }
        }
    }
    told
}

const SET_ID: u32 = 0o6000;
const STICKY: u32 = 0o1000;
const WRITABLE_BY_ALL: u32 = 0o002;

fn capability(xattrs: &Xattrs) -> Option<&Vec<u8>> {
    xattrs.iter().find(|(name, _)| name == b"security.capability").map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::{Importance, of_path};

    #[test]
    fn a_path_tells_at_any_depth_what_it_concerns() {
        use Importance::{Configuration, Data, Security};
        let table = [
            ("etc/shadow", Some(Security)),
            ("shadow", None),
            ("srv/chroot/etc/passwd", Some(Security)),
            ("etc/ssh/sshd_config", Some(Security)),
            ("home/u/.ssh/config", Some(Security)),
            ("srv/tls/web.pem", Some(Security)),
            ("root/.aws/credentials", Some(Security)),
            ("etc/nginx/nginx.conf", Some(Configuration)),
            ("app/settings.yaml", Some(Configuration)),
            ("var/log/etc/nginx.conf", Some(Data)),
            ("srv/dump.sql", Some(Data)),
            ("repo/.git/config", Some(Data)),
            ("srv/photo.jpg", None),
        ];
        for (path, importance) in table {
            assert_eq!(of_path(path.as_bytes()), importance, "{path}");
        }
    }
}
