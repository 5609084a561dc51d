// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where in a script of the POSIX shell a value would stand: what has to be done with it depends on the quotes around it.
//!
//! It reads a script from its beginning and keeps what is open. What it does not understand for sure makes it careful for the
//! rest of the script: there only values that mean nothing to a shell are taken.

/// What is around a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Around {
    /// Nothing: it is a word, or a part of one.
    Nothing,
    /// Single quotes.
    Single,
    /// Double quotes.
    Double,
    /// A comment.
    Comment,
    /// A here-document, which ends at this line, and whether the shell looks for `$` in it.
    Here { end: String, expands: bool },
    /// Something in which no quotes are safe.
    Unsafe(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The script, or a command in `$(...)`.
    Commands,
    Single,
    Double,
    Comment,
    Backquotes,
    Braces,
    Arithmetic,
}

/// Something that is open.
#[derive(Debug)]
struct Open {
    kind: Kind,
    /// Parentheses that are open in it.
    depth: usize,
    /// The words of its command so far.
    words: Vec<String>,
    word: String,
}

#[derive(Clone, Debug)]
struct Here {
    end: String,
    expands: bool,
    skips_tabs: bool,
}

/// Reads a script piece by piece.
#[derive(Debug)]
pub(super) struct Reader {
    open: Vec<Open>,
    last: char,
    is_escaped: bool,
    announced: Vec<Here>,
    here: Option<(Here, String)>,
    lost: Option<&'static str>,
}

impl Reader {
    pub(super) fn new() -> Self {
        let open = vec![opened(Kind::Commands)];
        Self { open, last: '\n', is_escaped: false, announced: Vec::new(), here: None, lost: None }
    }

    /// Goes on over text of the script.
    pub(super) fn read(&mut self, text: &str) {
        let letters: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < letters.len() {
            at += self.step(letters[at], &letters[at + 1..]);
        }
    }

    /// Goes on over a value, which is a part of a word and changes nothing.
    pub(super) fn value(&mut self, value: &str) {
        if let Some((_, line)) = &mut self.here {
            line.push_str(value);
        }
        if let Some(open) = self.open.last_mut() {
            open.word.push_str(value);
        }
        self.last = 'x';
    }

    /// What is around a value that comes here.
    pub(super) fn around(&self) -> Around {
        if let Some(why) = self.lost {
            return Around::Unsafe(why);
        }
        if let Some((here, _)) = &self.here {
            return match self.is_escaped {
                true => Around::Unsafe("it stands behind a backslash"),
                false => Around::Here { end: here.end.clone(), expands: here.expands },
            };
        }
        let kind = self.open.last().map_or(Kind::Commands, |open| open.kind);
        if kind == Kind::Comment {
            return Around::Comment;
        }
        if self.is_escaped {
            return Around::Unsafe("it stands behind a backslash");
        }
        if kind != Kind::Single && self.last == '$' {
            return Around::Unsafe("it stands behind a $");
        }
        if self.open.iter().any(|open| matches!(open.kind, Kind::Backquotes | Kind::Braces | Kind::Arithmetic)) {
            return Around::Unsafe("it stands in backquotes, ${...} or $((...))");
        }
        if self.open.iter().any(Open::is_script_of_a_script) {
            return Around::Unsafe("it stands in a script that another shell reads");
        }
        match kind {
            Kind::Single => Around::Single,
            Kind::Double => Around::Double,
            _ => Around::Nothing,
        }
    }

    /// The line of a here-document so far.
    pub(super) fn line(&self) -> &str {
        self.here.as_ref().map_or("", |(_, line)| line)
    }

    /// Takes a letter, and tells how many it has taken with those that follow.
    fn step(&mut self, letter: char, rest: &[char]) -> usize {
        if self.here.is_some() {
            self.in_here(letter);
            return 1;
        }
        if self.is_escaped {
            self.is_escaped = false;
            self.push(letter);
            return self.took(letter, 1);
        }
        let kind = self.open.last().map_or(Kind::Commands, |open| open.kind);
        let taken = match (kind, letter) {
            (Kind::Single, '\'') => self.close(),
            (Kind::Single, _) => 1,
            (Kind::Comment, '\n') => {
                self.close();
                self.newline()
            }
            (Kind::Comment, _) => 1,
            (_, '\\') => {
                self.is_escaped = true;
                1
            }
            (Kind::Backquotes, '`') => self.close(),
            (Kind::Backquotes, _) => 1,
            (Kind::Double, '"') | (Kind::Braces, '}') => self.close(),
            (Kind::Arithmetic, ')') if rest.first() == Some(&')') => {
                self.close();
                2
            }
            (_, '`') => self.open(Kind::Backquotes),
            (_, '$') => self.dollar(rest),
            (Kind::Arithmetic, _) => 1,
            (Kind::Double, '\n') => self.newline_in_quotes(),
            (Kind::Double, _) => 1,
            (_, '"') => self.open(Kind::Double),
            (Kind::Braces, '\'') => self.lose("of quotes inside of ${...} before it"),
            (Kind::Braces, _) => 1,
            (_, '\'') if self.last == '$' => self.lose("of $'...' before it"),
            (_, '\'') => self.open(Kind::Single),
            (_, letter) => self.in_command(letter, rest),
        };
        self.took(letter, taken)
    }

    fn took(&mut self, letter: char, taken: usize) -> usize {
        self.last = letter;
        taken
    }

    fn dollar(&mut self, rest: &[char]) -> usize {
        match rest {
            ['(', '(', ..] => self.open(Kind::Arithmetic) + 2,
            ['(', ..] => self.open(Kind::Commands) + 1,
            ['{', next, ..] if *next != '{' => self.open(Kind::Braces) + 1,
            ['{', ..] => self.lose("of ${{ before it"),
            _ => 1,
        }
    }

    fn in_command(&mut self, letter: char, rest: &[char]) -> usize {
        let begins_word = self.last.is_whitespace() || ";&|()<>".contains(self.last);
        match letter {
            '#' if begins_word => return self.open(Kind::Comment),
            '\n' => return self.newline(),
            '(' if rest.first() == Some(&'(') => return self.lose("of (( before it"),
            '<' if rest.first() == Some(&'<') => return self.announce(&rest[1..]),
            _ => {}
        }
        let is_nested = self.open.len() > 1;
        let Some(open) = self.open.last_mut() else { return 1 };
        match letter {
            '(' => {
                open.end_command();
                open.depth += 1;
            }
            ')' if open.depth > 0 => {
                open.end_command();
                open.depth -= 1;
            }
            ')' if is_nested => return self.close(),
            ')' | ';' | '&' | '|' => open.end_command(),
            letter if letter.is_whitespace() => {
                // The `)` of its patterns looks like the end of `$(...)`.
                if open.word == "case" && is_nested {
                    return self.lose("of case in $(...) before it");
                }
                open.end_word();
            }
            letter => open.word.push(letter),
        }
        1
    }

    /// Reads the end of a here-document behind `<<`.
    fn announce(&mut self, rest: &[char]) -> usize {
        if rest.first() == Some(&'<') {
            return self.lose("of <<< before it");
        }
        let skips_tabs = rest.first() == Some(&'-');
        let mut at = usize::from(skips_tabs);
        while rest.get(at).is_some_and(|letter| [' ', '\t'].contains(letter)) {
            at += 1;
        }
        let is_of_word = |letter: &char| !letter.is_whitespace() && !";&|<>()".contains(*letter);
        let word: String = rest[at..].iter().take_while(|letter| is_of_word(letter)).collect();
        if word.is_empty() || word.contains(['{', '$', '`']) {
            return self.lose("of a here-document whose end can not be told");
        }
        let end: String = word.chars().filter(|letter| !['\'', '"', '\\'].contains(letter)).collect();
        self.announced.push(Here { expands: end == word, end, skips_tabs });
        2 + at + word.chars().count()
    }

    fn newline(&mut self) -> usize {
        if let Some(open) = self.open.last_mut() {
            open.end_command();
        }
        if !self.announced.is_empty() {
            self.here = Some((self.announced.remove(0), String::new()));
        }
        1
    }

    fn newline_in_quotes(&mut self) -> usize {
        if self.announced.is_empty() { 1 } else { self.lose("of a here-document that begins inside of quotes") }
    }

    fn in_here(&mut self, letter: char) {
        let Some((here, line)) = &mut self.here else { return };
        if letter != '\n' {
            let begins_command = letter == '`' || (['(', '{'].contains(&letter) && self.last == '$');
            if here.expands && begins_command && !self.is_escaped {
                self.lost = Some("of a command in a here-document before it");
            }
            self.last = if self.is_escaped { 'x' } else { letter };
            self.is_escaped = here.expands && letter == '\\' && !self.is_escaped;
            line.push(letter);
            return;
        }
        self.is_escaped = false;
        self.last = '\n';
        if is_end(line, here.skips_tabs, &here.end) {
            self.here = None;
            if !self.announced.is_empty() {
                self.here = Some((self.announced.remove(0), String::new()));
            }
        } else {
            line.clear();
        }
    }

    fn open(&mut self, kind: Kind) -> usize {
        self.open.push(opened(kind));
        1
    }

    fn close(&mut self) -> usize {
        if self.open.len() > 1 {
            self.open.pop();
        }
        if let Some(open) = self.open.last_mut()
            && open.kind == Kind::Commands
        {
            open.word.push('?');
        }
        1
    }

    fn lose(&mut self, why: &'static str) -> usize {
        self.lost.get_or_insert(why);
        1
    }

    fn push(&mut self, letter: char) {
        if let Some(open) = self.open.last_mut() {
            open.word.push(letter);
        }
    }
}

/// Whether a line ends a here-document.
pub(super) fn is_end(line: &str, skips_tabs: bool, end: &str) -> bool {
    let line = if skips_tabs { line.trim_start_matches('\t') } else { line };
    line == end
}

fn opened(kind: Kind) -> Open {
    Open { kind, depth: 0, words: Vec::new(), word: String::new() }
}

impl Open {
    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    fn end_command(&mut self) {
        self.word.clear();
        self.words.clear();
    }

    /// Whether its command hands what comes now to another shell.
    fn is_script_of_a_script(&self) -> bool {
        let named =
            |names: &[&str]| self.words.iter().any(|word| names.contains(&word.rsplit('/').next().unwrap_or_default()));
        let has_script = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
        let takes_script = named(&["sh", "bash", "dash", "ksh", "zsh", "ash", "su", "runuser"]);
        named(&["eval", "trap", "ssh"])
            || (takes_script && self.words.iter().any(|w| has_script(w) || w == "--command"))
    }
}
