/* Eight hexadecimal digits. */
#ifndef HEX_H
#define HEX_H

#include "board.h"

#include <stdint.h>

static inline void put_hex(uint32_t number) {
    char text[9];
    for (int i = 0; i < 8; i++) {
        text[i] = "0123456789abcdef"[number >> (28 - 4 * i) & 15];
    }
    text[8] = '\0';
    put(text);
}

#endif
