/* Memory as malloc gives it, and what looks at all that was written there. */
#ifndef UNINITIALISED_H
#define UNINITIALISED_H

#include <hbitlinear.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hbl_error *error;

static inline void *memory(size_t count, size_t size) {
    void *result = malloc(count * size);
    if (result == NULL) {
        exit(EXIT_FAILURE);
    }
    return result;
}

static inline void check(int line, hbl_status status) {
    if (status != HBL_STATUS_OK || error->status != HBL_STATUS_OK || error->row != HBL_NO_ROW || error->message[0] != '\0') {
        printf("line %d: %s: %s\n", line, hbl_status_text(status), error->message);
        exit(EXIT_FAILURE);
    }
    /* The next call has new details as well. */
    free(error);
    error = memory(1, sizeof *error);
}
#define OK(call) check(__LINE__, (call))

/* Depends on every bit, so that an unwritten one is noticed. */
static unsigned total;
static inline void use(const void *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        total = total * 31 + ((const uint8_t *)data)[i];
    }
    printf("%s", total == 0 ? "." : "");
}

#endif
