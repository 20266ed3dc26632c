//! Tokens and text: `tokenizer.json` if the checkpoint has one, otherwise a byte is a token.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::{Config, Result};

/// Turns text to tokens and back.
#[derive(Debug)]
pub enum Text {
    /// Bytes, after a token that no text has.
    Bytes {
        /// That token.
        begin: u32,
    },
    /// As `tokenizer.json` says.
    Tokens(Box<Tokenizer>),
}

impl Text {
    /// For the checkpoint in that folder.
    ///
    /// # Errors
    /// Says what is wrong with `tokenizer.json`, or that it is missing and the vocabulary is not that of bytes.
    pub fn of(folder: &Path, config: &Config) -> Result<Text> {
        let path = folder.join("tokenizer.json");
        if path.exists() {
            let tokenizer = Tokenizer::from_file(&path);
            return tokenizer
                .map(|tokenizer| Text::Tokens(Box::new(tokenizer)))
                .map_err(|error| format!("{}: {error}", path.display()));
        }
        if config.vocab_size != 256 {
            return Err(format!(
                "{}: missing, and {} tokens are not the 256 bytes",
                path.display(),
                config.vocab_size
            ));
        }
        Ok(Text::Bytes { begin: config.bos_token_id.unwrap_or(0) })
    }

    /// The tokens of a text, with those that begin one.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match self {
            Text::Bytes { begin } => Ok([*begin].into_iter().chain(text.bytes().map(u32::from)).collect()),
            Text::Tokens(tokenizer) => {
                let encoding = tokenizer.encode(text, true).map_err(|error| error.to_string())?;
                Ok(encoding.get_ids().to_vec())
            }
        }
    }

    /// The text of some tokens.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        match self {
            Text::Bytes { begin } => {
                let shown = tokens.iter().filter(|&token| token != begin);
                let bytes: Vec<u8> = shown.map(|&token| token as u8).collect();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Text::Tokens(tokenizer) => tokenizer.decode(tokens, true).map_err(|error| error.to_string()),
        }
    }
}
