//! Matrices from NumPy files.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use half::f16;
use npyz::{DType, NpyFile, Order};

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
    let bytes = file.metadata().map_err(cannot_read)?.len();
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
    let width = match array.dtype() {
        DType::Plain(kind) => kind.num_bytes().unwrap_or(1) as u64,
        _ => 1,
    };
    let needed = rows.checked_mul(columns).and_then(|count| count.checked_mul(width));
    if needed.is_none_or(|needed| needed > bytes) {
        return Err(format!("{name}: shape [{rows}, {columns}] needs more than the file's {bytes} bytes"));
    }

    let kind = array.dtype().descr();
    let values: io::Result<Vec<f32>> = match array.try_data::<f32>() {
        Ok(values) => values.collect(),
        Err(array) => match array.try_data::<f16>() {
            Ok(values) => values.map(|value| value.map(f32::from)).collect(),
            Err(_) => return Err(format!("{name}: expected elements of type f32 or f16, got {kind}")),
        },
    };
    let values = values.map_err(cannot_read)?;
    // The file holds them, so the counts fit.
    Ok(Matrix { rows: rows as usize, columns: columns as usize, values })
}
