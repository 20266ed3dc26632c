/* The conformance digests of this machine: for each backend it has a line for each group, and 1 as the exit status if one of
 * them is not what it is everywhere. With the argument "reduced", of the grid for microcontrollers. */
#include <hbitlinear.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hbl_error error;

static void check(hbl_status status) {
    if (status != HBL_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", hbl_status_text(status), error.message);
        exit(EXIT_FAILURE);
    }
}

int main(int count, char **arguments) {
    const uint32_t grid = count > 1 && strcmp(arguments[1], "reduced") == 0 ? HBL_GRID_REDUCED : HBL_GRID_FULL;
    uint32_t backends[32];
    size_t available, memory_len;
    check(hbl_backend_list(backends, 32, &available, &error));
    check(hbl_conformance_workspace_len(grid, &memory_len, &error));
    uint8_t *memory = malloc(memory_len);
    int wrong = 0;
    for (size_t i = 0; i < available; ++i) {
        for (uint32_t group = 0; hbl_conformance_name(group); ++group) {
            uint64_t digest, expected;
            check(hbl_conformance_digest(backends[i], group, grid, memory, memory_len, &digest, &expected, &error));
            printf("%s %s %016" PRIx64 "%s\n", hbl_backend_name(backends[i]), hbl_conformance_name(group), digest,
                   digest == expected ? "" : " WRONG");
            wrong |= digest != expected;
        }
    }
    free(memory);
    return wrong;
}
