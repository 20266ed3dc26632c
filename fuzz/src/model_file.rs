//! What holds of any bytes that are read as a model file.

use hbitlinear::Weights;
use hbitlinear::interop::{Export, Format};
use hbl::model::{Model, Told};
use hbl::rotation::Stored;
use hbl::ternary::Ternary;

/// Largest matrix that is packed: there is nothing new in larger ones.
const MAX_WEIGHTS: usize = 1 << 16;

/// The file with damage: what to XOR where.
#[must_use]
pub fn mended(mut file: Vec<u8>, edits: &[(u16, u8)]) -> Vec<u8> {
    for &(at, flip) in edits {
        let len = file.len();
        file[usize::from(at) % len] ^= flip;
    }
    file
}

/// Reads the file and all of its tensors.
///
/// # Panics
/// If something that was accepted is not what the readers promise.
pub fn check(bytes: &[u8]) {
    let Ok(model) = Model::read(bytes) else { return };
    if let Ok(stored) = Stored::of(&model, None) {
        let _ = stored.parse();
    }
    let mut end = 0;
    for tensor in &model.tensors {
        let place = &tensor.stated.place;
        assert!(place.start >= end && place.end <= bytes.len() as u64, "{tensor:?}");
        assert_eq!(place.end - place.start, tensor.bytes.len() as u64);
        end = place.end;
        for i2s in [Format::I2sX86, Format::I2sArm] {
            let told = Told { i2s: Some(i2s), weight_scale: Some(Format::HfMultiply) };
            if let Ok(Some(ternary)) = model.ternary(tensor, &told) {
                check_ternary(&ternary);
            }
        }
    }
}

fn check_ternary(ternary: &Ternary<'_>) {
    let Ternary::Foreign(import) = ternary else { return };
    if import.outputs().saturating_mul(import.inputs()) > MAX_WEIGHTS {
        return;
    }
    let Ok(scaling) = import.scaling() else { return };
    let spec = import.spec(hbitlinear::Layout::FiveTrit, scaling).expect("a small shape");
    let mut blob = vec![0; spec.packed_len()];
    if import.pack(&spec, &mut blob).is_err() {
        return;
    }
    let weights = Weights::open(&blob).expect("what was packed opens");
    let (mut row, mut packed) = (vec![0; import.inputs()], vec![0; import.inputs()]);
    for output in 0..import.outputs() {
        import.row(output, &mut row).expect("its codes were packed");
        weights.row(output, &mut packed).expect("a row");
        assert_eq!(row, packed, "output {output}");
    }
    let export = Export::new(import.format(), &weights).expect("it came from there");
    let mut bytes = vec![0; export.len()];
    export.write(&mut bytes).expect("it came from there");
}
