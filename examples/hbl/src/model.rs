//! A model file of any kind: its tensors, and what their bytes mean.

use hbitlinear::container::{Container, Kind};
use hbitlinear::interop::{Format, Import};

use crate::file::gguf::{self, Gguf};
use crate::file::metadata::Value;
use crate::file::safetensors::Safetensors;
use crate::file::{Result, Stated, ggml_types};
use crate::ternary::Ternary;
use crate::{i2s, json};

/// Name of the container's entry that has the source file's header; see `convert`.
pub const SOURCE_HEADER: &str = "source@0";
/// Name of the container's entry that says what the source was.
pub const SOURCE_NOTE: &str = "source.json";
/// Name of the container's entry that is a rotation contract.
pub const CONTRACT: &str = "contract";
/// Name of the container's entry, and of the file in a checkpoint's folder, that is the model's configuration.
pub const CONFIG: &str = "config.json";
/// Name of the file in a checkpoint's folder that is a rotation contract.
pub const CONTRACT_FILE: &str = "contract.txt";

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// llama.cpp's.
    Gguf,
    /// Hugging Face's.
    Safetensors,
    /// Ours.
    Hbl,
}

impl FileKind {
    /// The kind's name, which files of it end with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FileKind::Gguf => "gguf",
            FileKind::Safetensors => "safetensors",
            FileKind::Hbl => "hbl",
        }
    }

    /// The kind with that name.
    #[must_use]
    pub fn named(name: &str) -> Option<FileKind> {
        [FileKind::Gguf, FileKind::Safetensors, FileKind::Hbl].into_iter().find(|kind| kind.name() == name)
    }
}

/// What a file does not say of itself, and the caller has to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Which order I2_S tensors have: [`Format::I2sX86`] or [`Format::I2sArm`].
    pub i2s: Option<Format>,
    /// What the `weight_scale` of HF tensors is: [`Format::HfMultiply`] or [`Format::HfDivide`].
    pub weight_scale: Option<Format>,
}

/// A file's header.
#[derive(Debug)]
pub struct Model<'a> {
    /// What the file is.
    pub kind: FileKind,
    /// All of it.
    pub bytes: &'a [u8],
    /// The tensors, in the order of their bytes.
    pub tensors: Vec<Tensor<'a>>,
    /// Bytes before the tensors, of GGUF and safetensors.
    pub data_start: u64,
    /// The text of `config.json`.
    pub config: Option<String>,
    /// The text of a checkpoint's `contract.txt`.
    pub contract: Option<String>,
    metadata: Vec<(&'a str, Value<'a>)>,
    container: Option<Container<'a>>,
}

/// A tensor and its bytes.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// What the header says.
    pub stated: Stated,
    /// Its bytes: of [`Tensor::is_packed`] ones the blob.
    pub bytes: &'a [u8],
    /// Its number in a container, if it is packed weights there.
    packed: Option<usize>,
}

impl<'a> Model<'a> {
    /// Reads the header of a file, whose kind its first bytes tell.
    ///
    /// # Errors
    /// Says what is wrong with which part.
    pub fn read(bytes: &'a [u8]) -> Result<Model<'a>> {
        let len = bytes.len() as u64;
        let foreign = |kind, stated: Vec<Stated>, data_start, metadata| {
            let tensors = stated.into_iter().map(|stated| {
                let place = stated.place.start as usize..stated.place.end as usize;
                Tensor { bytes: &bytes[place], stated, packed: None }
            });
            let tensors = tensors.collect();
            Model {
                kind,
                bytes,
                tensors,
                data_start,
                config: None,
                contract: None,
                metadata,
                container: None,
            }
        };
        if bytes.starts_with(gguf::MAGIC) {
            let Gguf { metadata, tensors, data_start } = Gguf::read(bytes, len)?;
            Ok(foreign(FileKind::Gguf, tensors, data_start, metadata))
        } else if bytes.starts_with(b"HBLC") {
            Self::read_container(bytes)
        } else {
            let Safetensors { tensors, data_start, .. } = Safetensors::read(bytes, len)?;
            Ok(foreign(FileKind::Safetensors, tensors, data_start, Vec::new()))
        }
    }

    fn read_container(bytes: &'a [u8]) -> Result<Model<'a>> {
        let container = Container::open(bytes).map_err(|error| error.to_string())?;
        let entries =
            container.entries().filter(|entry| matches!(entry.kind(), Kind::Weights | Kind::Tensor));
        let tensors = entries.map(|entry| Tensor {
            stated: Stated {
                name: entry.name().into(),
                shape: entry.shape().collect(),
                type_name: entry.type_name().into(),
                ggml_type: None,
                place: entry.place()..entry.place() + entry.data().len() as u64,
            },
            bytes: entry.data(),
            packed: (entry.kind() == Kind::Weights).then(|| entry.number()),
        });
        Ok(Model {
            kind: FileKind::Hbl,
            bytes,
            tensors: tensors.collect(),
            data_start: 0,
            config: container.find(CONFIG).and_then(|entry| entry.text().ok()).map(Into::into),
            contract: None,
            metadata: Vec::new(),
            container: Some(container),
        })
    }

    /// The container, of a file that is one.
    #[must_use]
    pub const fn container(&self) -> Option<&Container<'a>> {
        self.container.as_ref()
    }

    /// The tensor with that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, name: &str) -> Result<&Tensor<'a>> {
        let found = self.tensors.iter().find(|tensor| tensor.stated.name == name);
        found.ok_or_else(|| format!("no tensor {name} in the file"))
    }

    /// Keys and values of a GGUF file, or of the one that a container came from.
    ///
    /// # Errors
    /// If the header in the container is damaged.
    pub fn metadata(&self) -> Result<Vec<(&'a str, Value<'a>)>> {
        let Some(container) = &self.container else { return Ok(self.metadata.clone()) };
        let Some(header) = container.find(SOURCE_HEADER).filter(|entry| entry.type_name() == "gguf") else {
            return Ok(Vec::new());
        };
        let source = source_len(container)?;
        Ok(Gguf::read(header.data(), source).map_err(|error| format!("{SOURCE_HEADER}: {error}"))?.metadata)
    }

    /// The weights of a tensor; `None` if it is not ternary.
    ///
    /// # Errors
    /// If the file does not say how they are stored and `told` does not, either; if what was told contradicts the bytes.
    pub fn ternary(&self, tensor: &Tensor<'a>, told: &Told) -> Result<Option<Ternary<'a>>> {
        let named = |error: String| format!("tensor {}: {error}", tensor.stated.name);
        if let (Some(entry), Some(container)) = (tensor.packed, &self.container) {
            let entry = container.entry(entry).expect("its number came from there");
            return entry
                .weights_unread()
                .map(|weights| Some(Ternary::Packed(weights)))
                .map_err(|e| named(e.to_string()));
        }
        let Some(format) = self.format(tensor, told).map_err(named)? else { return Ok(None) };
        let import = self.import(tensor, format).map_err(named)?;
        if let Some(contradiction) = i2s::contradiction(&import, tensor.bytes) {
            return Err(named(contradiction));
        }
        Ok(Some(Ternary::Foreign(import)))
    }

    /// The format of a tensor that is not packed.
    ///
    /// # Errors
    /// If that must be told and is not.
    pub fn format(&self, tensor: &Tensor<'a>, told: &Told) -> Result<Option<Format>> {
        if self.is_hf_ternary(tensor) {
            return told
                .weight_scale
                .or(self.linear_class())
                .map(Some)
                .ok_or_else(|| WEIGHT_SCALE_NOT_TOLD.into());
        }
        let Some(number) = tensor.stated.ggml_type else { return Ok(None) };
        if tensor.stated.type_name == Format::Pq2_0.name() {
            return Ok(Some(Format::Pq2_0));
        }
        match ggml_types::formats(number).collect::<Vec<_>>()[..] {
            [] => Ok(None),
            [format] => Ok(Some(format)),
            _ => told.i2s.map(Some).ok_or_else(|| I2S_NOT_TOLD.into()),
        }
    }

    /// A tensor of a format.
    ///
    /// # Errors
    /// If the shape or the length is not the format's, or its scale is missing.
    pub fn import(&self, tensor: &Tensor<'a>, format: Format) -> Result<Import<'a>> {
        let size = |size: u64| usize::try_from(size).map_err(|_| String::from("too large for this machine"));
        let inputs = size(*tensor.stated.shape.last().ok_or("a tensor without dimensions")?)?;
        let mut outputs = size(tensor.stated.elements()?)?.checked_div(inputs).ok_or("a dimension of 0")?;
        if format.has_weight_scale() {
            outputs = outputs.checked_mul(4).ok_or("too large for this machine")?;
        }
        let import = Import::new(format, outputs, inputs, tensor.bytes).map_err(|error| error.to_string())?;
        if !format.has_weight_scale() {
            return Ok(import);
        }
        let scale = self.weight_scale_of(tensor).ok_or("no weight_scale beside it")?;
        import.with_weight_scale(scalar(scale)?).map_err(|error| format!("{}: {error}", scale.stated.name))
    }

    /// Whether it is a `uint8` matrix with a `weight_scale` beside it, as HF's `bitnet` stores weights.
    fn is_hf_ternary(&self, tensor: &Tensor<'a>) -> bool {
        let is_bytes = tensor.stated.type_name == "U8" && tensor.stated.shape.len() == 2;
        self.kind == FileKind::Safetensors && is_bytes && self.weight_scale_of(tensor).is_some()
    }

    /// The tensor that holds the scale of an HF tensor.
    #[must_use]
    pub fn weight_scale_of(&self, tensor: &Tensor<'a>) -> Option<&Tensor<'a>> {
        let name = format!("{}weight_scale", tensor.stated.name.strip_suffix("weight")?);
        self.tensors.iter().find(|tensor| tensor.stated.name == name)
    }

    /// What `config.json` says of the scale, if it does.
    fn linear_class(&self) -> Option<Format> {
        let config = json::parse(self.config.as_deref()?)?;
        match config.get("quantization_config")?.get("linear_class")?.as_str()? {
            "autobitlinear" => Some(Format::HfMultiply),
            "bitlinear" => Some(Format::HfDivide),
            _ => None,
        }
    }
}

/// Length of the file that a container came from.
///
/// # Errors
/// If the container does not say it.
pub fn source_len(container: &Container<'_>) -> Result<u64> {
    let note = container.find(SOURCE_NOTE).ok_or("the container does not say what file it came from")?;
    let text = note.text().map_err(|error| format!("{SOURCE_NOTE}: {error}"))?;
    let bytes = json::parse(text).and_then(|note| note.get("bytes")?.as_u64());
    bytes.ok_or_else(|| format!("{SOURCE_NOTE}: expected the number of bytes"))
}

impl Tensor<'_> {
    /// Whether it is packed weights in a container.
    #[must_use]
    pub const fn is_packed(&self) -> bool {
        self.packed.is_some()
    }
}

const I2S_NOT_TOLD: &str = "I2_S has two orders of bytes, and nothing in a file says which it has: --i2s x86 if the file was \
    written on a PC (as the ones of microsoft on Hugging Face were), --i2s arm if an Arm build wrote it";
const WEIGHT_SCALE_NOT_TOLD: &str = "whether results are multiplied or divided by weight_scale is not in this file: \
    --weight-scale multiply if config.json has linear_class autobitlinear, --weight-scale divide for bitlinear and the models \
    before it (a config.json beside the file that has linear_class is read)";

/// The one number of a float tensor.
fn scalar(tensor: &Tensor<'_>) -> Result<f32> {
    let number = match (tensor.stated.type_name.as_str(), tensor.bytes) {
        ("F32", &[a, b, c, d]) => Some(f32::from_le_bytes([a, b, c, d])),
        ("F16", &[a, b]) => Some(half::f16::from_le_bytes([a, b]).to_f32()),
        ("BF16", &[a, b]) => Some(half::bf16::from_le_bytes([a, b]).to_f32()),
        _ => None,
    };
    number.ok_or_else(|| {
        format!(
            "{}: expected one float, got {} {:?}",
            tensor.stated.name, tensor.stated.type_name, tensor.stated.shape
        )
    })
}
