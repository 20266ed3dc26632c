/* A container of two entries, "w" and a contract, written by hand from the description of the format. */
#ifndef CONTAINER_H
#define CONTAINER_H

#include "checksum.h"

#include <string.h>

static const char CONTRACT[] = "hbitlinear-contract 1\nw 64 a4-absmean\nplain none a8-absmax\n";

enum { CONTAINER = 8192 };

static inline void record(uint8_t *at, uint64_t place, const uint8_t *data, uint64_t len, uint32_t names, uint16_t name,
                          uint8_t kind) {
    store(at, place, 8);
    store(at + 8, len, 8);
    store(at + 48, crc32(data, (size_t)len), 4);
    store(at + 52, names, 4);
    store(at + 56, name, 2);
    at[61] = kind;
}

/* Puts the checksums right, of a file whose index has that place. */
static inline void seal(uint8_t *file, size_t index, size_t len) {
    store(file + 28, crc32(file + index, len - index), 4);
    store(file + 60, crc32(file, 60), 4);
}

/* Fills `file`, of CONTAINER bytes, and returns the length; `index` is where the index begins. */
static inline size_t build(uint8_t *file, const uint8_t *blob, size_t blob_len, uint64_t n, uint64_t k, size_t *index) {
    const size_t text = 64 + (blob_len + 63) / 64 * 64, text_len = sizeof CONTRACT - 1;
    static const uint8_t NAMES[] = "w\0\0contract\0text";
    *index = text + (text_len + 63) / 64 * 64;
    memset(file, 0, CONTAINER);
    memcpy(file + 64, blob, blob_len);
    memcpy(file + text, CONTRACT, text_len);
    uint8_t *const records = file + *index;
    record(records, 64, blob, blob_len, 0, 1, 1);
    store(records + 16, n, 8);
    store(records + 24, k, 8);
    records[60] = 2;
    record(records + 64, text, (const uint8_t *)CONTRACT, text_len, 3, 8, 3);
    store(records + 64 + 58, 4, 2);
    /* In the order of their names: "contract", "w". */
    store(records + 128, 1, 4);
    store(records + 132, 0, 4);
    memcpy(records + 136, NAMES, sizeof NAMES);
    const size_t len = *index + 136 + sizeof NAMES;
    memcpy(file, "HBLC\1", 5);
    store(file + 8, len, 8);
    store(file + 16, *index, 8);
    store(file + 24, 2, 4);
    seal(file, *index, len);
    return len;
}

#endif
