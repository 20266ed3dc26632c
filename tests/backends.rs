//! Which backends this machine has, and that forcing one only lowers, and no word makes one of what is not there.

mod common;

use hbitlinear::{Backend, BackendId, Error};

#[test]
fn backends_of_this_machine() {
    if let Some(expected) = common::check_expected_backend() {
        assert_eq!(Backend::available().next().map(Backend::name), Some(&*expected), "the best backend");
    }
    for &id in BackendId::ALL {
        match Backend::new(id) {
            Ok(backend) => {
                assert_eq!((backend.id(), backend.name()), (id, id.name()));
                common::log(&format!("backend {id}: available"));
            }
            Err(error) => {
                assert_eq!(error, Error::BackendUnavailable { backend: id.name() });
                common::log(&format!("backend {id}: UNAVAILABLE, not tested on this machine"));
            }
        }
    }
    assert_eq!(Backend::available().last(), Some(common::scalar()));
}

#[test]
fn numbers_of_the_c_abi() {
    let ids =
        [BackendId::Scalar, BackendId::Avx2, BackendId::Avx512, BackendId::Avx512Vnni, BackendId::AvxVnni];
    assert_eq!(ids.map(|id| id as u8), [0, 1, 2, 3, 4]);
    let ids = [BackendId::Amx, BackendId::Neon, BackendId::Dotprod, BackendId::I8mm, BackendId::Simd128];
    assert_eq!(ids.map(|id| id as u8), [5, 6, 7, 8, 9]);
    assert_eq!(BackendId::Sse41 as u8, 10);
}

/// Linux and CPUID say what the CPU has, so that nothing is taken on trust here.
#[test]
fn nothing_is_assumed_against_the_answer() {
    for &id in BackendId::ALL {
        let asked = Backend::new(id);
        // SAFETY: where it is not refused, the CPU was asked.
        assert_eq!(unsafe { Backend::assume(id) }, asked);
        assert_eq!(Backend::new(id), asked, "a refused word changes nothing");
    }
}

/// The only test that touches the process-wide choice.
#[test]
fn forcing_only_lowers() {
    let best = Backend::best();
    assert_eq!(Some(best), Backend::available().next());
    for &id in BackendId::ALL {
        match Backend::new(id) {
            Ok(backend) => {
                assert_eq!(Backend::force(id), Ok(backend));
                assert_eq!(Backend::best(), backend);
            }
            Err(error) => {
                let before = Backend::best();
                assert_eq!(Backend::force(id), Err(error));
                assert_eq!(Backend::best(), before, "a refused force changes nothing");
            }
        }
    }
    Backend::force(best.id()).unwrap();
}
