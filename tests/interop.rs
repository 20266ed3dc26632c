//! Every format both ways against a second implementation, on edge tensors and awkward shapes; whole and in parts.

#[path = "interop/reference.rs"]
mod reference;

use hbitlinear::interop::{Export, Format, Import};
use hbitlinear::layout::{BlobHead, BlobRows};
use hbitlinear::{Error, GroupLen, Layout, Scaling, WeightSpec, Weights};
use reference::{Tensor, export, for_each_tensor, native, pack, scale_of, weight_of};

/// Bytes as the description says → packed → the same bytes, in both layouts, with scales as the format has them.
#[test]
fn both_ways() {
    for &format in Format::ALL {
        for_each_tensor(format, |tensor, _| {
            let bytes = tensor.bytes(format);
            let import = tensor.import(format, &bytes);
            for o in 0..tensor.outputs {
                let mut row = vec![7; tensor.inputs];
                import.row(o, &mut row).unwrap();
                assert_eq!(row, tensor.weights[o * tensor.inputs..][..tensor.inputs], "{format}, row {o}");
            }
            for &layout in Layout::ALL {
                let what = format!("{format} in {layout}, {} x {}", tensor.outputs, tensor.inputs);
                let blob = pack(&import, layout, native(format)).unwrap();
                let weights = Weights::open(&blob).unwrap();
                tensor.assert_holds(&weights, &what);
                assert!(export(format, &weights).unwrap() == bytes, "{what}");
            }
        });
    }
}

/// The coarsest scaling that is said to hold the scales does, and any coarser one is refused.
#[test]
fn coarsest_scaling() {
    let order = |scaling| match scaling {
        Scaling::Tensor => 0,
        Scaling::Row => 1,
        _ => 2,
    };
    let mut seen = [0; 3];
    for &format in Format::ALL {
        for_each_tensor(format, |tensor, _| {
            let bytes = tensor.bytes(format);
            let import = tensor.import(format, &bytes);
            let scaling = import.scaling().unwrap();
            seen[order(scaling)] += 1;
            for target in [Scaling::Tensor, Scaling::Row, native(format)] {
                let packed = pack(&import, Layout::TwoBit, target);
                if order(target) < order(scaling) {
                    assert!(
                        matches!(packed, Err(Error::ScaleDiffers { .. })),
                        "{format} {target:?} {scaling:?}"
                    );
                } else {
                    tensor.assert_holds(&Weights::open(&packed.unwrap()).unwrap(), format.name());
                }
            }
        });
    }
    assert!(seen.iter().all(|&count| count > 20), "{seen:?}");
}

/// From every format to every other that has such a tensor, by way of both layouts.
#[test]
fn from_each_to_each() {
    let tensor = Tensor::new(32, 768, weight_of(0), |_, _| 0.375);
    for &from in Format::ALL {
        let bytes = tensor.bytes(from);
        for &layout in Layout::ALL {
            let blob = pack(&tensor.import(from, &bytes), layout, native(from)).unwrap();
            for &to in Format::ALL {
                let exported = export(to, &Weights::open(&blob).unwrap());
                assert!(exported.unwrap() == tensor.bytes(to), "{from} to {to} in {layout}");
            }
        }
    }
}

/// Every scaling as a target: a finer one repeats the scales.
#[test]
fn finer_scalings() {
    for &format in Format::ALL {
        let tensor = Tensor::new(16, 768, weight_of(0), scale_of(format, 1));
        let bytes = tensor.bytes(format);
        for &scaling in Scaling::ALL {
            let import = tensor.import(format, &bytes);
            match pack(&import, Layout::FiveTrit, scaling) {
                Ok(blob) => {
                    let weights = Weights::open(&blob).unwrap();
                    tensor.assert_holds(&weights, format.name());
                    assert!(export(format, &weights).unwrap() == bytes, "{format} from {scaling:?}");
                }
                Err(error) => {
                    assert!(
                        matches!(error, Error::ScaleDiffers { .. }) && scaling == Scaling::Tensor,
                        "{error}"
                    );
                }
            }
        }
    }
}

/// A block of zeros with scale 0 does not keep a row from having one scale, and is written with scale 0 again.
#[test]
fn zero_blocks() {
    let scale = |o: usize, i: usize| if o == 1 || i / 256 == 1 { 0.0 } else { 0.5 };
    let weight = |e: usize| if e / 768 == 1 || e % 768 / 256 == 1 { 0 } else { 1 };
    let tensor = Tensor::new(3, 768, weight, scale);
    for format in [Format::Tq1_0, Format::Tq2_0, Format::Q2_0, Format::Pq2_0, Format::Ptq1_0] {
        let bytes = tensor.bytes(format);
        let import = tensor.import(format, &bytes);
        assert_eq!(import.scaling().unwrap(), Scaling::Tensor);
        for scaling in [Scaling::Tensor, Scaling::Row, native(format)] {
            let blob = pack(&import, Layout::TwoBit, scaling).unwrap();
            assert!(export(format, &Weights::open(&blob).unwrap()).unwrap() == bytes, "{format} {scaling:?}");
        }
    }
    // Of another scale than 0, only its own granularity keeps it.
    let tensor = Tensor::new(1, 512, |e| i8::from(e < 256), |_, i| if i < 256 { 0.5 } else { 0.25 });
    let bytes = tensor.bytes(Format::Tq2_0);
    let import = tensor.import(Format::Tq2_0, &bytes);
    assert_eq!(import.scaling().unwrap(), Scaling::Tensor);
    let again = |scaling| {
        export(Format::Tq2_0, &Weights::open(&pack(&import, Layout::TwoBit, scaling).unwrap()).unwrap())
    };
    assert!(again(native(Format::Tq2_0)).unwrap() == bytes);
    assert!(again(Scaling::Row).unwrap() != bytes);
    // Nonzero weights with a scale of 0 are not zeros.
    let tensor = Tensor::new(1, 512, |_| 1, |_, i| if i < 256 { 0.5 } else { 0.0 });
    let bytes = tensor.bytes(Format::Tq2_0);
    let import = tensor.import(Format::Tq2_0, &bytes);
    assert_eq!(import.scaling().unwrap(), Scaling::GroupF16(GroupLen::L256));
    assert_eq!(
        pack(&import, Layout::TwoBit, Scaling::Row).unwrap_err(),
        Error::ScaleDiffers { output: 0, input: 256 }
    );
}

/// A blob from pieces of memory that know nothing of each other.
fn by_bytes(import: &Import<'_>, spec: &WeightSpec) -> Vec<u8> {
    let mut blob = vec![0xaa; spec.packed_len()];
    let written = [0..16, 16..80, 80..100].map(|outputs| {
        let ranges = spec.rows_bytes(&outputs).unwrap();
        let [mut scales, mut codes] = ranges.clone().map(|range| vec![0x99; range.len()]);
        let mut rows = BlobRows::new(spec, outputs, &mut scales, &mut codes).unwrap();
        import.push_rows(&mut rows).unwrap();
        let written = rows.finish().unwrap();
        for (range, bytes) in ranges.into_iter().zip([scales, codes]) {
            blob[range].copy_from_slice(&bytes);
        }
        written
    });
    let [a, b, c] = written;
    let ranges = spec.head_bytes();
    let [mut header, mut scales] = ranges.clone().map(|range| vec![0x88; range.len()]);
    let head = BlobHead::new(spec, &mut header, &mut scales).unwrap();
    head.finish(&a.join(b).unwrap().join(c).unwrap()).unwrap();
    for (range, bytes) in ranges.into_iter().zip([header, scales]) {
        blob[range].copy_from_slice(&bytes);
    }
    blob
}

/// Parts, in any order and on threads, give the bytes of the whole; so does packing an i8 matrix.
#[test]
fn parts() {
    for &format in Format::ALL {
        for &layout in Layout::ALL {
            let tensor = Tensor::new(100, 1280, weight_of(0), scale_of(format, 0));
            let bytes = tensor.bytes(format);
            let import = tensor.import(format, &bytes);
            let spec = import.spec(layout, native(format)).unwrap();
            let mut whole = vec![0xee; spec.packed_len()];
            import.pack(&spec, &mut whole).unwrap();

            let mut blob = vec![0xdd; spec.packed_len()];
            let (head, rows) = spec.writer(&mut blob).unwrap();
            let (a, rest) = rows.split_at(16).unwrap();
            let (b, c) = rest.split_at(64).unwrap();
            let write = |mut rows: BlobRows<'_>| {
                import.push_rows(&mut rows).unwrap();
                rows.finish().unwrap()
            };
            let written = std::thread::scope(|scope| {
                let parts = [c, b, a].map(|rows| scope.spawn(move || write(rows)));
                let [c, b, a] = parts.map(|part| part.join().unwrap());
                a.join(b).unwrap().join(c).unwrap()
            });
            head.finish(&written).unwrap();
            assert!(blob == whole, "{format} {layout}");
            assert!(by_bytes(&import, &spec) == whole, "{format} {layout}");

            let scales: Vec<f32> = (0..spec.scale_count())
                .map(|at| tensor.scales[at / spec.groups() * 1280 + at % spec.groups() * spec.group_inputs()])
                .collect();
            let mut packed = vec![0xcc; spec.packed_len()];
            spec.pack(&tensor.weights, &scales, &mut packed).unwrap();
            assert!(packed == whole, "{format} {layout}");

            let export = Export::new(format, &Weights::open(&blob).unwrap()).unwrap();
            let mut again = vec![0xbb; export.len()];
            let (lines, tail) = again.split_at_mut(export.lines() * export.line_len());
            let (top, bottom) = lines.split_at_mut(export.line_len());
            export.write_lines(1..export.lines(), bottom).unwrap();
            export.write_lines(0..1, top).unwrap();
            export.write_tail(tail).unwrap();
            assert!(again == bytes, "{format} {layout}");
        }
    }
}
