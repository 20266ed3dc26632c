//! Parsing any string never panics; what parses prints back to the same spelling, and nothing else parses.

#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use hbitlinear::{BackendId, Bits, Error, Family, GroupLen, Layout, Rule, Transform};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    number: u32,
    tokens: Vec<Token<'a>>,
    raw: &'a str,
}

/// Pieces of names, so that whole ones come up.
#[derive(arbitrary::Arbitrary, Debug)]
enum Token<'a> {
    Family(u8),
    Order(u8, u8),
    Power(u8),
    Name(u8),
    Times,
    Colon,
    Number(u16),
    Text(&'a str),
}

fuzz_target!(|input: Input| {
    check_numbers(input.number);
    check(input.raw);
    check(&input.tokens.iter().map(spell).collect::<String>());
});

fn spell(token: &Token<'_>) -> String {
    let families = Family::ALL.len();
    match *token {
        Token::Family(family) => Family::ALL[usize::from(family) % families].name().to_owned(),
        Token::Order(family, order) => {
            let orders = Family::ALL[usize::from(family) % families].orders();
            orders[usize::from(order) % orders.len()].to_string()
        }
        Token::Power(log2) => (1_u128 << (log2 % 70)).to_string(),
        Token::Name(index) => {
            let names =
                BackendId::ALL.iter().map(|id| id.name()).chain(Rule::ALL.iter().map(|rule| rule.name()));
            let names: Vec<_> = names.chain(Layout::ALL.iter().map(|layout| layout.name())).collect();
            names[usize::from(index) % names.len()].to_owned()
        }
        Token::Times => "*".to_owned(),
        Token::Colon => ":".to_owned(),
        Token::Number(number) => number.to_string(),
        Token::Text(text) => text.to_owned(),
    }
}

fn check(name: &str) {
    round_trip::<Family>(name, Family::ALL.iter().any(|family| family.name() == name), "family");
    round_trip::<Rule>(name, Rule::ALL.iter().any(|rule| rule.name() == name), "rule");
    round_trip::<Layout>(name, Layout::ALL.iter().any(|layout| layout.name() == name), "layout");
    round_trip::<BackendId>(name, BackendId::ALL.iter().any(|id| id.name() == name), "backend");

    let parsed = Transform::named(name);
    let error = |result: hbitlinear::Result<Transform<'_>>| result.map(|transform| transform.row_len());
    assert_eq!(error(parsed), error(name.parse()));
    match parse(name) {
        Some((orders, power)) => {
            let len = orders.iter().try_fold(power, |len, (_, order)| len.checked_mul(*order));
            match (parsed, len) {
                (Ok(transform), Some(len)) => {
                    assert_eq!(
                        (transform.row_len(), transform.blocks(), transform.power_of_two()),
                        (len, 1, power)
                    );
                    assert_eq!(print(&orders, power), name, "the same spelling");
                    let factors: Vec<_> = transform.factors().collect();
                    assert_eq!(factors.len(), orders.len());
                    for (factor, (family, order)) in factors.iter().zip(&orders) {
                        let expected = family.matrix(*order).expect("an order of the family");
                        assert_eq!(
                            (factor.order(), factor.row_words(), factor.column_words()),
                            (*order, expected.row_words(), expected.column_words())
                        );
                    }
                }
                (Err(Error::SizeOverflow { .. }), None) => {}
                (other, len) => panic!("{name}: {other:?} for {len:?}"),
            }
        }
        None => assert!(parsed.is_err(), "{name} is no name"),
    }
    if let Err(Error::TransformName { at }) = parsed {
        assert!(name.is_char_boundary(at), "{name}: refused at {at}");
    }
}

fn round_trip<T: FromStr<Err = Error> + Display>(name: &str, known: bool, argument: &'static str) {
    match name.parse::<T>() {
        Ok(value) => assert!(known && value.to_string() == name, "{name} printed as {value}"),
        Err(error) => assert!(!known && error == Error::Name { argument }, "{name}: {error}"),
    }
}

/// The grammar, written apart: `(family:order*)*power`, three factors at most.
fn parse(name: &str) -> Option<(Vec<(Family, usize)>, usize)> {
    let mut parts: Vec<&str> = name.split('*').collect();
    let power = number(parts.pop()?).filter(|power| power.count_ones() == 1)?;
    let factors = parts.into_iter().map(|part| {
        let colon = part.find(':')?;
        let family = *Family::ALL.iter().find(|family| family.name() == &part[..colon])?;
        let order = number(&part[colon + 1..])?;
        family.orders().contains(&order).then_some((family, order))
    });
    let factors: Vec<_> = factors.collect::<Option<_>>()?;
    (factors.len() <= 3).then_some((factors, power))
}

/// Digits, the first one not 0.
fn number(digits: &str) -> Option<usize> {
    let number: usize = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

fn print(factors: &[(Family, usize)], power: usize) -> String {
    factors.iter().map(|(family, order)| format!("{family}:{order}*")).collect::<String>()
        + &power.to_string()
}

fn check_numbers(number: u32) {
    // Small ones come up more often than a fuzzer thinks of them.
    for number in [number, number % 16] {
        assert_eq!(
            BackendId::try_from(number),
            known(BackendId::ALL, number, |id| id as u32, Error::BackendNumber { number })
        );
        let value = number as usize;
        let unknown = |argument| Error::Value { argument, value };
        assert_eq!(
            Layout::try_from(number),
            known(Layout::ALL, number, |layout| layout as u32, unknown("layout"))
        );
        assert_eq!(Bits::try_from(number), known(Bits::ALL, number, |bits| bits as u32, unknown("bits")));
        assert_eq!(Rule::try_from(number), known(Rule::ALL, number, |rule| rule as u32, unknown("rule")));
    }
    let value = number as usize % 300;
    let unknown = Error::Value { argument: "scale group", value };
    assert_eq!(
        GroupLen::try_from(value),
        known(GroupLen::ALL, value as u32, |len| len.get() as u32, unknown)
    );
}

fn known<T: Copy>(
    all: &[T],
    number: u32,
    number_of: impl Fn(T) -> u32,
    error: Error,
) -> hbitlinear::Result<T> {
    all.iter().copied().find(|&value| number_of(value) == number).ok_or(error)
}
