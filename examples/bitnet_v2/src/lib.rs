//! A runner of BitNet v2 models, and of BitNet b1.58 as Hugging Face's `bitnet` has it, on hbitlinear's public parts.
//!
//! | module | what it does |
//! |---|---|
//! | [`checkpoint`] | a folder's weights into memory, packed |
//! | [`model`] | each layer as descriptions that borrow those |
//! | [`session`] | tokens in, logits out: prompts in batches, then token by token, on rayon's threads |
//! | [`linear`] | quantising rows once, and all products that share them |
//! | [`table`], [`rope`], [`gate`] | embedding and output, rotary embedding, the feed-forward part's gate |
//! | [`memory`] | large pages for weights |
//! | [`text`], [`sample`] | tokenizer; the next token |
//! | [`evaluate`] | log-probabilities of a text, and what its activations were rounded to |
//!
//! The same bits come out on every backend, for every number of threads and however a text is cut into batches.

pub mod checkpoint;
pub mod config;
pub mod evaluate;
mod exp;
pub mod gate;
pub mod linear;
pub mod memory;
pub mod model;
pub mod rope;
pub mod sample;
pub mod session;
pub mod table;
pub mod text;

pub use checkpoint::Checkpoint;
pub use config::{Config, Gate};
pub use evaluate::log_probabilities;
pub use model::{Model, Rules};
pub use sample::Sampler;
pub use session::{Observer, Session, Settings, StateWidths};
pub use text::Text;

/// What went wrong, in words that name the file, tensor or argument.
pub type Result<T> = core::result::Result<T, String>;
