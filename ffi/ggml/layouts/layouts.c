/* Prints what the compiler makes of the structs and numbers of ggml that the backend declares by hand. See the README. */
#include <stddef.h>
#include <stdio.h>

#include "ggml-backend-impl.h"

#define SIZE(type) printf(#type " %zu\n", sizeof(struct type))
#define FIELD(type, field) \
    printf(#type "." #field " %zu %zu\n", offsetof(struct type, field), sizeof(((struct type *)0)->field))
#define NUMBER(name) printf(#name " %d\n", (int)(name))

int main(void) {
    NUMBER(GGML_BACKEND_API_VERSION);
    NUMBER(GGML_TYPE_F32);
    NUMBER(GGML_TYPE_TQ1_0);
    NUMBER(GGML_TYPE_TQ2_0);
    NUMBER(GGML_TYPE_Q2_0);
    NUMBER(GGML_OP_NONE);
    NUMBER(GGML_OP_MUL_MAT);
    NUMBER(GGML_OP_RESHAPE);
    NUMBER(GGML_OP_VIEW);
    NUMBER(GGML_OP_PERMUTE);
    NUMBER(GGML_OP_TRANSPOSE);
    NUMBER(GGML_HINT_NONE);
    NUMBER(GGML_STATUS_FAILED);
    NUMBER(GGML_STATUS_SUCCESS);
    NUMBER(GGML_BACKEND_DEVICE_TYPE_CPU);
    NUMBER(GGML_BACKEND_DEVICE_TYPE_ACCEL);
    NUMBER(GGML_TENSOR_FLAG_COMPUTE);

    SIZE(ggml_tensor);
    FIELD(ggml_tensor, type);
    FIELD(ggml_tensor, buffer);
    FIELD(ggml_tensor, ne);
    FIELD(ggml_tensor, nb);
    FIELD(ggml_tensor, op);
    FIELD(ggml_tensor, op_params);
    FIELD(ggml_tensor, flags);
    FIELD(ggml_tensor, src);
    FIELD(ggml_tensor, view_src);
    FIELD(ggml_tensor, view_offs);
    FIELD(ggml_tensor, data);
    FIELD(ggml_tensor, name);
    FIELD(ggml_tensor, extra);

    SIZE(ggml_backend_buffer_type);
    FIELD(ggml_backend_buffer_type, iface.get_name);
    FIELD(ggml_backend_buffer_type, iface.alloc_buffer);
    FIELD(ggml_backend_buffer_type, iface.get_alignment);
    FIELD(ggml_backend_buffer_type, iface.get_max_size);
    FIELD(ggml_backend_buffer_type, iface.get_alloc_size);
    FIELD(ggml_backend_buffer_type, iface.is_host);
    FIELD(ggml_backend_buffer_type, device);
    FIELD(ggml_backend_buffer_type, context);

    SIZE(ggml_backend_buffer);
    FIELD(ggml_backend_buffer, iface.free_buffer);
    FIELD(ggml_backend_buffer, iface.get_base);
    FIELD(ggml_backend_buffer, iface.memset_tensor);
    FIELD(ggml_backend_buffer, iface.set_tensor);
    FIELD(ggml_backend_buffer, iface.get_tensor);
    FIELD(ggml_backend_buffer, iface.clear);
    FIELD(ggml_backend_buffer, iface.reset);
    FIELD(ggml_backend_buffer, buft);
    FIELD(ggml_backend_buffer, context);
    FIELD(ggml_backend_buffer, size);
    FIELD(ggml_backend_buffer, usage);

    SIZE(ggml_backend);
    FIELD(ggml_backend, guid);
    FIELD(ggml_backend, iface.get_name);
    FIELD(ggml_backend, iface.free);
    FIELD(ggml_backend, iface.graph_compute);
    FIELD(ggml_backend, iface.graph_optimize);
    FIELD(ggml_backend, device);
    FIELD(ggml_backend, context);

    SIZE(ggml_backend_dev_props);
    FIELD(ggml_backend_dev_props, name);
    FIELD(ggml_backend_dev_props, description);
    FIELD(ggml_backend_dev_props, memory_free);
    FIELD(ggml_backend_dev_props, memory_total);
    FIELD(ggml_backend_dev_props, type);
    FIELD(ggml_backend_dev_props, device_id);
    FIELD(ggml_backend_dev_props, caps.async);
    FIELD(ggml_backend_dev_props, caps.host_buffer);
    FIELD(ggml_backend_dev_props, caps.buffer_from_host_ptr);
    FIELD(ggml_backend_dev_props, caps.events);
    FIELD(ggml_backend_dev_props, caps.mmap_support);

    SIZE(ggml_backend_device);
    FIELD(ggml_backend_device, iface.get_name);
    FIELD(ggml_backend_device, iface.get_description);
    FIELD(ggml_backend_device, iface.get_memory);
    FIELD(ggml_backend_device, iface.get_type);
    FIELD(ggml_backend_device, iface.get_props);
    FIELD(ggml_backend_device, iface.init_backend);
    FIELD(ggml_backend_device, iface.get_buffer_type);
    FIELD(ggml_backend_device, iface.supports_op);
    FIELD(ggml_backend_device, iface.supports_buft);
    FIELD(ggml_backend_device, reg);
    FIELD(ggml_backend_device, context);

    SIZE(ggml_backend_reg);
    FIELD(ggml_backend_reg, api_version);
    FIELD(ggml_backend_reg, iface.get_name);
    FIELD(ggml_backend_reg, iface.get_device_count);
    FIELD(ggml_backend_reg, iface.get_device);
    FIELD(ggml_backend_reg, iface.get_proc_address);
    FIELD(ggml_backend_reg, context);
    return 0;
}
