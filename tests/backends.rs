//! Which backends this machine has, and that forcing one only lowers.

mod common;

use hbitlinear::{Backend, BackendId, Error};

#[test]
fn backends_of_this_machine() {
    common::check_expected_backend();
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
fn names_and_numbers_are_unique_and_lead_back() {
    for &id in BackendId::ALL {
        assert_eq!(BackendId::from_name(id.name()), Ok(id));
        assert_eq!(BackendId::from_number(id as u32), Ok(id));
    }
    assert_eq!(BackendId::Scalar as u8, 0);
    assert_eq!(BackendId::Avx2 as u8, 1);
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
