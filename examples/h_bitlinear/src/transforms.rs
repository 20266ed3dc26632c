//! From the name on the command line to a transform that fits the rows, or to advice.

use hbitlinear::matrices::MAX_ORDER;
use hbitlinear::{Error, Family, Transform};

/// A transform and what to call it.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) transform: Transform<'static>,
}

/// The transform called `name` on each of `blocks` blocks of rows of `len`; Sylvester's by default, where it exists.
pub(crate) fn choose(name: Option<&str>, blocks: usize, len: usize) -> Result<Named, String> {
    let Some(name) = name else {
        let transform = Transform::sylvester(len).map_err(|_| {
            format!(
                "--transform: rows of {len} are not a power of two long, so it must be named; {}",
                advice(len)
            )
        })?;
        return Ok(Named { name: len.to_string(), transform });
    };
    let transform = Transform::named(name).map_err(|error| match error {
        Error::TransformName { .. } => {
            let families: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
            let families = families.join(", ");
            format!(
                "--transform {name}: expected FAMILY:ORDER factors, then a power of two, joined by '*', such as \
                 paley1:12*128; the families are {families}"
            )
        }
        error => format!("--transform {name}: {error}; {}", advice(len)),
    })?;
    let blocked = transform.with_blocks(blocks).map_err(|error| format!("--blocks {blocks}: {error}"))?;
    if blocked.row_len() != len {
        let count = if blocks == 1 { String::new() } else { format!(" --blocks {blocks}") };
        return Err(format!(
            "--transform {name}{count} is for rows of {}, got rows of {len}; {}",
            blocked.row_len(),
            advice(len)
        ));
    }
    let name = if blocks == 1 { name.into() } else { format!("{blocks} blocks of {name}") };
    Ok(Named { name, transform: blocked })
}

/// What would fit rows of `len`.
fn advice(len: usize) -> String {
    let power = 1 << len.trailing_zeros();
    let mut names: Vec<String> = if power == len { vec![len.to_string()] } else { Vec::new() };
    names.extend(single_factors(len));
    if names.is_empty() {
        names.extend(double_factors(len));
    }
    let blocks = format!("--transform {power} --blocks {}", len / power);
    match (names.is_empty(), power) {
        (false, _) => format!("possible: {}", names.join(", ")),
        (true, 1) => "no named transform and no power of two divides that length".into(),
        (true, _) => format!("no named transform has that length; blocks are possible: {blocks}"),
    }
}

fn single_factors(len: usize) -> impl Iterator<Item = String> {
    orders(len).filter_map(move |(family, order)| {
        let power = len / order;
        power.is_power_of_two().then(|| format!("{family}:{order}*{power}"))
    })
}

fn double_factors(len: usize) -> impl Iterator<Item = String> {
    orders(len).flat_map(move |(family, order)| {
        let rest = len / order;
        let inner = orders(rest).filter(move |&(other, inner)| other == family && inner >= order);
        inner.filter_map(move |(_, inner)| {
            let power = rest / inner;
            power.is_power_of_two().then(|| format!("{family}:{order}*{family}:{inner}*{power}"))
        })
    })
}

/// Every named matrix whose order divides `len`.
fn orders(len: usize) -> impl Iterator<Item = (&'static str, usize)> {
    Family::ALL.iter().flat_map(move |family| {
        (2..=MAX_ORDER)
            .filter(move |&order| len.is_multiple_of(order) && family.matrix(order).is_ok())
            .map(move |order| (family.name(), order))
    })
}
