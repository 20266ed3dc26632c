//! A program that passes every argument of every function wrongly, in turn and at random, from a table that names them all.

use core::error::Error;
use core::fmt::Write;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A function of the header.
struct Declared<'h> {
    returns: &'h str,
    name: &'h str,
    /// Types and names, without the `error` that comes last where there is one.
    arguments: Vec<(&'h str, &'h str)>,
    has_error: bool,
}

/// What the table says of a function: what it returns if it gives no status, and of each argument its line.
struct Entry<'t> {
    name: &'t str,
    returns: Option<&'t str>,
    arguments: Vec<(&'t str, Vec<&'t str>)>,
}

/// A wrong value: the status (or `RETURNS`), the row it names, and the value.
struct Wrong {
    status: String,
    row: Option<String>,
    value: String,
}

/// The program's source, which includes `arguments.h` of the tests' folder.
///
/// # Errors
/// Where the table does not name the header's functions and their arguments, all of them, in their order; or an argument
/// has nothing wrong.
pub(crate) fn program(header: &str, table: &str) -> Outcome<String> {
    let (declared, entries) = (declared(header), entries(table)?);
    let names = |names: Vec<&str>| {
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    let header_has = names(declared.iter().map(|it| it.name).collect());
    let table_has = names(entries.iter().map(|it| it.name).collect());
    if header_has != table_has {
        let missing: Vec<_> = header_has.iter().filter(|name| !table_has.contains(name)).collect();
        let unknown: Vec<_> = table_has.iter().filter(|name| !header_has.contains(name)).collect();
        return Err(format!("the table lacks {missing:?}, and the header {unknown:?}").into());
    }
    let entry = |name| entries.iter().find(|entry| entry.name == name).ok_or("found above");
    let mut source = String::from("#include \"arguments.h\"\n\nstatic void in_turn(void) {\n");
    for it in &declared {
        calls(&mut source, it, entry(it.name)?)?;
    }
    source.push_str("}\n\n");
    let fallible = || declared.iter().filter(|it| it.returns == "hbl_status");
    for it in fallible() {
        random_call(&mut source, it, entry(it.name)?)?;
    }
    source.push_str("static const random_call RANDOM[] = {");
    source.extend(fallible().map(|it| format!("random_{}, ", it.name)));
    source.push_str(
        "};\n\nint main(int argc, char **argv) {\n    set_up_arguments();\n    in_turn();\n    at_random(RANDOM, sizeof RANDOM / \
         sizeof *RANDOM, argc > 1 ? strtoull(argv[1], NULL, 10) : 100000);\n",
    );
    source.push_str("    return report();\n}\n");
    Ok(source)
}

/// The calls of one function: each wrong value, and then that the good ones are good, with and without `error`.
fn calls(source: &mut String, it: &Declared<'_>, entry: &Entry<'_>) -> Outcome<()> {
    let named = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    let header_has = named(&mut it.arguments.iter().map(|argument| argument.1));
    let table_has = named(&mut entry.arguments.iter().map(|argument| argument.0));
    if header_has != table_has {
        return Err(format!("{}: the header has ({header_has}), the table ({table_has})", it.name).into());
    }
    let good: Vec<&str> = entry.arguments.iter().map(|(_, values)| values[0]).collect();
    let call = |changed: Option<(usize, &str)>, error: &str| {
        let value = |(at, good): (usize, &&str)| match changed {
            Some((index, wrong)) if index == at => wrong.to_owned(),
            _ => (*good).to_owned(),
        };
        let values: Vec<String> = good.iter().enumerate().map(value).collect();
        let last = it.has_error.then(|| error.to_owned());
        format!("{}({})", it.name, values.into_iter().chain(last).collect::<Vec<_>>().join(", "))
    };
    for (at, ((kind, name), (_, values))) in it.arguments.iter().zip(&entry.arguments).enumerate() {
        let wrong = wrong(kind, name, good[at], &values[1..])?;
        if wrong.is_empty() && !values.contains(&"any") {
            return Err(format!("{}: nothing is wrong for {name}", it.name).into());
        }
        for Wrong { status, row, value } in wrong {
            let text = format!("{}, {name}: {}", it.name, value.replace('\\', "\\\\").replace('"', "\\\""));
            if status == "RETURNS" {
                let returns = entry.returns.ok_or("a status is expected")?;
                writeln!(source, "    CHECK({} == {returns});", call(Some((at, &value)), ""))?;
                continue;
            }
            let row = row.unwrap_or("HBL_NO_ROW".into());
            writeln!(
                source,
                "    expect(__LINE__, \"{text}\", HBL_STATUS_{status}, {row}, \"\", {});\n    unchanged(__LINE__, \"{text}\");",
                call(Some((at, &value)), "&error")
            )?;
        }
    }
    if it.returns == "hbl_status" {
        for error in ["&error", "NULL"] {
            writeln!(source, "    ACCEPTED({});\n    restore();", call(None, error))?;
        }
    } else {
        writeln!(source, "    (void){};", call(None, ""))?;
    }
    Ok(())
}

/// A function that calls one with some of its arguments wrong, or none.
fn random_call(source: &mut String, it: &Declared<'_>, entry: &Entry<'_>) -> Outcome<()> {
    writeln!(source, "static hbl_status random_{}(unsigned *wrong) {{", it.name)?;
    for (at, ((kind, name), (_, values))) in it.arguments.iter().zip(&entry.arguments).enumerate() {
        let wrong = wrong(kind, name, values[0], &values[1..])?;
        writeln!(source, "    {kind} a{at} = {};\n    switch (dice({}, wrong)) {{", values[0], wrong.len())?;
        for (number, wrong) in wrong.iter().enumerate() {
            // A workspace may be written, even where the call is refused.
            let scratch = if *name == "workspace" { " *wrong += IN_WORKSPACE;" } else { "" };
            writeln!(source, "    case {number}: a{at} = {};{scratch} break;", wrong.value)?;
        }
        source.push_str("    default: break;\n    }\n");
    }
    let passed: Vec<String> = (0..it.arguments.len()).map(|at| format!("a{at}, ")).collect();
    writeln!(source, "    return {}({}&error);\n}}\n", it.name, passed.concat())?;
    Ok(())
}

/// What the table says of an argument, and what goes for every one of its type.
fn wrong(kind: &str, name: &str, good: &str, values: &[&str]) -> Outcome<Vec<Wrong>> {
    let of = |status: &str, value: String| Wrong { status: status.into(), row: None, value };
    let mut all = Vec::new();
    if values.contains(&"any") {
        return Ok(all);
    }
    if let Some(element) = kind.strip_suffix('*').map(str::trim_end) {
        let element = element.trim_start_matches("const ");
        all.push(of("NULL_POINTER", "NULL".into()));
        if !["char", "uint8_t", "int8_t"].contains(&element) {
            all.push(of("MISALIGNED", format!("ODD({kind}, {good})")));
        }
        let handles = ["cache", "container", "matrix", "part", "transform", "weights"];
        let is_handle = |name: &str| handles.iter().any(|handle| name == format!("hbl_{handle}"));
        // The others are made anew.
        let read = kind.starts_with("const ") || good == "&live.cache" || good == "&live.transform";
        if let Some(handle) = element.strip_prefix("struct ").filter(|name| is_handle(name))
            && read
        {
            let cast = if kind.starts_with("const ") { "" } else { "(void *)" };
            all.push(of("HANDLE", format!("{cast}ZEROS({handle})")));
        }
    }
    if name == "backend" && kind == "uint32_t" && !values.iter().any(|value| value.starts_with("RETURNS")) {
        all.push(of("UNKNOWN_BACKEND", "250".into()));
    }
    for value in values {
        let (status, value) =
            value.split_once(": ").ok_or_else(|| format!("{name}: {value} names no status"))?;
        let (status, row) = match status.split_once('@') {
            Some((status, row)) => (status, Some(row.to_owned())),
            None => (status, None),
        };
        all.push(Wrong { status: status.into(), row, value: value.into() });
    }
    Ok(all)
}

fn declared(header: &str) -> Vec<Declared<'_>> {
    let functions =
        header.split("\nHBL_API\n").skip(1).filter_map(|text| text.split_once(';')).map(|it| it.0);
    functions
        .filter_map(|prototype| {
            let (head, arguments) = prototype.strip_suffix(')')?.split_once('(')?;
            let (returns, name) = typed(head)?;
            let mut arguments: Vec<_> = arguments.split(',').map(str::trim).filter_map(typed).collect();
            let has_error = arguments.pop_if(|argument| argument.1 == "error").is_some();
            Some(Declared { returns, name, arguments, has_error })
        })
        .collect()
}

/// `const float *x` as `const float *` and `x`.
fn typed(text: &str) -> Option<(&str, &str)> {
    let name = text.rfind([' ', '*'])? + 1;
    Some((text[..name].trim_end(), &text[name..]))
}

fn entries(table: &str) -> Outcome<Vec<Entry<'_>>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(argument) = line.strip_prefix("    ") {
            let (name, values) =
                argument.split_once(" = ").ok_or_else(|| format!("not an argument: {line}"))?;
            let values = values.split(';').map(str::trim).collect();
            entries.last_mut().ok_or("an argument before a function")?.arguments.push((name, values));
        } else {
            let (name, returns) = match line.split_once(" -> ") {
                Some((name, returns)) => (name, Some(returns)),
                None => (line, None),
            };
            entries.push(Entry { name, returns, arguments: Vec::new() });
        }
    }
    Ok(entries)
}
