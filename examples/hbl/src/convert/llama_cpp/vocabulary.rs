//! A vocabulary of bytes, as llama.cpp reads one: GPT-2's, whose tokens are characters for bytes, without a merge that could
//! happen. So a text's tokens are its bytes.

use std::path::Path;

use super::config::Config;
use crate::file::Result;
use crate::file::gguf_header::Header;

const NORMAL: i32 = 1;
/// A token that no text has.
const CONTROL: i32 = 3;

pub(super) fn write(header: &mut Header, model: &Path, config: &Config) -> Result<()> {
    if config.vocabulary != 256 || model.with_file_name("tokenizer.json").exists() {
        return Err(format!(
            "tokens other than bytes are not written: expected a vocabulary of 256 and no tokenizer.json, got {}",
            config.vocabulary
        ));
    }
    let tokens: Vec<String> = (0..=u8::MAX).map(|byte| character(byte).into()).collect();
    let mut types = [NORMAL; 256];
    types[config.begin as usize % 256] = CONTROL;
    // llama.cpp wants the key, and some readers no empty array: two of the token that no text has.
    let never = format!("{0} {0}", tokens[config.begin as usize % 256]);
    header.text("tokenizer.ggml.model", "gpt2");
    header.text("tokenizer.ggml.pre", "default");
    header.texts("tokenizer.ggml.tokens", &tokens);
    header.i32s("tokenizer.ggml.token_type", &types);
    header.texts("tokenizer.ggml.merges", &[never]);
    header.u32("tokenizer.ggml.bos_token_id", config.begin);
    header.u32("tokenizer.ggml.eos_token_id", config.begin);
    header.bool("tokenizer.ggml.add_bos_token", true);
    Ok(())
}

/// The character that GPT-2's vocabularies have for a byte: its own where that is visible, otherwise one from U+0100 on.
fn character(byte: u8) -> char {
    let is_visible = |byte: u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    if is_visible(byte) {
        return byte.into();
    }
    let before = (0..byte).filter(|&other| !is_visible(other)).count();
    char::from_u32(0x100 + before as u32).expect("below the surrogates")
}
