//! The structs are those of ggml: `layouts/` holds what a compiler says of its headers.

use core::mem::offset_of;

use crate::abi::*;

const API_2: &str = include_str!("../layouts/api2.txt");
const API_3: &str = include_str!("../layouts/api3.txt");

/// Lines as `layouts.c` prints them.
#[derive(Default)]
struct Table(Vec<String>);

impl Table {
    fn number(&mut self, name: &str, number: i32) {
        self.0.push(format!("{name} {number}"));
    }
}

macro_rules! record {
    ($table:expr, $name:literal, $type:ty, $( $c:literal = $($field:ident).+ ),+ ) => {
        $table.0.push(format!("{} {}", $name, size_of::<$type>()));
        $( $table.0.push(format!(
            "{}.{} {} {}", $name, $c, offset_of!($type, $($field).+), size(|s: &$type| &raw const s.$($field).+)
        )); )+
    };
}

/// The size of what a function points to, which is never called.
fn size<S, F>(_: impl Fn(&S) -> *const F) -> usize {
    size_of::<F>()
}

fn table(api: i32, buffer_type: impl Fn(&mut Table)) -> String {
    let mut table = Table::default();
    table.number("GGML_BACKEND_API_VERSION", api);
    table.number("GGML_TYPE_F32", types::F32);
    table.number("GGML_TYPE_TQ1_0", types::TQ1_0);
    table.number("GGML_TYPE_TQ2_0", types::TQ2_0);
    table.number("GGML_TYPE_Q2_0", types::Q2_0);
    for (number, name) in ops::NAMES {
        table.number(&format!("GGML_OP_{}", name.to_string_lossy()), number);
    }
    table.number("GGML_HINT_NONE", 0);
    table.number("GGML_STATUS_FAILED", STATUS_FAILED);
    table.number("GGML_STATUS_SUCCESS", STATUS_SUCCESS);
    table.number("GGML_BACKEND_DEVICE_TYPE_CPU", DEVICE_TYPE_CPU);
    table.number("GGML_BACKEND_DEVICE_TYPE_ACCEL", DEVICE_TYPE_ACCEL);
    table.number("GGML_TENSOR_FLAG_COMPUTE", TENSOR_FLAG_COMPUTE);
    record!(
        table,
        "ggml_tensor",
        Tensor,
        "type" = kind,
        "buffer" = buffer,
        "ne" = ne,
        "nb" = nb,
        "op" = op,
        "op_params" = op_params,
        "flags" = flags,
        "src" = src,
        "view_src" = view_src,
        "view_offs" = view_offs,
        "data" = data,
        "name" = name,
        "extra" = extra
    );
    buffer_type(&mut table);
    record!(
        table,
        "ggml_backend_buffer",
        Buffer,
        "iface.free_buffer" = functions.free_buffer,
        "iface.get_base" = functions.get_base,
        "iface.memset_tensor" = functions.memset_tensor,
        "iface.set_tensor" = functions.set_tensor,
        "iface.get_tensor" = functions.get_tensor,
        "iface.clear" = functions.clear,
        "iface.reset" = functions.reset,
        "buft" = buffer_type,
        "context" = context,
        "size" = size,
        "usage" = usage
    );
    record!(
        table,
        "ggml_backend",
        Backend,
        "guid" = guid,
        "iface.get_name" = functions.get_name,
        "iface.free" = functions.free,
        "iface.graph_compute" = functions.graph_compute,
        "iface.graph_optimize" = functions.graph_optimize,
        "device" = device,
        "context" = context
    );
    record!(
        table,
        "ggml_backend_dev_props",
        Properties,
        "name" = name,
        "description" = description,
        "memory_free" = memory_free,
        "memory_total" = memory_total,
        "type" = device_type,
        "device_id" = device_id,
        "caps.async" = capabilities.asynchronous,
        "caps.host_buffer" = capabilities.host_buffer,
        "caps.buffer_from_host_ptr" = capabilities.buffer_from_host_ptr,
        "caps.events" = capabilities.events,
        "caps.mmap_support" = capabilities.mmap_support
    );
    record!(
        table,
        "ggml_backend_device",
        Device,
        "iface.get_name" = functions.get_name,
        "iface.get_description" = functions.get_description,
        "iface.get_memory" = functions.get_memory,
        "iface.get_type" = functions.get_type,
        "iface.get_props" = functions.get_props,
        "iface.init_backend" = functions.init_backend,
        "iface.get_buffer_type" = functions.get_buffer_type,
        "iface.supports_op" = functions.supports_op,
        "iface.supports_buft" = functions.supports_buft,
        "reg" = registry,
        "context" = context
    );
    record!(
        table,
        "ggml_backend_reg",
        Registry,
        "api_version" = api_version,
        "iface.get_name" = get_name,
        "iface.get_device_count" = get_device_count,
        "iface.get_device" = get_device,
        "iface.get_proc_address" = get_proc_address,
        "context" = context
    );
    table.0.join("\n") + "\n"
}

macro_rules! buffer_type {
    ($functions:ty) => {
        |table: &mut Table| {
            record!(
                table,
                "ggml_backend_buffer_type",
                BufferType<$functions>,
                "iface.get_name" = functions.get_name,
                "iface.alloc_buffer" = functions.alloc_buffer,
                "iface.get_alignment" = functions.get_alignment,
                "iface.get_max_size" = functions.get_max_size,
                "iface.get_alloc_size" = functions.get_alloc_size,
                "iface.is_host" = functions.is_host,
                "device" = device,
                "context" = context
            );
        }
    };
}

#[test]
fn the_structs_are_those_of_api_2() {
    assert_eq!(table(2, buffer_type!(BufferTypeFunctions2)), API_2);
}

#[test]
fn the_structs_are_those_of_api_3() {
    assert_eq!(table(3, buffer_type!(BufferTypeFunctions3)), API_3);
}
