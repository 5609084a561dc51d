// SPDX-License-Identifier: MIT OR Apache-2.0
//! The texts of units and crontab lines. They carry the options with which `schedule` was called, so that they find the same
//! repository, state and profiles; passwords are never among them.

use std::path::Path;

use keepfast_engine::profile::template::quoted;

use super::when::When;
use crate::args::{GlobalArgs, ProfilesArgs};
use crate::exit::Failure;
use crate::options::credential::Source;
use crate::options::machine;

/// The first words of every unit that is ours.
pub const MARK: &str = "# Made by `keepfast schedule`: ";

/// Variables for repository and key, if the machine keeps them there.
pub const ENVIRONMENT: &str = "/etc/keepfast/env";

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A backup.
    Backup,
    /// A drill.
    Drill,
}

/// A unit.
pub struct Unit {
    /// The name of its file.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Something that is done again and again.
pub struct Job<'a> {
    /// What.
    pub kind: Kind,
    /// When.
    pub when: When,
    /// Of which profile.
    pub profile: &'a str,
    /// With which options.
    pub global: &'a GlobalArgs,
    /// The same.
    pub profiles: &'a ProfilesArgs,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Drill => "drill",
        }
    }
}

/// What a unit that is ours does, and for which profile.
pub fn what(text: &str) -> Option<(&str, &str)> {
    text.lines().next()?.strip_prefix(MARK)?.split_once(" of ")
}

impl Job<'_> {
    /// The service, and the timer that starts it.
    ///
    /// # Errors
    /// The program or the working directory has no path.
    pub fn units(&self) -> Result<Vec<Unit>, Failure> {
        let name = format!("keepfast-{}-{}", self.kind.word(), self.profile);
        let head = format!("{MARK}{} of {}\n[Unit]\n", self.kind.word(), self.profile);
        let description = match self.kind {
            Kind::Backup => format!("Description=Backup of {}\n", self.profile),
            Kind::Drill => format!("Description=Recovery drill of {}\n", self.profile),
        };
        let words: Vec<String> = self.words()?.iter().map(|word| for_systemd(word)).collect();
        let homes: String =
            homes().map(|(name, folder)| format!("Environment={}\n", assigned(name, &folder))).collect();
        let service = format!(
            "{head}{description}Wants=network-online.target\nAfter=network-online.target\n\n\
             [Service]\nType=oneshot\n{homes}EnvironmentFile=-{ENVIRONMENT}\nExecStart={}\nNice=10\nIOSchedulingClass=idle\n",
            words.join(" ")
        );
        let timer = format!(
            "{head}{description}\n[Timer]\nOnCalendar={}\nRandomizedDelaySec=10min\nPersistent=true\n\n\
             [Install]\nWantedBy=timers.target\n",
            self.when.systemd()
        );
        Ok(vec![
            Unit { name: format!("{name}.service"), text: service },
            Unit { name: format!("{name}.timer"), text: timer },
        ])
    }

    /// A line for a file in `/etc/cron.d`.
    ///
    /// # Errors
    /// As [`Job::units`].
    pub fn cron(&self) -> Result<String, Failure> {
        let words: Vec<String> = self.words()?.iter().map(|word| quoted(word)).collect();
        let homes: String = homes().map(|(name, folder)| format!("{name}={}; ", quoted(&folder))).collect();
        let line = format!("set -a; {homes}test ! -e {ENVIRONMENT} || . {ENVIRONMENT}; {}", words.join(" "));
        // cron takes a % for the end of the line.
        Ok(format!("{}  root  {}", self.when.cron(), line.replace('%', r"\%")))
    }

    fn words(&self) -> Result<Vec<String>, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::other(format!("can not find out where this program is: {error}")))?;
        let here = machine::working_directory()?;
        let whole = |path: &Path| here.join(path).to_string_lossy().into_owned();
        let mut words = vec![program.to_string_lossy().into_owned()];
        match self.kind {
            Kind::Backup => words.extend(["backup", "--profile", self.profile].map(str::to_string)),
            Kind::Drill => words.extend(["drill", self.profile].map(str::to_string)),
        }
        words.push("--quiet".to_string());
        let global = self.global;
        if let Some(location) = &global.repository {
            let text = location.to_string_lossy();
            let is_url = text.contains("://") || text.starts_with("sftp:") || text.starts_with("local:");
            words.extend(["--repository".to_string(), if is_url { text.into_owned() } else { whole(location) }]);
        }
        let files = [
            ("--state-dir", &global.state_dir),
            ("--cache-dir", &global.cache_dir),
            ("--profiles", &self.profiles.profiles),
        ];
        for (option, file) in files.into_iter().filter_map(|(option, file)| Some((option, file.as_ref()?))) {
            words.extend([option.to_string(), whole(file)]);
        }
        // Wherever it comes from now, the timer has another environment.
        words.extend(match Source::find(global)? {
            Source::KeyFile(file) => vec!["--key-file".to_string(), whole(&file)],
            Source::PasswordFile(file) => vec!["--password-file".to_string(), whole(&file)],
            Source::PasswordCommand(command) => {
                vec!["--password-command".to_string(), command.to_string_lossy().into_owned()]
            }
            Source::Password(_) | Source::Terminal | Source::OtherTerminal(_) => Vec::new(),
        });
        Ok(words)
    }
}

/// Where folders of the user are now. A service of the system has none of these variables, and without them neither the state of
/// this machine nor the user's profiles would be found.
fn homes() -> impl Iterator<Item = (&'static str, String)> {
    let set = |name| std::env::var(name).ok().filter(|folder| Path::new(folder).is_absolute());
    ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"]
        .into_iter()
        .filter_map(move |name| Some((name, set(name)?)))
}

/// A word of `Environment=`, where `$` is a letter as any other.
fn assigned(name: &str, value: &str) -> String {
    for_systemd(&format!("{name}={value}")).replace("$$", "$")
}

/// A word of `ExecStart=`: systemd knows `%`, `$`, quotes and backslashes.
fn for_systemd(word: &str) -> String {
    let word = word.replace('\\', r"\\").replace('%', "%%").replace('$', "$$");
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@+,%$".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word,
        false => format!("\"{}\"", word.replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::{assigned, for_systemd};

    #[test]
    fn a_word_reaches_the_program_as_it_is() {
        let table = [
            ("--quiet", "--quiet"),
            ("/srv/a b", "\"/srv/a b\""),
            ("50%", "50%%"),
            ("$HOME", "$$HOME"),
            (r#"say "x""#, r#""say \"x\"""#),
            ("", "\"\""),
        ];
        for (word, expected) in table {
            assert_eq!(for_systemd(word), expected);
        }
        assert_eq!(assigned("HOME", "/home/$a 5%"), "\"HOME=/home/$a 5%%\"");
    }
}
