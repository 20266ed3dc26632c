//! Hadamard transforms of powers of two: ours, FFHT's (as FALCONN ships it) and llama.cpp's. All divide by the root of the
//! length; ours and FFHT work in place, llama.cpp copies.

use std::error::Error;

use cpu_time::ThreadTime;
use hbitlinear::{Backend, Transform};
use llama_cpp_sys_2 as sys;

use crate::ggml::Context;
use crate::measure::{self, Contestant, Place, Seconds, Work, median};

/// The lengths: their logarithms. `--quick` takes every other one.
const LOGS: std::ops::RangeInclusive<usize> = 6..=17;

/// Elements that a call transforms at least, so that the clock does not count.
const CALL_ELEMENTS: usize = 1 << 17;

/// Elements of several rows in one call.
const SEVERAL_ELEMENTS: usize = 1 << 14;

unsafe extern "C" {
    /// In place, divided by the root of `len`. `buffer` starts at a multiple of 32 bytes; `chunk`, at least 8, is the length
    /// from which on it recurses. Returns 0.
    fn FHTFloat(buffer: *mut f32, len: i32, chunk: i32) -> i32;
}

/// Rows of numbers between −1 and 1, the same in each; they start a cache line.
struct Rows {
    n: usize,
    values: Vec<f32>,
    start: usize,
}

impl Rows {
    fn new(n: usize, rows: usize) -> Rows {
        let values = vec![0.0_f32; n * rows + 15];
        let start = values.as_ptr().align_offset(64);
        let mut rows = Rows { n, values, start };
        rows.fill();
        rows
    }

    fn fill(&mut self) {
        let input = input(self.n);
        self.all().chunks_exact_mut(input.len()).for_each(|row| row.copy_from_slice(&input));
    }

    fn all(&mut self) -> &mut [f32] {
        let len = self.values.len() - 15;
        &mut self.values[self.start..][..len]
    }

    fn last(&mut self) -> Vec<f32> {
        let n = self.n;
        self.all().rchunks_exact(n).next().expect("a row").to_vec()
    }
}

/// What every row begins with.
fn input(n: usize) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..n).map(|_| random.f32() * 2.0 - 1.0).collect()
}

/// Its transform: by the definition of the fast one, in f64.
fn reference(n: usize) -> Vec<f32> {
    let mut x: Vec<f64> = input(n).into_iter().map(f64::from).collect();
    for half in (0..n.ilog2()).map(|stage| 1 << stage) {
        for block in x.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(high) {
                (*low, *high) = (*low + *high, *low - *high);
            }
        }
    }
    let root = (n as f64).sqrt();
    x.into_iter().map(|x| (x / root) as f32).collect()
}

/// Transforms rows in place.
struct InPlace<F> {
    rows: Rows,
    transform: F,
}

impl<F: FnMut(&mut [f32])> Work for InPlace<F> {
    fn set_rows(&mut self, rows: usize) {
        self.rows = Rows::new(self.rows.n, rows);
    }

    fn call(&mut self, _copy: usize) -> Seconds {
        let rows = self.rows.all();
        let times = CALL_ELEMENTS.div_ceil(rows.len());
        let start = ThreadTime::now();
        for _ in 0..times {
            (self.transform)(rows);
        }
        [start.elapsed().as_secs_f64() / times as f64; 2]
    }

    fn outputs(&mut self) -> Vec<f32> {
        self.rows.fill();
        (self.transform)(self.rows.all());
        self.rows.last()
    }
}

/// llama.cpp's transform: a product with a matrix that is said to be Hadamard's, and is never read.
struct Llama {
    backend: sys::ggml_backend_t,
    n: usize,
    times: usize,
    graph: *mut sys::ggml_cgraph,
    y: *mut sys::ggml_tensor,
    // What the pointers point into.
    _contexts: [Context; 2],
}

impl Llama {
    fn new(backend: sys::ggml_backend_t, n: usize, rows: usize) -> Llama {
        // The matrix stays without memory: it would be 64 GiB of the longest transform.
        let times = CALL_ELEMENTS.div_ceil(n * rows);
        let (matrix, mut context) = (Context::new(1), Context::new(1 + times));
        let hadamard = matrix.matrix(sys::GGML_TYPE_F32, n, n);
        let x = context.matrix(sys::GGML_TYPE_F32, rows, n);
        let mut input = Rows::new(n, rows);
        // SAFETY: the contexts have room for these; `x` has the bytes of `input`.
        unsafe {
            let graph = sys::ggml_new_graph(context.context);
            let mut y = x;
            for _ in 0..times {
                y = sys::ggml_mul_mat(context.context, hadamard, x);
                sys::ggml_mul_mat_set_hint(y, sys::GGML_HINT_SRC0_IS_HADAMARD);
                sys::ggml_build_forward_expand(graph, y);
            }
            context.allocate(sys::ggml_backend_cpu_buffer_type());
            let values = input.all();
            sys::ggml_backend_tensor_set(x, values.as_ptr().cast(), 0, size_of_val(values));
            Llama { backend, n, times, graph, y, _contexts: [matrix, context] }
        }
    }
}

impl Work for Llama {
    fn set_rows(&mut self, rows: usize) {
        *self = Llama::new(self.backend, self.n, rows);
    }

    fn call(&mut self, _copy: usize) -> Seconds {
        let start = ThreadTime::now();
        // SAFETY: all tensors but the matrix, which is not read, have memory.
        let status = unsafe { sys::ggml_backend_graph_compute(self.backend, self.graph) };
        let seconds = start.elapsed().as_secs_f64() / self.times as f64;
        assert_eq!(status, sys::GGML_STATUS_SUCCESS);
        [seconds; 2]
    }

    fn outputs(&mut self) -> Vec<f32> {
        let mut last = vec![0.0_f32; self.n];
        let bytes = size_of_val(&last[..]);
        // SAFETY: the output is `[rows, n]` in floats.
        unsafe {
            let start = sys::ggml_nbytes(self.y) - bytes;
            sys::ggml_backend_tensor_get(self.y, last.as_mut_ptr().cast(), start, bytes);
        }
        last
    }
}

/// FFHT with a `chunk`.
fn ffht(n: usize, chunk: i32) -> InPlace<impl FnMut(&mut [f32])> {
    let transform = move |rows: &mut [f32]| {
        for row in rows.chunks_exact_mut(n) {
            // SAFETY: the row has `n` elements; rows start a cache line, as `n` is a multiple of 16.
            let status = unsafe { FHTFloat(row.as_mut_ptr(), n as i32, chunk) };
            assert_eq!(status, 0, "FFHT's status");
        }
    };
    InPlace { rows: Rows::new(n, 1), transform }
}

/// The fastest `chunk`, as FFHT's manual asks one to choose it.
fn best_chunk(n: usize) -> i32 {
    let chunks = (3..=n.ilog2()).map(|log2| 1 << log2);
    let timed = chunks.map(|chunk| {
        let mut ffht = ffht(n, chunk);
        (median((0..5).map(|_| ffht.call(0)[0])), chunk)
    });
    timed.min_by(|a, b| a.0.total_cmp(&b.0)).expect("8 at least").1
}

fn contestants(
    backend: Backend,
    llama: sys::ggml_backend_t,
    n: usize,
) -> hbitlinear::Result<[Contestant<'static>; 3]> {
    let ours = Transform::sylvester(n)?;
    let transform = move |rows: &mut [f32]| ours.forward(backend, rows).expect("whole rows");
    let contestant =
        |name: &str, work| Contestant { name: name.to_owned(), tolerance: 1e-6, copies: 1, work };
    Ok([
        contestant("hbitlinear", Box::new(InPlace { rows: Rows::new(n, 1), transform })),
        contestant("FFHT", Box::new(ffht(n, best_chunk(n)))),
        contestant("llama.cpp", Box::new(Llama::new(llama, n, 1))),
    ])
}

/// Times all of them and prints the table. Returns the lines for scripts.
///
/// # Errors
/// If one gives a wrong transform.
pub fn run(
    backend: Backend,
    llama: sys::ggml_backend_t,
    quick: bool,
    rounds: usize,
) -> Result<Vec<String>, Box<dyn Error>> {
    println!(
        "Transforms, one thread, nanoseconds a row. hbitlinear {}. x: their time over ours.\n",
        backend.name()
    );
    println!(
        "{:<18} {:>10} {:>10} {:>10} {:>7} {:>11}",
        "n/call", "hbitlinear", "FFHT", "llama.cpp", "xFFHT", "xllama.cpp"
    );
    let mut lines = Vec::new();
    for log2 in LOGS.step_by(if quick { 2 } else { 1 }) {
        let n = 1 << log2;
        let mut contestants = contestants(backend, llama, n)?;
        let reference = reference(n);
        for (rows, call) in [(SEVERAL_ELEMENTS / n, "rows"), (1, "one-row")] {
            if rows < 2 && call == "rows" {
                continue;
            }
            for contestant in &mut contestants {
                contestant.work.set_rows(rows);
                measure::check(contestant, &reference)?;
            }
            let times = measure::run(&mut contestants, Place::Warm, rounds);
            let label = format!("{n}/{call}");
            print!("{label:<18}");
            for (contestant, times) in contestants.iter().zip(&times) {
                let time = median(times.iter().map(|seconds| seconds[0])) * 1e9 / rows as f64;
                print!(" {time:>10.1}");
                lines.push(format!("transform {}/{label} {time:.1}", contestant.name));
            }
            for ((contestant, theirs), width) in contestants.iter().zip(&times).skip(1).zip([7, 11]) {
                let ratio = median(times[0].iter().zip(theirs).map(|(ours, theirs)| theirs[0] / ours[0]));
                print!(" {ratio:>width$.2}");
                lines.push(format!("peer hadamard/{}/{label} {ratio:.2}", contestant.name));
            }
            println!();
        }
    }
    println!();
    Ok(lines)
}
