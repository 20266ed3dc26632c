//! Matrices from NumPy files.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use half::f16;
use npyz::{NpyFile, Order};

/// A row-major matrix.
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Vec<f32>,
}

/// Reads a two-dimensional f32 or f16 array; the message of an error starts with the file's name.
pub(crate) fn read(path: &Path) -> Result<Matrix, String> {
    let name = path.display();
    let cannot_read = |error: io::Error| format!("{name}: {error}");
    let file = File::open(path).map_err(cannot_read)?;
    let array =
        NpyFile::new(BufReader::new(file)).map_err(|error| format!("{name}: not a .npy file: {error}"))?;

    let &[rows, columns] = array.shape() else {
        return Err(format!("{name}: expected two dimensions, got shape {:?}", array.shape()));
    };
    if array.order() != Order::C {
        return Err(format!("{name}: expected C order (row-major), got Fortran order"));
    }
    if rows == 0 || columns == 0 {
        return Err(format!("{name}: expected at least one row and one column, got [{rows}, {columns}]"));
    }
    let too_short = || format!("{name}: shape [{rows}, {columns}] needs more values than the file holds");
    if rows.checked_mul(columns).is_none() {
        return Err(too_short());
    }

    let kind = array.dtype().descr();
    let values: io::Result<Vec<f32>> = match array.try_data::<f32>() {
        Ok(values) => values.collect(),
        Err(array) => match array.try_data::<f16>() {
            Ok(values) => values.map(|value| value.map(f32::from)).collect(),
            Err(_) => return Err(format!("{name}: expected elements of type f32 or f16, got {kind}")),
        },
    };
    let values = values.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => too_short(),
        _ => cannot_read(error),
    })?;
    // The file holds them, so the counts fit.
    let (rows, columns) = (rows as usize, columns as usize);
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        let (row, column) = (index / columns, index % columns);
        return Err(format!(
            "{name}: row {row}, column {column}: expected a finite value, got {}",
            values[index]
        ));
    }
    Ok(Matrix { rows, columns, values })
}
