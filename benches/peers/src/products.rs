//! Ternary products: ours, and llama.cpp's.

use std::error::Error;

use hbitlinear::Backend;
use llama_cpp_sys_2::ggml_backend_t;

use crate::ggml::{self, FORMATS};
use crate::measure::{self, Contestant, Place, Seconds, median};
use crate::ours::{self, LAYOUTS, RULES};
use crate::problem::Problem;

/// N × K: the layers of BitNet b1.58 2B-4T, and of models around 7B. `--quick` takes the first two.
const SHAPES: [(usize, usize); 5] = [(2560, 2560), (6912, 2560), (2560, 6912), (4096, 4096), (4096, 14336)];

/// Tokens, and where the weights are.
const CASES: [(usize, Place, &str); 6] = [
    (1, Place::Dram, "m1/dram"),
    (1, Place::Warm, "m1/warm"),
    (4, Place::Warm, "m4/warm"),
    (16, Place::Warm, "m16/warm"),
    (64, Place::Warm, "m64/warm"),
    (512, Place::Warm, "m512/warm"),
];

/// Prints the table's row and returns the lines for scripts.
fn report(label: &str, macs: f64, names: &[String], times: &[Vec<Seconds>]) -> Vec<String> {
    let mut lines = Vec::new();
    let first_peer = names.len() - FORMATS.len();
    print!("{label:<22}");
    for (index, (name, times)) in names.iter().zip(times).enumerate() {
        let [whole, product] =
            [0, 1].map(|part| macs / 1e9 / median(times.iter().map(|seconds| seconds[part])));
        print!(" {whole:>7.1}");
        lines.push(format!("gmacs {name}/{label} {whole:.1}"));
        if index < first_peer {
            print!(" {:>7}", format!("({product:.1})"));
            lines.push(format!("gmacs {name}-product/{label} {product:.1}"));
        }
    }
    for (name, ours) in names.iter().zip(times).take(first_peer) {
        let mut least = f64::INFINITY;
        for (peer, theirs) in names.iter().zip(times).skip(first_peer) {
            let ratio = median(ours.iter().zip(theirs).map(|(ours, theirs)| theirs[0] / ours[0]));
            lines.push(format!("peer {name}/{peer}/{label} {ratio:.2}"));
            least = least.min(ratio);
        }
        print!(" {least:>6.2}");
    }
    println!();
    lines
}

/// Times all of them and prints the table. Returns the lines for scripts.
///
/// # Errors
/// If one gives a wrong product.
pub fn run(
    backend: Backend,
    llama: ggml_backend_t,
    quick: bool,
    rounds: usize,
) -> Result<Vec<String>, Box<dyn Error>> {
    let shapes = if quick { &SHAPES[..2] } else { &SHAPES[..] };
    let mut lines = Vec::new();
    for (index, &shape) in shapes.iter().enumerate() {
        let problem = Problem::new(shape, CASES[CASES.len() - 1].0);
        let mut contestants = Vec::new();
        for layout in LAYOUTS {
            for rule in RULES {
                contestants.push(ours::contestant(backend, (layout, rule), &problem)?);
            }
        }
        let peers = FORMATS.map(|format| ggml::contestant(llama, format, &problem));
        let (peers, descriptions): (Vec<Contestant<'_>>, Vec<String>) = peers.into_iter().unzip();
        contestants.extend(peers);
        let names: Vec<String> = contestants.iter().map(|contestant| contestant.name.clone()).collect();
        if index == 0 {
            println!(
                "One thread, GMAC/s. hbitlinear {}; llama.cpp {}.",
                backend.name(),
                descriptions.join(", ")
            );
            println!(
                "In parentheses without quantisation; x: speed over the fastest peer's, with quantisation.\n"
            );
            let (ours, peers) = names.split_at(names.len() - FORMATS.len());
            let ours_twice: String = ours.iter().map(|name| format!(" {name:>7} {:>7}", "(prod.)")).collect();
            let peers: String = peers.iter().map(|name| format!(" {name:>7}")).collect();
            let ratios: String = ours.iter().map(|name| format!(" {:>6}", format!("x{name}"))).collect();
            println!("{:<22}{ours_twice}{peers}{ratios}", "NxK/tokens/weights");
        }
        for (tokens, place, case) in CASES {
            let reference = problem.reference(tokens - 1);
            for contestant in &mut contestants {
                contestant.work.set_rows(tokens);
                measure::check(contestant, &reference)?;
            }
            let times = measure::run(&mut contestants, place, rounds);
            let label = format!("{}x{}/{case}", problem.outputs, problem.inputs);
            let macs = (tokens * problem.outputs * problem.inputs) as f64;
            lines.extend(report(&label, macs, &names, &times));
        }
    }
    Ok(lines)
}
