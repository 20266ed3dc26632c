/* The conformance digests of every backend, of the reduced grid, which fits a microcontroller, if nothing else is said. */
#include "board.h"
#include "hex.h"

#include <hbitlinear.h>

#ifndef GRID
#define GRID HBL_GRID_REDUCED
#define MEMORY (2 << 20)
#endif

/* Names of backends that this machine can run, and that nobody says it can. */
#ifndef ASSUMED
#define ASSUMED NULL
#endif

static uint8_t memory[MEMORY];

int run(void) {
    size_t len, count;
    uint32_t backends[16];
    if (hbl_conformance_workspace_len(GRID, &len, NULL) != HBL_STATUS_OK || len > sizeof memory) {
        put("the memory is too small\n");
        return 1;
    }
    const char *const assumed[] = {ASSUMED};
    for (size_t i = 0; i < sizeof assumed / sizeof assumed[0] && assumed[i] != NULL; i++) {
        uint32_t id;
        if (hbl_backend_from_name(assumed[i], &id, NULL) != HBL_STATUS_OK || hbl_backend_available(id) ||
            hbl_backend_assume(id, NULL) != HBL_STATUS_OK) {
            put("not assumed, or known before\n");
            return 1;
        }
    }
    if (hbl_backend_list(backends, 16, &count, NULL) != HBL_STATUS_OK || count > 16) {
        put("no list of backends\n");
        return 1;
    }
    int wrong = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t group = 0; hbl_conformance_name(group) != NULL; group++) {
            uint64_t digest = 0, expected = 0;
            hbl_error error;
            if (hbl_conformance_digest(backends[i], group, GRID, memory, len, &digest, &expected, &error) !=
                HBL_STATUS_OK) {
                put(error.message);
                return 1;
            }
            put(hbl_backend_name(backends[i]));
            put(" ");
            put(hbl_conformance_name(group));
            put(" ");
            put_hex((uint32_t)(digest >> 32));
            put_hex((uint32_t)digest);
            put(digest == expected ? "\n" : " WRONG\n");
            wrong |= digest != expected;
        }
    }
    return wrong;
}
