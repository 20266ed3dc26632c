//! A process that may not ask for tiles: the best backend is another one. In a process of its own, because the answer is
//! asked for once.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_pointer_width = "64"))]

mod common;

use core::arch::asm;

use hbitlinear::{Backend, BackendId, Error};

const PRCTL: usize = 157;
const ARCH_PRCTL: u32 = 158;
const ARCH_REQ_XCOMP_PERM: u32 = 0x1023;

/// An instruction of a filter of system calls, as Linux has them.
#[repr(C)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

#[repr(C)]
struct Program {
    len: u16,
    instructions: *const Instruction,
}

const fn load(offset: u32) -> Instruction {
    Instruction { code: 0x20, if_true: 0, if_false: 0, value: offset }
}

/// Goes on if equal, or else that many further.
const fn unless(value: u32, skip: u8) -> Instruction {
    Instruction { code: 0x15, if_true: 0, if_false: skip, value }
}

const fn answer(value: u32) -> Instruction {
    Instruction { code: 0x06, if_true: 0, if_false: 0, value }
}

fn prctl(option: usize, first: usize, second: usize) -> isize {
    let mut result = PRCTL;
    // SAFETY: a system call with the kernel's convention; those below read the program and write nothing.
    unsafe {
        asm!("syscall", inout("rax") result, in("rdi") option, in("rsi") first, in("rdx") second, in("r10") 0, in("r8") 0,
            out("rcx") _, out("r11") _, options(nostack));
    }
    result as isize
}

#[test]
fn the_next_backend_is_the_best() {
    const SET_SECCOMP: usize = 22;
    const SET_NO_NEW_PRIVILEGES: usize = 38;
    const REFUSE: u32 = 0x0005_0001;
    const ALLOW: u32 = 0x7fff_0000;
    let filter = [
        load(0),
        unless(ARCH_PRCTL, 3),
        load(16),
        unless(ARCH_REQ_XCOMP_PERM, 1),
        answer(REFUSE),
        answer(ALLOW),
    ];
    let program = Program { len: filter.len() as u16, instructions: filter.as_ptr() };
    let refused = prctl(SET_NO_NEW_PRIVILEGES, 1, 0) == 0
        && prctl(SET_SECCOMP, 2, (&raw const program).expose_provenance()) == 0;
    if !refused {
        common::log("filters of system calls: UNAVAILABLE, refusal not tested on this machine");
        return;
    }
    let error = Error::BackendUnavailable { backend: "amx" };
    assert_eq!(Backend::new(BackendId::Amx), Err(error));
    assert_ne!(Backend::best().id(), BackendId::Amx);
    assert_eq!(Some(Backend::best()), Backend::available().next());
}
