// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the password or key comes from: command line, else environment, else the user at the terminal. Exactly one source
//! counts; two at the same place are an error rather than a rule about which one wins.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keepfast_engine::format::key_slot::KeyFile;
use keepfast_engine::repository::Credential;

use crate::args::{GlobalArgs, Whose};
use crate::exit::Failure;

/// Where the password or key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is this password.
    Password(String),
    /// First line of a file.
    PasswordFile(PathBuf),
    /// Output of a shell command.
    PasswordCommand(OsString),
    /// A key file.
    KeyFile(PathBuf),
    /// The user types it.
    Terminal,
    /// The user types that of another repository, of which the prompt says this.
    OtherTerminal(&'static str),
}

impl Source {
    /// The source that the user named.
    ///
    /// # Errors
    /// More than one on the command line, or none there and more than one in the environment.
    pub fn find(global: &GlobalArgs) -> Result<Self, Failure> {
        let (dashes, prefix, terminal) = match global.whose {
            Whose::Own => ("--", "KEEPFAST_", Self::Terminal),
            Whose::Target => ("--to-", "KEEPFAST_TO_", Self::OtherTerminal("the repository to copy to")),
            Whose::Also => ("--also-", "KEEPFAST_ALSO_", Self::OtherTerminal("the further repository")),
        };
        let option = |name: &str| format!("{dashes}{name}");
        let command = global.password_command.clone().map(|command| Self::PasswordCommand(command.into()));
        let typed = [
            (option("password-file"), global.password_file.clone().map(Self::PasswordFile)),
            (option("password-command"), command),
            (option("key-file"), global.key_file.clone().map(Self::KeyFile)),
        ];
        if let Some(source) = the_one(typed)? {
            return Ok(source);
        }
        let variable = |name: &str| {
            let name = format!("{prefix}{name}");
            let value = env::var_os(&name).filter(|value| !value.is_empty());
            (name, value)
        };
        let (password_name, password) = variable("PASSWORD");
        let password = match password.map(OsString::into_string) {
            Some(Err(_)) => return Err(Failure::other(format!("{password_name} is not UTF-8"))),
            Some(Ok(password)) => Some(Self::Password(password)),
            None => None,
        };
        let (file_name, file) = variable("PASSWORD_FILE");
        let (command_name, command) = variable("PASSWORD_COMMAND");
        let (key_name, key) = variable("KEY_FILE");
        let set = [
            (password_name, password),
            (file_name, file.map(|path| Self::PasswordFile(path.into()))),
            (command_name, command.map(Self::PasswordCommand)),
            (key_name, key.map(|path| Self::KeyFile(path.into()))),
        ];
        Ok(the_one(set)?.unwrap_or(terminal))
    }

    /// What it gives, for a repository that exists.
    ///
    /// # Errors
    /// It could not be read.
    pub fn read(&self) -> Result<Credential, Failure> {
        match self {
            Self::KeyFile(path) => read_key_file(path).map(Credential::KeyFile),
            Self::Terminal => ask("password: ").map(Credential::Password),
            Self::OtherTerminal(whose) => ask(&format!("password of {whose}: ")).map(Credential::Password),
            other => match other.password()? {
                // No repository has an empty one; what is empty is the file or the output.
                password if password.is_empty() => {
                    Err(Failure::other(format!("the password is empty: {}", other.told())))
                }
                password => Ok(Credential::Password(password)),
            },
        }
    }

    /// What it gives, for a password that is new: typed twice.
    ///
    /// # Errors
    /// It could not be read, or the user mistyped.
    pub fn read_new_password(&self) -> Result<String, Failure> {
        let password = match self {
            Self::Terminal => {
                need_terminal_for_new()?;
                let password = ask("new password: ")?;
                if ask("the same again: ")? != password {
                    return Err(Failure::other("the two passwords differ"));
                }
                password
            }
            other => other.password()?,
        };
        if password.is_empty() { Err(Failure::other("the password is empty")) } else { Ok(password) }
    }

    /// Where it comes from, for an error.
    fn told(&self) -> String {
        match self {
            Self::PasswordFile(path) => format!("the first line of {} holds none", path.display()),
            Self::PasswordCommand(_) => "the password command printed none".to_string(),
            _ => "it was given without one".to_string(),
        }
    }

    fn password(&self) -> Result<String, Failure> {
        match self {
            Self::Password(password) => Ok(password.clone()),
            Self::PasswordFile(path) => {
                let text = fs::read_to_string(path).map_err(|error| unreadable("password file", path, &error))?;
                Ok(first_line(&text))
            }
            Self::PasswordCommand(command) => run(command),
            Self::KeyFile(_) | Self::Terminal | Self::OtherTerminal(_) => {
                Err(Failure::other("a password is needed here"))
            }
        }
    }
}

fn the_one<const N: usize>(sources: [(String, Option<Source>); N]) -> Result<Option<Source>, Failure> {
    let given: Vec<_> = sources.into_iter().filter_map(|(name, source)| Some((name, source?))).collect();
    if given.len() > 1 {
        let names: Vec<_> = given.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Failure::Usage(format!("only one of {} can be given", names.join(" and "))));
    }
    Ok(given.into_iter().next().map(|(_, source)| source))
}

/// Reads a key file.
///
/// # Errors
/// It can not be read, or is none.
pub fn read_key_file(path: &Path) -> Result<KeyFile, Failure> {
    let text = fs::read_to_string(path).map_err(|error| unreadable("key file", path, &error))?;
    KeyFile::parse(&text).map_err(|error| {
        let (path, why) = (path.display(), error.to_string());
        Failure::other(format!("{path} is not a key file: {}", why.trim_start_matches("key file is not well formed: ")))
    })
}

fn unreadable(what: &str, path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::NotFound if what == "key file" => {
            "a repository that is there needs the key file that its `keepfast init` made; only `init` makes one"
        }
        _ => "",
    };
    Failure::Other { message: format!("can not read the {what} {}: {error}", path.display()), hint: hint.to_string() }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}

fn run(command: &OsString) -> Result<String, Failure> {
    let failed = |why: String| Failure::other(format!("the password command failed: {why}"));
    let output = Command::new("sh").arg("-c").arg(command).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| failed("its output is not UTF-8".to_string()))?;
    Ok(first_line(&text))
}

/// What is missing then is the new one, not what opens the repository.
fn need_terminal_for_new() -> Result<(), Failure> {
    if has_terminal() {
        return Ok(());
    }
    Err(Failure::Other {
        message: "no new password or key file was named, and there is no terminal to ask for one".to_string(),
        hint: "`key` takes --new-key-file FILE or --new-password-file FILE, `init` takes --key-file FILE or --password-file FILE"
            .to_string(),
    })
}

fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

fn ask(prompt: &str) -> Result<String, Failure> {
    if !has_terminal() {
        return Err(Failure::Other {
            message: "no password or key file was given, and there is no terminal to ask for one".to_string(),
            hint: "use --key-file, --password-file or --password-command, or the variables KEEPFAST_KEY_FILE, \
                   KEEPFAST_PASSWORD_FILE, KEEPFAST_PASSWORD_COMMAND, KEEPFAST_PASSWORD"
                .to_string(),
        });
    }
    rpassword::prompt_password(prompt).map_err(|error| Failure::other(format!("can not read the password: {error}")))
}

#[cfg(test)]
mod tests {
    use super::{Source, first_line, the_one};

    #[test]
    fn one_source_counts_and_two_are_refused() {
        let key = || Some(Source::KeyFile("k".into()));
        assert_eq!(the_one([("a".into(), None), ("b".into(), key())]).unwrap(), key());
        assert_eq!(the_one([("a".into(), None)]).unwrap(), None);
        let failure = the_one([("--a".into(), key()), ("--b".into(), None), ("--c".into(), key())]).unwrap_err();
        assert_eq!((failure.code(), failure.message().as_str()), (2, "only one of --a and --c can be given"));
    }

    #[test]
    fn a_password_ends_with_its_line() {
        assert_eq!(first_line("  a b \r\nsecond\n"), "  a b ");
        assert_eq!(first_line(""), "");
    }
}
