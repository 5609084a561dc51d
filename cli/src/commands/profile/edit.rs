// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opens the user's own file for a profile in an editor, and looks through it afterwards.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::review;
use crate::args::ProfilesArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::profiles;

/// Edits.
pub fn run(context: &Context, args: &ProfilesArgs, name: &str, inherits: Option<&str>) -> Result<Done, Failure> {
    let folder = profiles::own_folder(args)?;
    let library = profiles::library(args)?;
    let file = folder.join(format!("{name}.toml"));
    let is_new = fs::symlink_metadata(&file).is_err();
    if is_new {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if !name.chars().all(is_name) || name.starts_with('.') || name.is_empty() {
            return Err(Failure::Usage(format!("{name:?} is no name: letters, digits, - _ and . are")));
        }
        let parent = inherits.unwrap_or(name);
        // One that is not there, or can not be used, is no ground to build on.
        library.find(parent).map_err(Failure::Profile)?;
        create(&folder, &file, parent)?;
    } else if let Some(parent) = inherits {
        return Err(Failure::Other {
            message: format!("{} is there already, so it does not begin from {parent}", file.display()),
            hint: "without --inherits it is opened".to_string(),
        });
    }
    open(&file)?;
    let found = review::one(context, &library, name, true)?;
    context.output.note(&match found {
        0 => format!("{}: nothing is wrong with it", file.display()),
        _ => format!("{}: saved as it is; `keepfast profile edit {name}` opens it again", file.display()),
    });
    context
        .output
        .summary(json!({ "name": name, "file": file.to_string_lossy(), "created": is_new, "findings": found }));
    Ok(if found == 0 { Done::Complete } else { Done::Differs })
}

fn create(folder: &Path, file: &Path, parent: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::other(format!("can not write {}: {error}", file.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let document = format!(
        "# What is different here. Everything else is as in the profile {parent}, which\n\
         # `keepfast profile show {parent} --source` prints.\n\
         inherits = \"{parent}\"\n\n\
         # [variables.NAME]\n# value = \"...\"\n\n\
         # [hosts.NAME]\n# roles = [\"...\"]\n# ssh = \"root@address\"\n"
    );
    fs::write(file, document).map_err(failed)
}

fn open(file: &Path) -> Result<(), Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_string());
    // The variable may hold words.
    let status = Command::new("sh").args(["-c", &format!("exec {editor} \"$1\""), "sh"]).arg(file).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(editor_failed(&editor, &status.to_string())),
        Err(error) => Err(editor_failed(&editor, &error.to_string())),
    }
}

fn editor_failed(editor: &str, why: &str) -> Failure {
    Failure::Other {
        message: format!("the editor {editor} failed: {why}"),
        hint: "VISUAL or EDITOR names another one".to_string(),
    }
}
