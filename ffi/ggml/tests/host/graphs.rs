//! Random graphs of products, computed by a backend and compared with the oracle.

use core::ffi::{c_int, c_void};
use std::ffi::CString;

use hbitlinear::Transform;

use crate::abi::{Backend, Buffer, Device, Registry, Tensor};
use crate::ggml::Ggml;
use crate::oracle::{Matrix, Random};

/// A loaded backend.
pub(crate) struct Setup<'g> {
    pub(crate) ggml: &'g Ggml,
    pub(crate) registry: *mut Registry,
    pub(crate) backend: *mut Backend,
    /// Where weights go.
    pub(crate) weights: *mut c_void,
    /// Where everything else goes.
    pub(crate) others: *mut c_void,
}

impl<'g> Setup<'g> {
    /// The CPU backend, with the buffer type that was put among its own.
    pub(crate) fn injected(ggml: &'g Ggml, cpu: *mut Registry) -> Setup<'g> {
        unsafe {
            let device = (ggml.ggml_backend_reg_dev_get)(cpu, 0);
            let name = c"ggml_backend_dev_get_extra_bufts".as_ptr();
            let list = (ggml.ggml_backend_reg_get_proc_address)(cpu, name);
            let list = core::mem::transmute::<
                *mut c_void,
                unsafe extern "C" fn(*mut Device) -> *const *mut c_void,
            >(list);
            let mut last = list(device);
            while !(*last.add(1)).is_null() {
                last = last.add(1);
            }
            let backend = (ggml.ggml_backend_dev_init)(device, core::ptr::null());
            Setup {
                ggml,
                registry: cpu,
                backend,
                weights: *last,
                others: (ggml.ggml_backend_cpu_buffer_type)(),
            }
        }
    }

    /// A backend of the first device, with the buffer types that llama.cpp would take.
    pub(crate) fn new(ggml: &'g Ggml, registry: *mut Registry) -> Setup<'g> {
        assert!(!registry.is_null(), "the backend loads");
        unsafe {
            let device = (ggml.ggml_backend_reg_dev_get)(registry, 0);
            let backend = (ggml.ggml_backend_dev_init)(device, core::ptr::null());
            assert!(!backend.is_null());
            let others = (ggml.ggml_backend_dev_buffer_type)((*backend).device);
            Setup { ggml, registry, backend, weights: (ggml.ggml_backend_dev_buffer_type)(device), others }
        }
    }

    pub(crate) fn supports(&self, op: *const Tensor) -> bool {
        unsafe { (self.ggml.ggml_backend_dev_supports_op)((*self.backend).device, op) }
    }
}

impl Drop for Setup<'_> {
    fn drop(&mut self) {
        unsafe { (self.ggml.ggml_backend_free)(self.backend) };
    }
}

/// Tensors that are described, then allocated together.
pub(crate) struct Tensors<'g> {
    ggml: &'g Ggml,
    pub(crate) context: *mut c_void,
    buffer: *mut Buffer,
}

impl<'g> Tensors<'g> {
    pub(crate) fn new(ggml: &'g Ggml) -> Tensors<'g> {
        Tensors { ggml, context: ggml.context(), buffer: core::ptr::null_mut() }
    }

    pub(crate) fn tensor(&self, kind: c_int, ne: [i64; 4], name: &str) -> *mut Tensor {
        let name = CString::new(name).expect("no NUL");
        unsafe {
            let tensor = (self.ggml.ggml_new_tensor_4d)(self.context, kind, ne[0], ne[1], ne[2], ne[3]);
            (self.ggml.ggml_set_name)(tensor, name.as_ptr())
        }
    }

    pub(crate) fn allocate(&mut self, buffer_type: *mut c_void) {
        self.buffer =
            unsafe { (self.ggml.ggml_backend_alloc_ctx_tensors_from_buft)(self.context, buffer_type) };
        assert!(!self.buffer.is_null());
    }
}

impl Drop for Tensors<'_> {
    fn drop(&mut self) {
        unsafe {
            if !self.buffer.is_null() {
                (self.ggml.ggml_backend_buffer_free)(self.buffer);
            }
            (self.ggml.ggml_free)(self.context);
        }
    }
}

pub(crate) fn set<T>(ggml: &Ggml, tensor: *mut Tensor, data: &[T]) {
    unsafe { (ggml.ggml_backend_tensor_set)(tensor, data.as_ptr().cast(), 0, size_of_val(data)) };
}

pub(crate) fn get<T: Clone + Default>(ggml: &Ggml, tensor: *const Tensor, len: usize) -> Vec<T> {
    let mut data = vec![T::default(); len];
    unsafe { (ggml.ggml_backend_tensor_get)(tensor, data.as_mut_ptr().cast(), 0, size_of_val(&data[..])) };
    data
}

/// The weights arrive whole, in parts, or whole and then a part again.
fn set_weights(ggml: &Ggml, tensor: *mut Tensor, bytes: &[u8], random: &mut Random) {
    let part = |from: usize, to: usize| unsafe {
        (ggml.ggml_backend_tensor_set)(tensor, bytes[from..].as_ptr().cast(), from, to - from);
    };
    let cut = random.below(bytes.len());
    match random.below(4) {
        0 => {
            part(cut, bytes.len());
            part(0, cut);
        }
        1 => {
            part(0, bytes.len());
            part(cut, bytes.len());
        }
        _ => part(0, bytes.len()),
    }
}

/// One random graph: one to three matrices.
pub(crate) fn random_graph(setup: &Setup<'_>, random: &mut Random) {
    let first = Matrix::random(random);
    let mut matrices = vec![first];
    while matrices.len() < 3 && random.one_in(2) {
        let block = if matrices[0].inputs.is_multiple_of(256) { 256 } else { 64 };
        let (kind, format) = match (block, random.below(3)) {
            (256, 0) => (34, hbitlinear::interop::Format::Tq1_0),
            (256, 1) => (35, hbitlinear::interop::Format::Tq2_0),
            _ => (42, hbitlinear::interop::Format::Q2_0),
        };
        let block = if kind == 42 { 64 } else { 256 };
        let (outputs, inputs) = (1 + random.below(300), matrices[0].inputs);
        matrices.push(Matrix::of(random, kind, format, block, outputs, inputs));
    }
    products(setup, random, &matrices);
}

/// Matrices that share an input of one to three dimensions, which may be a view with gaps and have rows of NaN; what they give
/// must be the oracle's, the bytes that come back the file's.
pub(crate) fn products(setup: &Setup<'_>, random: &mut Random, matrices: &[Matrix]) {
    let (ggml, inputs) = (setup.ggml, matrices[0].inputs);
    let shape = [1 + random.below(12), 1 + random.below(2), 1 + random.below(2)];
    let gap = if random.one_in(3) { 4 * random.below(5) } else { 0 };
    let tokens: usize = shape.iter().product();

    let (mut weights, mut others) = (Tensors::new(ggml), Tensors::new(ggml));
    let ne = [(inputs + gap) as i64, shape[0] as i64, shape[1] as i64, shape[2] as i64];
    let whole = others.tensor(0, ne, "x");
    let x = if gap == 0 {
        whole
    } else {
        let nb = unsafe { (*whole).nb };
        unsafe {
            (ggml.ggml_view_4d)(
                others.context,
                whole,
                inputs as i64,
                ne[1],
                ne[2],
                ne[3],
                nb[1],
                nb[2],
                nb[3],
                0,
            )
        }
    };
    let graph = unsafe { (ggml.ggml_new_graph)(others.context) };
    let mut products = Vec::new();
    for (at, matrix) in matrices.iter().enumerate() {
        let ne = [inputs as i64, matrix.outputs as i64, 1, 1];
        let tensor = weights.tensor(matrix.kind, ne, &format!("blk.{at}.weight"));
        let y = unsafe { (ggml.ggml_mul_mat)(others.context, tensor, x) };
        unsafe { (ggml.ggml_build_forward_expand)(graph, y) };
        products.push((tensor, y));
    }
    weights.allocate(setup.weights);
    others.allocate(setup.others);

    let rows: Vec<Vec<f32>> = (0..tokens)
        .map(|_| {
            let mut row: Vec<f32> = (0..inputs).map(|_| random.signed()).collect();
            match random.below(12) {
                0 => row[random.below(inputs)] = f32::NAN,
                1 => row[random.below(inputs)] = f32::INFINITY,
                2 => row.fill(0.0),
                _ => {}
            }
            row
        })
        .collect();
    let padded: Vec<f32> =
        rows.iter().flat_map(|row| row.iter().copied().chain((0..gap).map(|_| f32::NAN))).collect();
    set(ggml, whole, &padded);
    for ((tensor, y), matrix) in products.iter().zip(matrices) {
        set_weights(ggml, *tensor, &matrix.bytes, random);
        assert!(setup.supports(*y), "type {} [{}, {inputs}]", matrix.kind, matrix.outputs);
    }
    ggml.set_threads(setup.registry, setup.backend, 1 + random.below(4) as c_int);
    let status = unsafe { (ggml.ggml_backend_graph_compute)(setup.backend, graph) };
    assert_eq!(status, 0);
    for ((tensor, y), matrix) in products.iter().zip(matrices) {
        let y: Vec<f32> = get(ggml, *y, tokens * matrix.outputs);
        for (token, row) in rows.iter().enumerate() {
            let expected = matrix.multiply(row);
            for (output, (&y, (expected, magnitude))) in
                y[token * matrix.outputs..].iter().zip(expected).enumerate()
            {
                let same =
                    (f64::from(y) - expected).abs() <= 1e-5 * magnitude || y.is_nan() && expected.is_nan();
                assert!(same, "type {} token {token} output {output}: {y}, not {expected}", matrix.kind);
            }
        }
        let bytes: Vec<u8> = get(ggml, *tensor, matrix.bytes.len());
        assert!(bytes == matrix.bytes, "type {}: other bytes come back", matrix.kind);
    }
}

/// One product of a matrix whose name the contract has, beside one that it has not; the second must be int8.
pub(crate) fn contract_graph(setup: &Setup<'_>, random: &mut Random, name: &str, transform: &Transform<'_>) {
    let ggml = setup.ggml;
    let inputs = transform.row_len();
    let (kind, format) = (35, hbitlinear::interop::Format::Tq2_0);
    let matrices: Vec<Matrix> = (0..2).map(|_| Matrix::of(random, kind, format, 256, 48, inputs)).collect();
    let tokens = 1 + random.below(5);
    let (mut weights, mut others) = (Tensors::new(ggml), Tensors::new(ggml));
    let x = others.tensor(0, [inputs as i64, tokens as i64, 1, 1], "x");
    let graph = unsafe { (ggml.ggml_new_graph)(others.context) };
    let products: Vec<_> = [name, "blk.0.other.weight"]
        .iter()
        .map(|name| {
            let tensor = weights.tensor(kind, [inputs as i64, 48, 1, 1], name);
            let y = unsafe { (ggml.ggml_mul_mat)(others.context, tensor, x) };
            unsafe { (ggml.ggml_build_forward_expand)(graph, y) };
            (tensor, y)
        })
        .collect();
    weights.allocate(setup.weights);
    others.allocate(setup.others);
    let rows: Vec<f32> = (0..tokens * inputs).map(|_| random.signed()).collect();
    set(ggml, x, &rows);
    products.iter().zip(&matrices).for_each(|((tensor, _), matrix)| set(ggml, *tensor, &matrix.bytes));
    assert_eq!(unsafe { (ggml.ggml_backend_graph_compute)(setup.backend, graph) }, 0);
    for (at, ((_, y), matrix)) in products.iter().zip(&matrices).enumerate() {
        let y: Vec<f32> = get(ggml, *y, tokens * 48);
        let (mut error, mut power) = (0.0, 0.0);
        for (row, y) in rows.chunks_exact(inputs).zip(y.chunks_exact(48)) {
            let expected =
                if at == 0 { matrix.multiply_rotated(row, transform) } else { matrix.multiply(row) };
            for (&y, (expected, _)) in y.iter().zip(expected) {
                error += (f64::from(y) - expected).powi(2);
                power += expected.powi(2);
            }
        }
        // A few integers may be one off; another transform or rule would give an error near 1, or 0.01.
        assert!(error <= 1e-4 * power, "product {at}: {}", error / power);
    }
}
