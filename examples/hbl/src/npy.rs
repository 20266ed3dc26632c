//! Matrices in NumPy files.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use half::f16;
use npyz::{NpyFile, Order, WriterBuilder};

use crate::file::Result;

/// Reads `[M, K]` or `[K]`, f32 or f16, in C order; returns M and the values.
///
/// # Errors
/// If it is anything else, or holds a NaN or an infinity.
pub fn read(path: &Path, inputs: usize) -> Result<(usize, Vec<f32>)> {
    let named = |error: &dyn core::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| named(&error))?;
    let bytes = file.metadata().map_err(|error| named(&error))?.len();
    let array =
        NpyFile::new(BufReader::new(file)).map_err(|error| named(&format!("not a .npy file: {error}")))?;
    let (tokens, columns) = match *array.shape() {
        [columns] => (1, columns),
        [tokens, columns] => (tokens, columns),
        _ => return Err(named(&format!("expected [M, {inputs}], got {:?}", array.shape()))),
    };
    if columns != inputs as u64 || array.order() != Order::C {
        return Err(named(&format!("expected [M, {inputs}] in C order, got {:?}", array.shape())));
    }
    let elements = tokens.checked_mul(columns).filter(|&elements| elements <= bytes);
    let elements = elements.ok_or_else(|| named(&"its shape needs more values than it has"))?;
    let kind = array.dtype().descr();
    let values: std::io::Result<Vec<f32>> = match array.try_data::<f32>() {
        Ok(values) => values.collect(),
        Err(array) => match array.try_data::<f16>() {
            Ok(values) => values.map(|value| value.map(f32::from)).collect(),
            Err(_) => return Err(named(&format!("expected f32 or f16, got {kind}"))),
        },
    };
    let values = values.map_err(|error| named(&error))?;
    if values.len() as u64 != elements || values.iter().any(|value| !value.is_finite()) {
        return Err(named(&"expected finite values, as many as its shape says"));
    }
    Ok((tokens as usize, values))
}

/// Writes `[M, N]`, f32.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, tokens: usize, outputs: usize, values: &[f32]) -> Result<()> {
    let written = || {
        let file = BufWriter::new(File::create(path)?);
        let options = npyz::WriteOptions::new().default_dtype().shape(&[tokens as u64, outputs as u64]);
        let mut writer = options.writer(file).begin_nd()?;
        writer.extend(values)?;
        writer.finish()
    };
    written().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))
}
