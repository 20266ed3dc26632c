//! The registry, its one device, and the second, unregistered one that its backends say they are of.

use core::ffi::{c_char, c_int, c_void};
use core::ptr;
use std::ffi::CString;

use crate::abi::{
    BufferType, BufferTypeFunctions2, BufferTypeFunctions3, Capabilities, DEVICE_TYPE_ACCEL, Device,
    DeviceFunctions, Properties, Registry, Tensor,
};
use crate::backend::{get_proc_address, init_backend};
use crate::guard::{Instance, guarded, instance};
use crate::host::{Api, Host};
use crate::settings::{Settings, Way};
use crate::{buffer, host_cpu, inject, product};

/// Puts everything together. What is made here lives as long as the process.
pub(crate) fn make() -> Result<Instance, String> {
    let host = Host::find()?;
    let settings = Settings::read()?;
    let description = format!("hbitlinear {} ({})", env!("CARGO_PKG_VERSION"), settings.backend.name());
    let pool = if settings.way == Way::Inject { Some(host_cpu::Pool::find()?) } else { None };
    let registry = Box::into_raw(Box::new(Registry {
        api_version: host.api as c_int,
        get_name: registry_name,
        get_device_count,
        get_device,
        get_proc_address,
        context: ptr::null_mut(),
    }));
    let device = device(registry, get_buffer_type);
    let backend_device = match settings.way {
        Way::Own => device,
        Way::Split | Way::Inject => self::device(registry, get_host_buffer_type),
    };
    let buffer_type = match settings.way {
        Way::Split | Way::Own => buffer_type(host.api, device, ptr::null_mut()),
        Way::Inject => buffer_type(host.api, host_cpu::cpu_device()?, inject::context()),
    };
    if settings.way == Way::Inject {
        host_cpu::append(buffer_type, inject::context())?;
    }
    Ok(Instance {
        buffer_type,
        pool,
        description: CString::new(description).map_err(|error| error.to_string())?,
        host,
        settings,
        registry,
        device,
        backend_device,
    })
}

fn device(
    registry: *mut Registry,
    get_buffer_type: unsafe extern "C" fn(*mut Device) -> *mut c_void,
) -> *mut Device {
    let functions = DeviceFunctions {
        get_name,
        get_description,
        get_memory,
        get_type,
        get_props,
        init_backend,
        get_buffer_type,
        get_host_buffer_type: None,
        buffer_from_host_ptr: None,
        supports_op,
        supports_buft,
        offload_op: None,
        event: [None; 3],
    };
    Box::into_raw(Box::new(Device { functions, registry, context: ptr::null_mut() }))
}

fn buffer_type(api: Api, device: *mut Device, context: *mut c_void) -> *mut c_void {
    use buffer::{alloc_buffer, get_alignment, get_name, is_host};
    match api {
        Api::Two => {
            let functions = BufferTypeFunctions2 {
                get_name,
                alloc_buffer,
                get_alignment,
                get_max_size: None,
                get_alloc_size: None,
                is_host,
            };
            Box::into_raw(Box::new(BufferType { functions, device, context })).cast()
        }
        Api::Three => {
            let functions = BufferTypeFunctions3 {
                get_name,
                alloc_buffer,
                alloc_buffer_n: None,
                get_alignment,
                get_max_size: None,
                get_alloc_size: None,
                get_alloc_size_n: None,
                is_host,
            };
            Box::into_raw(Box::new(BufferType { functions, device, context })).cast()
        }
    }
}

unsafe extern "C" fn registry_name(_: *mut Registry) -> *const c_char {
    c"hbitlinear".as_ptr()
}

unsafe extern "C" fn get_device_count(_: *mut Registry) -> usize {
    // Where it is injected, the device is the CPU's.
    usize::from(instance().settings.way != Way::Inject)
}

unsafe extern "C" fn get_device(_: *mut Registry, index: usize) -> *mut Device {
    if index == 0 { instance().device } else { ptr::null_mut() }
}

unsafe extern "C" fn get_name(_: *mut Device) -> *const c_char {
    c"hbitlinear".as_ptr()
}

unsafe extern "C" fn get_description(_: *mut Device) -> *const c_char {
    instance().description.as_ptr()
}

/// The host's memory, which the CPU device reports.
unsafe extern "C" fn get_memory(_: *mut Device, free: *mut usize, total: *mut usize) {
    // SAFETY: the host wants both.
    unsafe {
        free.write(0);
        total.write(0);
    }
}

unsafe extern "C" fn get_type(_: *mut Device) -> c_int {
    DEVICE_TYPE_ACCEL
}

unsafe extern "C" fn get_props(_: *mut Device, properties: *mut Properties) {
    let properties_of_ours = Properties {
        name: c"hbitlinear".as_ptr(),
        description: instance().description.as_ptr(),
        memory_free: 0,
        memory_total: 0,
        device_type: DEVICE_TYPE_ACCEL,
        device_id: ptr::null(),
        // Without `buffer_from_host_ptr` each tensor arrives in one `set_tensor`.
        capabilities: Capabilities {
            asynchronous: false,
            host_buffer: false,
            buffer_from_host_ptr: false,
            events: false,
            mmap_support: true,
        },
    };
    // SAFETY: the host wants them.
    unsafe { properties.write(properties_of_ours) };
}

unsafe extern "C" fn get_buffer_type(_: *mut Device) -> *mut c_void {
    instance().buffer_type
}

unsafe extern "C" fn get_host_buffer_type(_: *mut Device) -> *mut c_void {
    // SAFETY: takes nothing.
    unsafe { (instance().host.ggml_backend_cpu_buffer_type)() }
}

unsafe extern "C" fn supports_op(_: *mut Device, op: *const Tensor) -> bool {
    // SAFETY: the host passes a tensor.
    guarded(false, || product::supports(unsafe { &*op }))
}

/// Everything that is in the host's memory, so that inputs are not copied.
unsafe extern "C" fn supports_buft(_: *mut Device, buffer_type: *mut c_void) -> bool {
    // SAFETY: a buffer type of the host's.
    buffer_type == instance().buffer_type
        || unsafe { (instance().host.ggml_backend_buft_is_host)(buffer_type) }
}
