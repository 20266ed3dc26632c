//! Names and numbers lead back to what they name, are told apart, and others are refused.

mod common;

use core::fmt::{Debug, Display};
use core::str::FromStr;
use std::collections::HashSet;

use hbitlinear::{BackendId, Bits, Error, Family, GroupLen, Layout, Rule, Scaling, Transform};

/// The names of all, which `Display` prints too.
fn names<T: FromStr<Err = Error> + Display + Debug + PartialEq + Copy>(
    all: &[T],
    argument: &'static str,
    name: impl Fn(T) -> &'static str,
) {
    let mut seen = HashSet::new();
    for &one in all {
        assert_eq!(name(one).parse(), Ok(one));
        assert_eq!(one.to_string(), name(one));
        assert!(seen.insert(name(one)), "{one:?} is named like another");
        for other in [name(one).to_uppercase(), format!("{one} "), format!(" {one}"), format!("{one}x")] {
            assert_eq!(other.parse::<T>(), Err(Error::Name { argument }), "{other}");
        }
    }
    assert_eq!("".parse::<T>(), Err(Error::Name { argument }));
    assert_eq!(Error::Name { argument }.to_string(), format!("{argument}: no such name"));
}

/// The numbers of all, and that no other below 1000 or near the ends of the type is one.
fn numbers<T: TryFrom<u32, Error = Error> + Debug + PartialEq + Copy>(
    all: &[T],
    number: impl Fn(T) -> u32,
    error: impl Fn(u32) -> Error,
) {
    let known: Vec<u32> = all.iter().map(|&one| number(one)).collect();
    for (&one, &number) in all.iter().zip(&known) {
        assert_eq!(T::try_from(number), Ok(one));
    }
    // What a cast to u8 would take for a known one among them.
    let wrapped = known.iter().flat_map(|number| [number + 256, number + 65_536]);
    for other in (0..1000).chain(wrapped).chain([u32::MAX - 1, u32::MAX]).filter(|n| !known.contains(n)) {
        assert_eq!(T::try_from(other), Err(error(other)));
        assert!(error(other).to_string().contains(&other.to_string()), "the message says which number");
    }
}

#[test]
fn backends() {
    names(BackendId::ALL, "backend", BackendId::name);
    numbers(BackendId::ALL, |id| id as u32, |number| Error::BackendNumber { number });
}

#[test]
fn layouts() {
    names(Layout::ALL, "layout", Layout::name);
    numbers(
        Layout::ALL,
        |layout| layout as u32,
        |value| Error::Value { argument: "layout", value: value as usize },
    );
    assert_eq!((Layout::TwoBit as u8, Layout::FiveTrit as u8), (2, 5), "the header's numbers");
}

#[test]
fn rules() {
    names(Rule::ALL, "rule", Rule::name);
    numbers(Rule::ALL, |rule| rule as u32, |value| Error::Value { argument: "rule", value: value as usize });
    let numbers = [Rule::Int8AbsMax, Rule::Int4AbsMean, Rule::Int4AbsMax].map(|rule| rule as u8);
    assert_eq!(numbers, [0, 1, 2], "the C ABI's numbers");
}

#[test]
fn widths() {
    numbers(Bits::ALL, |bits| bits as u32, |value| Error::Value { argument: "bits", value: value as usize });
    for &bits in Bits::ALL {
        assert_eq!(bits.to_string(), format!("int{}", bits as u8));
    }
}

#[test]
fn families() {
    names(Family::ALL, "family", Family::name);
}

#[test]
fn groups() {
    for &len in GroupLen::ALL {
        assert_eq!(GroupLen::try_from(len.get()), Ok(len));
        for scaling in [Scaling::Group(len), Scaling::GroupF16(len)] {
            assert!(Scaling::ALL.contains(&scaling) && scaling.group() == Some(len));
        }
    }
    assert_eq!((Scaling::Tensor.group(), Scaling::Row.group()), (None, None));
    assert_eq!(Scaling::ALL.iter().collect::<HashSet<_>>().len(), 2 + 2 * GroupLen::ALL.len());
}

#[test]
fn transforms() {
    for (name, transform) in common::data::family_transforms(&[1, 2, 64]) {
        let parsed: Transform<'_> = name.parse().unwrap();
        assert_eq!(parsed.row_len(), transform.row_len());
        // Spelt from its parts, it is the name again.
        let mut orders: Vec<_> = parsed.factors().map(|factor| factor.order().to_string()).collect();
        orders.push(parsed.power_of_two().to_string());
        let spelt: Vec<_> = name.split('*').map(|part| part.rsplit(':').next().unwrap()).collect();
        assert_eq!(orders, spelt, "{name}");
        let len: usize = orders.iter().map(|order| order.parse::<usize>().unwrap()).product();
        assert_eq!((parsed.block_len(), parsed.blocks()), (len, 1), "{name}");
    }
}
