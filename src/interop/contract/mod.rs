//! Which layers a model wants rotated activations for: rules that files state beside their weights, and without which the
//! right weights give wrong results. [`Contract`] is a plain text of ours, for BitNet v2; [`Prism`] is the `prism.hadamard`
//! metadata of Ternary-Bonsai's GGUF files. What is not known is refused by name, never passed over.

mod error;
mod prism;
mod text;

pub use error::{ContractError, Problem};
pub use prism::{Prism, Role, Value};
pub use text::{Contract, LayerInput};
